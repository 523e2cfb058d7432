//! What an operator can set: one typed tree, read from a file and refined by the command line.

mod telemetry;

pub use telemetry::{MetricsFile, TracesFile};

use crate::registry::ready::LimitPolicy;
use lovage_job::child::{FANOUT_CEILING, FANOUT_DEFAULT};
use lovage_job::limits::{Limits, LimitsWish, soft_below};
use lovage_job::storage::{BUCKETS_BYTES_DEFAULT, CONTAINERS_BYTES_DEFAULT};
use lovage_job::unit::{ByteSize, span};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most attempts at once, as on the command line.
const CONCURRENCY_MAX: usize = 8_000;
/// Cores of a runner: the kernel counts no less than a hundredth of one.
const CORES_MIN: f64 = 0.01;
const CORES_MAX: f64 = 10_000.0;

/// The file: `lovage worker --config FILE`. Unknown keys are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerFile {
    /// Attempts at once; eight for each core where none is given.
    pub concurrency: Option<usize>,
    /// Whether queues are served strictly in their order.
    pub strict: bool,
    /// Where jobs run.
    pub isolation: Isolation,
    /// The processes in which they run where they run apart.
    pub runner: RunnerFile,
    /// Whether the kernel holds runners and the compiler to their limits.
    pub cgroup: ControlGroups,
    /// Linear memory of all guests together; where they run apart, of those of one tenant.
    pub memory_budget: ByteSize,
    /// The WebAssembly stack of a guest.
    pub stack: ByteSize,
    /// How long attempts may go on after a signal to stop.
    #[serde(with = "span")]
    pub drain: Duration,
    /// How long results are kept where the task does not say.
    #[serde(with = "span")]
    pub result_keep: Duration,
    /// Copies of each stream.
    pub replicas: usize,
    /// Jobs of a tenant that may wait.
    pub jobs_max: i64,
    /// The limits of a task that asks for none.
    pub limits: LimitsWish,
    /// What no task may pass.
    pub ceiling: LimitsWish,
    /// What compiling a component may take.
    pub compile: CompileFile,
    /// Where webhooks may go.
    pub webhook: WebhookFile,
    /// Where requests of tasks may go.
    pub egress: EgressFile,
    /// Jobs that jobs submit.
    pub submit: SubmitFile,
    /// What tasks may keep.
    pub storage: StorageFile,
    /// How secrets are opened.
    pub secrets: SecretsFile,
    /// What is shown of the worker.
    pub metrics: MetricsFile,
    /// Where its traces go.
    pub traces: TracesFile,
}

/// What the tasks of one tenant may keep, all together. The broker holds these bounds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageFile {
    /// Keys and values of its buckets.
    pub keyvalue: ByteSize,
    /// Blobs of its containers.
    pub blobstore: ByteSize,
}

impl Default for StorageFile {
    fn default() -> Self {
        Self { keyvalue: ByteSize(BUCKETS_BYTES_DEFAULT), blobstore: ByteSize(CONTAINERS_BYTES_DEFAULT) }
    }
}

/// How secrets are opened.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsFile {
    /// A file of master keys; that of the environment where none is given.
    pub key_file: Option<PathBuf>,
}

/// Where jobs run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// All in the worker's own process, each in a sandbox.
    #[default]
    InProcess,
    /// Each tenant's in a process of its own, without credentials, files or network.
    Process,
}

/// Whether children are put into control groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlGroups {
    /// Where the machine lets the worker make some.
    #[default]
    Auto,
    /// Always: a worker that cannot limit memory and threads by them does not start.
    Require,
    /// Never.
    Off,
}

/// The processes in which jobs run where they run apart.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunnerFile {
    /// Runners without jobs that are kept.
    pub idle_max: usize,
    /// How long a runner without jobs is kept.
    #[serde(with = "span")]
    pub idle: Duration,
    /// Processor time of one runner, in cores; needs the cpu controller of cgroups.
    pub cores: Option<f64>,
}

impl Default for RunnerFile {
    fn default() -> Self {
        Self { idle_max: 8, idle: Duration::from_secs(60), cores: None }
    }
}

/// Where webhooks may go.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookFile {
    /// Also to private, loopback and link-local addresses, which are those of the operator's own network.
    pub allow_private: bool,
}

/// Where requests of tasks may go.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressFile {
    /// Also to private, loopback and link-local addresses, where the task is granted the host.
    pub allow_private: bool,
}

/// Jobs that jobs submit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubmitFile {
    /// The most children of one job, over all its attempts; 0 refuses all.
    pub fanout: u32,
}

impl Default for SubmitFile {
    fn default() -> Self {
        Self { fanout: FANOUT_DEFAULT }
    }
}

/// What compiling a component may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompileFile {
    /// Processor time, in seconds.
    pub cpu_seconds: u64,
    /// Address space of the compiler's process.
    pub memory: ByteSize,
    /// Wall time.
    #[serde(with = "span")]
    pub wall: Duration,
}

impl Default for CompileFile {
    fn default() -> Self {
        let limits = lovage_sandbox::CompileLimits::default();
        Self { cpu_seconds: limits.cpu_seconds, memory: ByteSize(limits.memory_bytes), wall: limits.wall }
    }
}

impl Default for WorkerFile {
    fn default() -> Self {
        Self {
            concurrency: None,
            strict: false,
            isolation: Isolation::default(),
            runner: RunnerFile::default(),
            cgroup: ControlGroups::default(),
            memory_budget: ByteSize::mib(1024),
            stack: ByteSize::kib(512),
            drain: Duration::from_secs(25),
            result_keep: Duration::from_secs(86_400),
            replicas: 1,
            jobs_max: 1_000_000,
            limits: LimitsWish::default(),
            ceiling: LimitsWish::default(),
            compile: CompileFile::default(),
            webhook: WebhookFile::default(),
            egress: EgressFile::default(),
            submit: SubmitFile::default(),
            storage: StorageFile::default(),
            secrets: SecretsFile::default(),
            metrics: MetricsFile::default(),
            traces: TracesFile::default(),
        }
    }
}

/// A file that cannot be used. The text has the line and, where a key is unknown, the known ones.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file does not say what it should.
    #[error("{path}: {reason}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

impl WorkerFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let parsed: Result<Self, _> = toml::from_str(&text);
        let bad = |reason: String| ConfigError::Parse { path: path.to_owned(), reason };
        let file = parsed.map_err(|error| bad(error.to_string().trim_end().to_owned()))?;
        file.check().map_err(bad)?;
        Ok(file)
    }

    fn check(&self) -> Result<(), String> {
        if self.concurrency == Some(0) {
            return Err("concurrency = 0 would run nothing; give at least 1".to_owned());
        }
        if let Some(concurrency) = self.concurrency.filter(|concurrency| *concurrency > CONCURRENCY_MAX) {
            return Err(format!("concurrency = {concurrency} is more than {CONCURRENCY_MAX}"));
        }
        if self.memory_budget < ByteSize::mib(1) {
            return Err(format!("memory_budget = {} would run nothing; give at least 1MiB", self.memory_budget));
        }
        if self.runner.idle < Duration::from_secs(1) {
            return Err("idle of less than 1s would end a runner between two jobs; give at least 1s".to_owned());
        }
        if self.runner.cores.is_some_and(|cores| !(CORES_MIN..=CORES_MAX).contains(&cores)) {
            return Err(format!("[runner] cores is not from {CORES_MIN} to {CORES_MAX}"));
        }
        if self.runner.cores.is_some() && self.cgroup == ControlGroups::Off {
            return Err("[runner] cores needs cgroups, which cgroup = \"off\" forbids".to_owned());
        }
        if !(ByteSize::kib(64)..=ByteSize::mib(64)).contains(&self.stack) {
            return Err(format!("stack = {} is not from 64KiB to 64MiB", self.stack));
        }
        if self.ceiling.memory.is_some_and(|memory| memory > ByteSize::mib(4096)) {
            return Err("the ceiling of memory is more than the 4GiB that a guest can address".to_owned());
        }
        if self.compile.cpu_seconds == 0 {
            return Err("cpu_seconds = 0 would compile nothing; give at least 1".to_owned());
        }
        if self.limits.fuel == Some(0) || self.ceiling.fuel == Some(0) {
            return Err("fuel = 0 would run nothing; give at least 1".to_owned());
        }
        for (key, bytes) in [("keyvalue", self.storage.keyvalue), ("blobstore", self.storage.blobstore)] {
            if bytes < ByteSize::mib(1) {
                return Err(format!("[storage] {key} = {bytes} would hold next to nothing; give at least 1MiB"));
            }
        }
        if self.submit.fanout > FANOUT_CEILING {
            return Err(format!("fanout = {} is more than {FANOUT_CEILING}", self.submit.fanout));
        }
        if let (Some(soft), Some(hard)) = (self.limits.soft_timeout, self.limits.timeout) {
            soft_below(soft, hard)?;
        }
        if ![1, 3, 5].contains(&self.replicas) {
            return Err(format!("replicas = {} is not 1, 3 or 5", self.replicas));
        }
        self.metrics.check()?;
        if self.jobs_max < 1 {
            return Err(format!("jobs_max = {} would refuse every job; give at least 1", self.jobs_max));
        }
        Ok(())
    }

    /// The operator's limits.
    pub fn limit_policy(&self) -> LimitPolicy {
        let ceiling = Limits::ceiling().with(&self.ceiling);
        LimitPolicy { default: Limits::default().with(&self.limits).capped(&ceiling), ceiling }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<WorkerFile, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        WorkerFile::read(file.path())
    }

    #[test]
    fn a_file_sets_limits_and_ceilings() {
        let file = read("drain = \"5s\"\n[limits]\nfuel = 7\n[ceiling]\nmemory = \"32MiB\"\n").unwrap();
        let policy = file.limit_policy();
        assert_eq!((policy.default.fuel, policy.default.memory), (7, ByteSize::mib(32)));
        assert_eq!(policy.ceiling.memory, ByteSize::mib(32));
        assert_eq!(file.drain, Duration::from_secs(5));
    }

    #[test]
    fn unknown_keys_and_absurd_values_are_refused_by_name() {
        for (text, named) in [
            ("concurency = 1", "concurency"),
            ("[limits]\nfeul = 1", "feul"),
            ("concurrency = 0", "concurrency"),
            ("replicas = 2", "replicas"),
            ("drain = 5", "drain"),
            ("jobs_max = 0", "jobs_max"),
            ("concurrency = 8001", "concurrency"),
            ("memory_budget = \"1023KiB\"", "memory_budget"),
            ("stack = \"63KiB\"", "stack"),
            ("stack = \"65MiB\"", "stack"),
            ("[ceiling]\nmemory = \"4097MiB\"", "memory"),
            ("[compile]\ncpu_seconds = 0", "cpu_seconds"),
            ("[webhook]\nallow_privat = true", "allow_privat"),
            ("[egress]\nallow_privat = true", "allow_privat"),
            ("[limits]\nfuel = 0", "fuel"),
            ("[limits]\ntimeout = \"5s\"\nsoft_timeout = \"5s\"", "soft timeout"),
            ("[submit]\nfanout = 1000001", "fanout"),
            ("[storage]\nkeyvalue = \"1023KiB\"", "keyvalue"),
            ("[storage]\nblobs = \"1GiB\"", "blobs"),
            ("[secrets]\nkey = \"x\"", "key"),
            ("cgroup = \"on\"", "cgroup"),
            ("[runner]\ncores = 0.009", "cores"),
            ("[runner]\ncores = nan", "cores"),
            ("cgroup = \"off\"\n[runner]\ncores = 1.5", "cgroup"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}

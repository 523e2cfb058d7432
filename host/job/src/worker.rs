//! What workers tell of themselves and can be told: the words of a request on a worker's own subject.

mod setting;

pub use setting::{QUEUES_MAX, SHARE_MAX, Setting, SettingError};

use crate::name::{Digest, JobId, QueueName, TaskName, TenantName};
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};

/// The most running jobs that a worker names.
pub const JOBS_NAMED_MAX: usize = 100;

/// The subject on which every worker answers with its [`WorkerInfo`].
pub const EVERY_WORKER: &str = "lovage-workers";

/// The subject on which one worker answers, and obeys.
pub fn subject(name: &JobId) -> String {
    format!("{EVERY_WORKER}.{name}")
}

/// What a worker can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// To say how it is.
    Info,
    /// To take no new jobs; running ones go on.
    Quiet,
    /// To take jobs again.
    Resume,
    /// To take no new jobs, and to end when the running ones have.
    Drain,
    /// To run more or fewer attempts at once, or to serve other queues.
    Set(Setting),
}

/// What goes before a setting, which is JSON.
const SET: &str = "set ";

impl Command {
    /// The body of the request.
    pub fn to_body(&self) -> String {
        match self {
            Self::Info => String::new(),
            Self::Quiet => "quiet".to_owned(),
            Self::Resume => "resume".to_owned(),
            Self::Drain => "drain".to_owned(),
            Self::Set(setting) => format!("{SET}{}", serde_json::to_string(setting).unwrap_or_default()),
        }
    }

    /// Reads the body of a request.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        match text {
            "" => Some(Self::Info),
            "quiet" => Some(Self::Quiet),
            "resume" => Some(Self::Resume),
            "drain" => Some(Self::Drain),
            _ => serde_json::from_str(text.strip_prefix(SET)?).ok().map(Self::Set),
        }
    }
}

/// How a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerMode {
    /// It takes jobs.
    Running,
    /// It takes no new jobs.
    Quiet,
    /// It takes no new jobs and ends soon.
    Draining,
}

impl WorkerMode {
    /// The name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Quiet => "quiet",
            Self::Draining => "draining",
        }
    }
}

/// What holds a runner's process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JailInfo {
    /// Whether any system call outside of a list ends it.
    pub seccomp: bool,
    /// Whether files and network are closed to it: `full`, `partial`, or why not.
    pub landlock: String,
    /// The limits that hold, for people.
    pub limits: Vec<String>,
}

/// A process in which one tenant's jobs run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerInfo {
    /// Whose jobs.
    pub tenant: TenantName,
    /// The process.
    pub pid: u32,
    /// Attempts that it runs now.
    pub running: usize,
    /// The component that runs there alone, because a runner died of it or of one beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<Digest>,
    /// What holds it.
    #[serde(default)]
    pub jail: JailInfo,
}

/// What a worker tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// Its name.
    pub name: JobId,
    /// Whether it takes jobs.
    pub mode: WorkerMode,
    /// How many attempts it runs now.
    pub running: usize,
    /// How many it can run at once.
    pub concurrency: usize,
    /// The queues it serves.
    pub queues: Vec<QueueName>,
    /// Since when it runs.
    pub started: UnixMs,
    /// Its version of Lovage.
    pub version: String,
    /// The processes in which jobs run, where they run apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runners: Vec<RunnerInfo>,
    /// The most attempts at once that it can be set to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<usize>,
    /// The shares of its queues, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<usize>,
    /// The memory of its process, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Cores that its process kept busy lately, in thousandths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_millicores: Option<u64>,
    /// Jobs that it runs now; the longest running of them where there are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<RunningJob>,
    /// Why what it was told is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A job that a worker runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningJob {
    /// Whose job.
    pub tenant: TenantName,
    /// The job.
    pub id: JobId,
    /// Its task.
    pub task: TaskName,
    /// Since when it runs.
    pub since: UnixMs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_read_back_and_others_are_none() {
        let setting = Setting { concurrency: Some(3), queues: Some(vec![("mail".parse().unwrap(), 2)]) };
        for command in [Command::Info, Command::Quiet, Command::Resume, Command::Drain, Command::Set(setting)] {
            assert_eq!(Command::parse(command.to_body().as_bytes()), Some(command));
        }
        for other in ["stop", "set", "set {", "set {\"threads\":3}", "set {\"queues\":[[\"A\",1]]}"] {
            assert_eq!(Command::parse(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn information_reads_back() {
        let text =
            r#"{"name":"a","mode":"quiet","running":2,"concurrency":8,"queues":["default"],"started":7,"version":"1"}"#;
        let info: WorkerInfo = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&info).unwrap(), text);
    }
}

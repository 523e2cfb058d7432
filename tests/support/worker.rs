//! Workers as processes of their own, so that a suite can kill one.

use std::{
    ffi::OsString,
    ops::{Deref, DerefMut},
    path::PathBuf,
};

use crate::{Nats, Process, WITHIN};

/// How a worker is to be started: `Worker::of(&nats).concurrency(4).start()`.
#[derive(Clone, Debug)]
pub struct WorkerSetup {
    url: String,
    name: String,
    concurrency: usize,
    cache_dir: PathBuf,
    args: Vec<OsString>,
    variables: Vec<(String, String)>,
}

/// A `lovage worker` process; `Process` has the rest: `kill9`, `sigterm`, `wait`, `stderr`.
#[derive(Debug)]
pub struct Worker(Process);

impl Worker {
    /// Returns the set-up of a worker for this server; workers of one server share a folder of compiled code.
    #[must_use]
    pub fn of(nats: &Nats) -> WorkerSetup {
        WorkerSetup {
            url: nats.url(),
            name: "worker".into(),
            concurrency: 4,
            cache_dir: nats.folder().join("worker-cache"),
            args: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// Waits until it says that it is ready to take jobs.
    #[track_caller]
    pub fn ready(&mut self) {
        self.0.says("that it is ready", WITHIN, says_ready);
    }
}

impl WorkerSetup {
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = dir.into();
        self
    }

    /// Adds an argument, such as `--queue` or its value.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Starts the worker without waiting for anything.
    #[must_use]
    pub fn spawn(self) -> Worker {
        let mut args: Vec<OsString> = ["worker", "--server", &self.url, "--name", &self.name].map(Into::into).into();
        args.extend(["--concurrency".into(), self.concurrency.to_string().into()]);
        args.extend(["--cache-dir".into(), self.cache_dir.into_os_string()]);
        // A suite runs in the other mode as a whole: LOVAGE_TEST_ISOLATION=process cargo test …
        if let Some(mode) = std::env::var_os("LOVAGE_TEST_ISOLATION").filter(|_| !self.args.iter().any(is_isolation)) {
            args.extend(["--isolation".into(), mode]);
        }
        args.extend(self.args);
        Worker(Process::lovage(&self.name, args, |command| {
            command.envs(self.variables);
        }))
    }

    /// Starts the worker and waits until it takes jobs.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> Worker {
        let mut worker = self.spawn();
        worker.ready();
        worker
    }
}

fn is_isolation(arg: &OsString) -> bool {
    arg == "--isolation"
}

impl Deref for Worker {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl DerefMut for Worker {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.0
    }
}

/// Knows the line of a worker that takes jobs, in the text log and in the JSON log: the message is `ready`, facts
/// follow in fields.
#[must_use]
pub fn says_ready(line: &str) -> bool {
    let json = serde_json::from_str::<serde_json::Value>(line).unwrap_or_default();
    match json.get("message").or_else(|| json.get("fields")?.get("message")) {
        Some(message) => message == "ready",
        // `TIME  INFO ready worker=NAME`; a part of the worker that is ready says so with words before it.
        None => line.split_once(" INFO ").is_some_and(|(_, text)| text.split(' ').next() == Some("ready")),
    }
}

#[cfg(test)]
mod tests {
    use super::says_ready;

    #[test]
    fn ready_is_known_in_text_and_in_json() {
        assert!(says_ready("2026-11-23T18:59:13.036958Z  INFO ready worker=a"));
        assert!(says_ready(r#"{"level":"INFO","message":"ready","worker":"a"}"#));
        assert!(says_ready(r#"{"level":"INFO","fields":{"message":"ready","worker":"a"}}"#));
        for line in [
            "2026-11-23T18:59:13.036958Z  INFO sandbox ready reset=Safe",
            "2026-11-23T18:59:13.036958Z  INFO already there",
            "2026-11-23T18:59:13.036958Z  WARN ready worker=a",
            r#"{"message":"sandbox ready"}"#,
            r#"{"message":"task","name":"ready"}"#,
            "",
        ] {
            assert!(!says_ready(line), "{line}");
        }
    }
}

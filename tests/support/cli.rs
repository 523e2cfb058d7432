//! Runs `lovage` commands as a person or a script would, and keeps what they printed.

use std::{
    ffi::{OsStr, OsString},
    io::{Seek, Write},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{Nats, Process, environment, lovage_binary};

/// How long one command may take; `--wait` for a slow job is the longest.
const COMMAND_WITHIN: Duration = Duration::from_secs(120);

/// The `lovage` command line, pointed at a server.
#[derive(Clone, Debug, Default)]
pub struct Cli {
    variables: Vec<(String, String)>,
}

/// How a command ended and what it printed.
#[derive(Clone, Debug)]
pub struct Output {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    command: String,
}

impl Cli {
    /// Returns a command line that talks to this server.
    #[must_use]
    pub fn of(nats: &Nats) -> Self {
        Self::without_server().env("NATS_URL", &nats.url())
    }

    /// Returns a command line for what needs no server.
    #[must_use]
    pub fn without_server() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn tenant(self, tenant: &str) -> Self {
        self.env("LOVAGE_TENANT", tenant)
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Runs `lovage ARGS`.
    #[must_use]
    #[track_caller]
    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        self.run_with(args, b"")
    }

    /// Runs `lovage ARGS` with `input` on standard input.
    #[must_use]
    #[track_caller]
    pub fn run_with(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &[u8]) -> Output {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let shown = format!("lovage {}", args.join(OsStr::new(" ")).display());
        let mut process = Process::lovage(&shown, args, |command| {
            command.envs(self.variables.iter().map(|(name, value)| (name, value))).stdin(stdin(input));
        });
        let code = process.wait(COMMAND_WITHIN).code();
        Output { code, stdout: process.stdout(), stderr: process.stderr(), command: shown }
    }

    /// Runs `lovage ARGS` on a terminal of its own and returns all that came to it.
    #[must_use]
    #[track_caller]
    pub fn on_terminal(&self, args: &[&str]) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let quoted = args.iter().map(|arg| format!("'{}'", arg.replace('\'', r"'\''")));
        let line = format!("'{}' {}", lovage_binary().display(), quoted.collect::<Vec<_>>().join(" "));
        let mut command = Command::new("script");
        environment::isolate(&mut command, folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).env("TERM", "xterm");
        command.args(["--quiet", "--command", &line, "/dev/null"]).stdin(Stdio::null());
        let output = command.output().unwrap_or_else(|error| panic!("script, of util-linux: {error}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs `lovage ARGS`, which must succeed, and returns what it printed.
    #[track_caller]
    pub fn ok(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        self.run(args).ok().stdout
    }

    /// Runs `lovage ARGS --json`, which must succeed, and returns the data.
    #[track_caller]
    pub fn json(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Value {
        let args: Vec<_> = args.into_iter().map(|arg| arg.as_ref().to_owned()).chain(["--json".into()]).collect();
        self.run(args).ok().json()
    }
}

impl Output {
    /// Fails the test unless the command succeeded.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> Self {
        self.fails_with(0)
    }

    /// Fails the test unless the command ended with this code.
    #[must_use]
    #[track_caller]
    pub fn fails_with(self, code: i32) -> Self {
        let Self { code: ended, stdout, stderr, command } = &self;
        assert_eq!(*ended, Some(code), "{command}\n--- stdout ---\n{stdout}\n--- stderr ---\n{stderr}");
        self
    }

    /// Returns standard output as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{} printed no JSON ({error}):\n{}", self.command, self.stdout))
    }
}

fn stdin(input: &[u8]) -> Stdio {
    if input.is_empty() {
        return Stdio::null();
    }
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(input).and_then(|()| file.rewind()).expect("a temporary file can be written");
    file.into()
}

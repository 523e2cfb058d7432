//! A long-running `lovage` process under test, with what it says on standard error.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::{WITHIN, environment, eventually_blocking, lovage_binary};

/// How much of the process's log a failing test prints.
const LINES: usize = 60;
/// How often an end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A child process, killed when this is dropped; its standard error is printed when the test failed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    folder: TempDir,
    in_order: bool,
}

impl Process {
    /// Starts `lovage` with the arguments; `change` may set variables or a folder.
    #[must_use]
    pub fn lovage(
        name: &str,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = |name| File::create(folder.path().join(name)).expect("a file in a new folder");
        let mut command = Command::new(lovage_binary());
        environment::isolate(&mut command, folder.path());
        command.args(args).stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        change(&mut command);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, name: name.into(), folder, in_order: false }
    }

    /// Has it told to end, and waited for, when this is dropped: one that is killed leaves the server that it started.
    #[must_use]
    pub fn ends_in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns all it has said on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.folder.path().join("stderr"))
    }

    /// Returns all it has printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.folder.path().join("stdout"))
    }

    /// Waits for a line on standard error and returns it; the process's end is a failure at once.
    #[track_caller]
    pub fn says(&mut self, what: &str, within: Duration, matches: impl Fn(&str) -> bool) -> String {
        let name = self.name.clone();
        eventually_blocking(&format!("{name} to say {what}"), within, || {
            let ended = self.ended();
            // Read after the end was looked at, so that last words count.
            let said = self.stderr();
            if let Some(line) = said.lines().find(|line| matches(line)) {
                return Ok(line.to_owned());
            }
            assert!(ended.is_none(), "{name} ended ({ended:?}) before it said {what}");
            Err(said.lines().last().unwrap_or("nothing").to_owned())
        })
    }

    /// Returns how it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of an own child")
    }

    /// Kills it as a crash would, and waits for its end.
    pub fn kill9(&mut self) {
        if self.ended().is_none() {
            self.child.kill().expect("an own child can be killed");
            self.child.wait().expect("the end of an own child");
        }
    }

    /// Sends SIGTERM, as a service manager does.
    pub fn sigterm(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn sigint(&mut self) {
        self.signal(Signal::INT);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let name = self.name.clone();
        eventually_blocking(&format!("{name} to end"), within, || self.ended().ok_or("it still runs"))
    }

    fn signal(&mut self, signal: Signal) {
        // A child that was not reaped keeps its id, so the signal cannot reach another process.
        if self.ended().is_none() {
            let sent = rustix::process::kill_process(Pid::from_child(&self.child), signal);
            sent.map_err(io::Error::from).expect("an own child can be signalled");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            let said = self.stderr();
            let lines: Vec<&str> = said.lines().collect();
            let from = lines.len().saturating_sub(LINES);
            eprintln!("--- {} said last ---\n{}\n---", self.name, lines[from..].join("\n"));
        }
        // A panic here would hide the test's own.
        if self.in_order && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::INT);
            let until = Instant::now() + WITHIN;
            while Instant::now() < until && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
                thread::sleep(LOOK_EVERY);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).expect("the file of an own child")).into_owned()
}

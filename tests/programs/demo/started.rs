//! Processes that end with this program, whatever way it ends.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal};
use tokio::{io::AsyncReadExt, process::Child, time::timeout};

/// A process at the head of a group of its own, so that Ctrl-C does not reach it behind our back, and killed with its
/// group when this is dropped.
#[derive(Debug)]
pub(crate) struct Started(Child);

/// How a command ended and what it printed.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Started {
    /// Starts a process; where its output goes is the command's business.
    pub(crate) fn start(command: std::process::Command) -> anyhow::Result<Self> {
        let mut command = tokio::process::Command::from(command);
        command.process_group(0).stdin(Stdio::null()).kill_on_drop(true);
        let program = Path::new(command.as_std().get_program()).display().to_string();
        Ok(Self(command.spawn().with_context(|| format!("{program} cannot be started"))?))
    }

    /// Returns the process, to read its pipes or to wait for its end.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits for the end and gives what was printed.
    pub(crate) async fn printed(mut command: std::process::Command) -> anyhow::Result<Printed> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut started = Self::start(command)?;
        let (Some(mut out), Some(mut err)) = (started.0.stdout.take(), started.0.stderr.take()) else {
            bail!("a new process has no pipes");
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (read, read_too, status) =
            tokio::join!(out.read_to_end(&mut stdout), err.read_to_end(&mut stderr), started.0.wait());
        read.and(read_too).context("reading what a command prints")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Printed { status: status?, stdout: text(stdout), stderr: text(stderr) })
    }

    /// Sends SIGTERM and waits for the end; kills what takes longer.
    pub(crate) async fn stop(&mut self, within: Duration) -> anyhow::Result<()> {
        if let Some(pid) = self.pid() {
            // It may end by itself meanwhile; it keeps its id until it is waited for, so no other process is reached.
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        if timeout(within, self.0.wait()).await.is_err() {
            self.0.kill().await.context("cannot kill a process of our own")?;
        }
        Ok(())
    }

    /// Kills it as a crash would, and waits for its end.
    pub(crate) async fn kill9(&mut self) -> anyhow::Result<()> {
        self.0.kill().await.context("cannot kill a process of our own")
    }

    /// Returns the id, until the end has been waited for.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(group) = self.pid() {
            // Gone already is as good; `kill_on_drop` waits for the process itself.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

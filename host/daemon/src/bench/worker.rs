//! A worker as a process of its own: what it holds is its own, and its death is not ours.

use crate::config::Isolation;
use anyhow::{Context as _, bail};
use clap::ValueEnum as _;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long it may take to stop.
const STOPS_WITHIN: Duration = Duration::from_secs(30);
/// Its last words, in lines.
const LAST_LINES: usize = 5;

/// A worker's process; killed when this is dropped.
pub(super) struct WorkerProcess {
    child: Child,
    pub(super) pid: u32,
    log: PathBuf,
}

/// How it is started.
pub(super) struct WorkerSetup<'a> {
    /// This program.
    pub(super) program: &'a Path,
    /// Where the broker is.
    pub(super) url: String,
    /// Where it keeps its log.
    pub(super) folder: &'a Path,
    /// Where compiled components are kept.
    pub(super) cache: &'a Path,
    /// Attempts at once.
    pub(super) concurrency: usize,
    /// Where jobs run.
    pub(super) isolation: Isolation,
}

impl WorkerProcess {
    /// Starts it. Nobody's settings but these reach it: its environment is empty.
    pub(super) fn start(setup: &WorkerSetup<'_>) -> anyhow::Result<Self> {
        let log = setup.folder.join("worker.log");
        let isolation = setup.isolation.to_possible_value().context("a mode without a name")?;
        let mut command = Command::new(setup.program);
        command.args(["worker", "--name", "bench-hostile", "--server", &setup.url]);
        command.args(["--concurrency", &setup.concurrency.to_string(), "--isolation", isolation.get_name()]);
        command.arg("--cache-dir").arg(setup.cache);
        command.env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let child = command.spawn().with_context(|| format!("{} does not start", setup.program.display()))?;
        let pid = child.id().context("the worker ended at once")?;
        Ok(Self { child, pid, log })
    }

    /// Fails with its last words where it has ended.
    pub(super) fn lives(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the worker ended with {status}: {}", self.last_words()),
        }
    }

    /// Stops it as an operator would, and returns how it ended.
    pub(super) async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("a process without an id")?;
        kill_process(pid, Signal::TERM)?;
        let ended = tokio::time::timeout(STOPS_WITHIN, self.child.wait()).await;
        Ok(ended.with_context(|| format!("the worker does not stop: {}", self.last_words()))??)
    }

    fn last_words(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n")
    }
}

//! Runs commands one after the other, tells how long each took, and ends the running one on Ctrl-C.

use std::{
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use rustix::process::{Pid, Signal};
use tokio::{
    process::Child,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

/// How long an interrupted step may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Why no further step is run.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The step with this name ran and failed.
    Failed(String),
    /// Ctrl-C or SIGTERM came during the step with this name.
    Interrupted(String),
    /// Something that is needed cannot be had.
    Unavailable(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Unavailable(error)
    }
}

/// The steps so far.
#[derive(Debug)]
pub(crate) struct Steps {
    started: Instant,
    passed: usize,
}

enum Ended {
    Itself(ExitStatus),
    Interrupted,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), passed: 0 }
    }

    pub(crate) fn passed(&self) -> usize {
        self.passed
    }

    pub(crate) fn took(&self) -> String {
        shown(self.started.elapsed())
    }

    /// Tells something between two steps.
    pub(crate) fn note(&self, text: &str) {
        eprintln!("verify: {text}");
    }

    /// Runs one step, whose output is its own.
    pub(crate) fn run(&mut self, name: &str, command: Command) -> Result<(), Stop> {
        self.note(name);
        let began = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("no runtime for signals")?;
        match supervise(&runtime, command).with_context(|| format!("cannot {name}"))? {
            Ended::Itself(status) if status.success() => {
                self.passed += 1;
                self.note(&format!("{name}: passed in {}", shown(began.elapsed())));
                Ok(())
            }
            Ended::Itself(status) => {
                self.note(&format!("{name}: failed after {} ({status})", shown(began.elapsed())));
                Err(Stop::Failed(name.into()))
            }
            Ended::Interrupted => Err(Stop::Interrupted(name.into())),
        }
    }
}

/// Runs the command in a process group of its own, so that a signal to this program ends all of its children too:
/// cargo does not hand signals on to the tests it runs.
fn supervise(runtime: &Runtime, command: Command) -> anyhow::Result<Ended> {
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut command = tokio::process::Command::from(command);
        command.process_group(0).stdin(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("{command:?} cannot be started"))?;
        let passed_on = tokio::select! {
            status = child.wait() => return Ok(Ended::Itself(status?)),
            _ = interrupt.recv() => Signal::INT,
            _ = terminate.recv() => Signal::TERM,
        };
        let group = group(&child)?;
        rustix::process::kill_process_group(group, passed_on)?;
        let again = async {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        };
        let ended = tokio::select! {
            ended = timeout(END_WITHIN, child.wait()) => ended.is_ok(),
            () = again => false,
        };
        // What ignored the signal, or was left by a step that ended on it, ends now; nothing left is no fault.
        match rustix::process::kill_process_group(group, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        if !ended {
            child.wait().await?;
        }
        Ok(Ended::Interrupted)
    })
}

/// Returns the group of a child that was not reaped yet; it leads the group, so the ids are the same.
fn group(child: &Child) -> anyhow::Result<Pid> {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    id.ok_or_else(|| anyhow!("the child has ended"))
}

fn shown(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

//! How a command ends: documented exit codes, and errors with a hint.

use super::Output;
use std::fmt::Display;
use std::process::ExitCode;

/// Shown under `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0  done; with --wait, the job completed
  1  the job ended otherwise: failed, out of fuel, timed out, cancelled, …; what `history check`
     compares differs
  2  wrong usage, or refused input: a bad name, file, schema or option
  3  the broker or a registry cannot be reached, or refuses
  4  there is no such job, task, version or dead letter
  5  not in time: --timeout passed before the job ended
  6  this machine is at fault: a file, a port, the engine
  7  the tenant is at its quota: queued or delayed jobs, size, components
130  interrupted";

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As asked.
    Done,
    /// The job did not complete, or what was compared differs.
    JobFailed,
    /// The input is refused.
    Usage,
    /// The broker is at fault.
    Broker,
    /// No such thing.
    NotFound,
    /// Not in time.
    Timeout,
    /// This machine is at fault.
    Host,
    /// The tenant is at its quota.
    Quota,
    /// Interrupted by a signal.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::JobFailed => 1,
            Exit::Usage => 2,
            Exit::Broker => 3,
            Exit::NotFound => 4,
            Exit::Timeout => 5,
            Exit::Host => 6,
            Exit::Quota => 7,
            Exit::Interrupted => 130,
        })
    }
}

/// A command that did not do as asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong; names the value at fault.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), hint: None }
    }

    /// This failure with what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Tells people, or programs, on standard error.
    pub(super) fn print(&self, output: Output) {
        if output.json {
            let told = serde_json::json!({ "error": self.message, "hint": self.hint });
            output.note(&told.to_string());
            return;
        }
        output.note(&format!("error: {}", self.message));
        if let Some(hint) = &self.hint {
            output.note(&format!("hint: {hint}"));
        }
    }
}

/// Turns a library's error into a failure with an exit code.
pub(super) trait OrExit<T> {
    /// The value, or a failure with this code and the whole chain of causes.
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, format!("{:#}", error.into())))
    }
}

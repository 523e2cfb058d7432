//! How an attempt ended: a closed set, one case for each way.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What a completed attempt gave back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The result's body.
    pub body: Vec<u8>,
    /// Its media type, such as `application/json`.
    pub content_type: String,
}

/// What a task says about trying again after it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetryHint {
    /// After the policy's back-off.
    Retry,
    /// Not before this span has passed.
    After(Duration),
    /// Never: the failure is permanent.
    Never,
}

/// A failure that the task itself reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For people.
    pub message: String,
    /// For programs, where the task gave any.
    pub details: Option<serde_json::Value>,
    /// Whether trying again is useful.
    pub retry: RetryHint,
}

/// A trap of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trap {
    /// What the engine says happened.
    pub message: String,
    /// The guest's frames, innermost first, with names where the component has them.
    pub backtrace: Vec<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The task gave a result.
    Completed(Output),
    /// The task reported a failure.
    Failed(Failure),
    /// The guest trapped: `unreachable`, a panic, memory out of bounds.
    Trapped(Trap),
    /// The guest used up its fuel.
    OutOfFuel {
        /// The limit that was in force.
        fuel: u64,
    },
    /// The guest asked for more memory than its limit and then stopped.
    OutOfMemory {
        /// The limit that was in force, in bytes.
        memory_bytes: u64,
    },
    /// The guest's stack overflowed.
    StackOverflow(Trap),
    /// The attempt took longer than its limit.
    TimedOut {
        /// The limit that was in force.
        timeout: Duration,
    },
    /// The job was cancelled while it ran.
    Cancelled {
        /// Who or why.
        reason: String,
    },
    /// The result was larger than its limit.
    OutputTooLarge {
        /// The limit that was in force, in bytes.
        output_bytes: u64,
    },
    /// The input is not what the task takes.
    BadInput {
        /// What is wrong, and where.
        message: String,
    },
    /// The component cannot be run: it fails to compile, link or instantiate.
    BadComponent {
        /// What is wrong.
        message: String,
    },
    /// The worker failed, not the guest.
    HostFault {
        /// What happened, fit for outsiders.
        message: String,
    },
    /// The task puts its job off: the attempt does not count.
    Snoozed {
        /// For so long.
        delay: Duration,
        /// Why, for people.
        message: String,
    },
}

/// The name of an outcome on the wire, in metrics and in tables; also of the ends that need no attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// See [`Outcome::Completed`].
    Completed,
    /// See [`Outcome::Failed`].
    Failed,
    /// See [`Outcome::Trapped`].
    Trapped,
    /// See [`Outcome::OutOfFuel`].
    OutOfFuel,
    /// See [`Outcome::OutOfMemory`].
    OutOfMemory,
    /// See [`Outcome::StackOverflow`].
    StackOverflow,
    /// See [`Outcome::TimedOut`].
    TimedOut,
    /// See [`Outcome::Cancelled`]; also of jobs cancelled before they ran.
    Cancelled,
    /// See [`Outcome::OutputTooLarge`].
    OutputTooLarge,
    /// See [`Outcome::BadInput`].
    BadInput,
    /// See [`Outcome::BadComponent`].
    BadComponent,
    /// See [`Outcome::HostFault`].
    HostFault,
    /// The job was not started before it expired.
    Expired,
    /// No task of that name, or no such version of it.
    UnknownTask,
    /// The message is not a job.
    Undecodable,
    /// See [`Outcome::Snoozed`]; never the end of a job.
    Snoozed,
    /// The job was not run because of what its schedule says of missed and overlapping runs.
    Skipped,
    /// Workers died while they ran the job, too often to try again.
    Quarantined,
}

/// What an end counts as, where ends are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    /// The job completed.
    Completed,
    /// Something went wrong.
    Failed,
    /// Neither: someone or something decided that the job does not run, or not now.
    Other,
}

impl OutcomeKind {
    /// What an end of this kind counts as.
    pub fn tally(self) -> Tally {
        match self {
            Self::Completed => Tally::Completed,
            Self::Cancelled | Self::Expired | Self::Skipped | Self::Snoozed => Tally::Other,
            Self::Failed
            | Self::Trapped
            | Self::OutOfFuel
            | Self::OutOfMemory
            | Self::StackOverflow
            | Self::TimedOut
            | Self::OutputTooLarge
            | Self::BadInput
            | Self::BadComponent
            | Self::HostFault
            | Self::UnknownTask
            | Self::Undecodable
            | Self::Quarantined => Tally::Failed,
        }
    }

    /// Every kind, in the order of tables.
    pub const ALL: [OutcomeKind; 18] = [
        Self::Completed,
        Self::Failed,
        Self::Trapped,
        Self::OutOfFuel,
        Self::OutOfMemory,
        Self::StackOverflow,
        Self::TimedOut,
        Self::Cancelled,
        Self::OutputTooLarge,
        Self::BadInput,
        Self::BadComponent,
        Self::HostFault,
        Self::Expired,
        Self::UnknownTask,
        Self::Undecodable,
        Self::Snoozed,
        Self::Skipped,
        Self::Quarantined,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Trapped => "trapped",
            Self::OutOfFuel => "out-of-fuel",
            Self::OutOfMemory => "out-of-memory",
            Self::StackOverflow => "stack-overflow",
            Self::TimedOut => "timed-out",
            Self::Cancelled => "cancelled",
            Self::OutputTooLarge => "output-too-large",
            Self::BadInput => "bad-input",
            Self::BadComponent => "bad-component",
            Self::HostFault => "host-fault",
            Self::Expired => "expired",
            Self::UnknownTask => "unknown-task",
            Self::Undecodable => "undecodable",
            Self::Snoozed => "snoozed",
            Self::Skipped => "skipped",
            Self::Quarantined => "quarantined",
        }
    }

    /// Reads a name from the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Outcome {
    /// The name of this outcome.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Completed(_) => OutcomeKind::Completed,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Trapped(_) => OutcomeKind::Trapped,
            Self::OutOfFuel { .. } => OutcomeKind::OutOfFuel,
            Self::OutOfMemory { .. } => OutcomeKind::OutOfMemory,
            Self::StackOverflow(_) => OutcomeKind::StackOverflow,
            Self::TimedOut { .. } => OutcomeKind::TimedOut,
            Self::Cancelled { .. } => OutcomeKind::Cancelled,
            Self::OutputTooLarge { .. } => OutcomeKind::OutputTooLarge,
            Self::BadInput { .. } => OutcomeKind::BadInput,
            Self::BadComponent { .. } => OutcomeKind::BadComponent,
            Self::HostFault { .. } => OutcomeKind::HostFault,
            Self::Snoozed { .. } => OutcomeKind::Snoozed,
        }
    }

    /// What went wrong, for outsiders; nothing where the attempt completed.
    pub fn error(&self) -> Option<JobError> {
        let message = match self {
            Self::Completed(_) => return None,
            Self::Failed(failure) => failure.message.clone(),
            Self::Trapped(trap) | Self::StackOverflow(trap) => trap.message.clone(),
            Self::OutOfFuel { fuel } => format!("the task used up its {fuel} units of fuel"),
            Self::OutOfMemory { memory_bytes } => {
                format!("the task asked for more than its {} of memory", crate::unit::ByteSize(*memory_bytes))
            }
            Self::TimedOut { timeout } => {
                format!("the task ran longer than its {}", crate::unit::format_span(*timeout))
            }
            Self::Cancelled { reason } => reason.clone(),
            Self::OutputTooLarge { output_bytes } => {
                format!("the result is larger than {}", crate::unit::ByteSize(*output_bytes))
            }
            Self::BadInput { message }
            | Self::BadComponent { message }
            | Self::HostFault { message }
            | Self::Snoozed { message, .. } => message.clone(),
        };
        let (details, backtrace) = match self {
            Self::Failed(failure) => (failure.details.clone(), Vec::new()),
            Self::Trapped(trap) | Self::StackOverflow(trap) => (None, trap.backtrace.clone()),
            _ => (None, Vec::new()),
        };
        Some(JobError { kind: self.kind(), message, details, backtrace })
    }
}

/// What went wrong with a job, as it stands in results, dead letters and trails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// The outcome that this error explains.
    pub kind: OutcomeKind,
    /// For people.
    pub message: String,
    /// For programs, where the task gave any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
    /// The guest's frames, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
}

impl JobError {
    /// An error without details.
    pub fn new(kind: OutcomeKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: None, backtrace: Vec::new() }
    }

    /// This error with every text cut so that its JSON takes at most about `bytes`; headers and trails are bounded.
    pub fn clipped(mut self, bytes: usize) -> Self {
        if clip(&mut self.message, bytes / 2) {
            self.message.push('…');
        }
        let mut left = bytes / 2;
        self.details = self.details.filter(|details| {
            let size = details.to_string().len();
            let fits = size <= left;
            left = left.saturating_sub(if fits { size } else { 0 });
            fits
        });
        let mut kept = Vec::new();
        for frame in self.backtrace {
            match left.checked_sub(frame.len() + 3) {
                Some(rest) => left = rest,
                None => break,
            }
            kept.push(frame);
        }
        self.backtrace = kept;
        self
    }
}

/// Cuts `text` to at most `bytes` at a character; true where something was cut.
fn clip(text: &mut String, bytes: usize) -> bool {
    if text.len() <= bytes {
        return false;
    }
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    true
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// Units of fuel.
    pub fuel_used: u64,
    /// The most linear memory that was held at once, in bytes.
    pub memory_peak_bytes: u64,
    /// From the start of the attempt to its end, in microseconds.
    pub wall_us: u64,
    /// Bytes that it sent to other hosts and received from them.
    #[serde(default, skip_serializing_if = "none")]
    pub egress_bytes: u64,
}

fn none(bytes: &u64) -> bool {
    *bytes == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_stable() {
        let names: Vec<_> = OutcomeKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(
            names.join(" "),
            "completed failed trapped out-of-fuel out-of-memory stack-overflow timed-out cancelled output-too-large \
             bad-input bad-component host-fault expired unknown-task undecodable snoozed skipped quarantined"
        );
        for kind in OutcomeKind::ALL {
            assert_eq!(OutcomeKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_clipped_error_is_bounded_and_valid() {
        let error = JobError {
            kind: OutcomeKind::Trapped,
            message: "é".repeat(10_000),
            details: Some(serde_json::json!("x".repeat(10_000))),
            backtrace: vec!["frame".repeat(100); 1000],
        };
        let clipped = error.clipped(2000);
        assert!(serde_json::to_string(&clipped).unwrap().len() < 2600);
        assert!(clipped.message.ends_with('…') && !clipped.backtrace.is_empty());
        let small = JobError::new(OutcomeKind::Failed, "no");
        assert_eq!(small.clone().clipped(100), small);
    }
}

//! What supervisor and runner say to each other. Both are the same program, so the words need no versions.

use crate::attempt::event::{AttemptEvent, LogLevel};
use crate::attempt::request::{AttemptReport, AttemptRequest, JobInfo};
use crate::attempt::services::{Answer, Ask, ChildGroup, ChildId, ChildJob, GroupHeld, Refusal};
use crate::attempt::simulation::Simulation;
use crate::jail::held::Held;
use lovage_job::capability::Grants;
use lovage_job::catalog::Entry;
use lovage_job::limits::Limits;
use lovage_job::outcome::{Meter, Outcome, Output};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What a runner is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) concurrency: u32,
    pub(crate) threads: u32,
    pub(crate) memory_budget_bytes: u64,
    pub(crate) memory_max_bytes: u64,
    pub(crate) stack_max_bytes: u64,
    pub(crate) epoch_tick: Duration,
    /// Whether the fast way of wiping may be used where it is safe.
    pub(crate) fast_reset: bool,
    /// Address space for code and the host's own, beyond what the pool reserves.
    pub(crate) spare_bytes: u64,
}

/// What a runner is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToRunner {
    Setup(Setup),
    /// A part of a compiled component.
    Code {
        code: u32,
        #[serde(with = "octets")]
        bytes: Vec<u8>,
    },
    /// All of the code is there: load this entry of it.
    Load {
        task: u32,
        code: u32,
        #[serde(with = "text")]
        entry: Entry,
    },
    Run(Box<Run>),
    Signal {
        attempt: u64,
        signal: Told,
    },
    Answer {
        attempt: u64,
        call: u64,
        answer: Answered,
    },
}

/// What a runner says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromRunner {
    Ready(Held),
    Loaded {
        task: u32,
        fault: Option<String>,
    },
    Event {
        attempt: u64,
        event: Heard,
    },
    Call {
        attempt: u64,
        call: u64,
        asked: Called,
    },
    /// Nobody waits for the answer any more.
    Drop {
        attempt: u64,
        call: u64,
    },
    Done {
        attempt: u64,
        report: Box<Report>,
    },
}

/// One attempt to make.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) attempt: u64,
    pub(crate) task: u32,
    pub(crate) job: JobInfo,
    #[serde(with = "octets")]
    pub(crate) input: Vec<u8>,
    #[serde(with = "text")]
    pub(crate) limits: Limits,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    #[serde(with = "text")]
    pub(crate) grants: Grants,
    pub(crate) wants_events: bool,
    pub(crate) has_services: bool,
    pub(crate) simulation: Option<Simulated>,
}

impl Run {
    /// The attempt as it was asked for.
    pub(crate) fn request(&mut self) -> AttemptRequest {
        AttemptRequest {
            job: std::mem::take(&mut self.job),
            input: std::mem::take(&mut self.input).into(),
            limits: Arc::new(self.limits.clone()),
            args: std::mem::take(&mut self.args).into(),
            env: std::mem::take(&mut self.env).into(),
            grants: Arc::new(std::mem::take(&mut self.grants)),
        }
    }
}

/// A clock and randomness, whose beginning is told as a span back from now: instants mean nothing elsewhere.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Simulated {
    since: Duration,
    wall: Duration,
    seed: u64,
}

impl From<Simulation> for Simulated {
    fn from(Simulation { since, wall, seed }: Simulation) -> Self {
        Self { since: since.elapsed(), wall, seed }
    }
}

impl From<Simulated> for Simulation {
    fn from(Simulated { since, wall, seed }: Simulated) -> Self {
        let now = tokio::time::Instant::now();
        Self { since: now.checked_sub(since).unwrap_or(now), wall, seed }
    }
}

/// What an attempt is told while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    Ask(String),
    Stop(String),
    Shutdown,
}

/// What a guest asks of its worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Called {
    Submit(Box<ChildJob>),
    SubmitGroup(Box<ChildGroup>),
    Save(String, #[serde(with = "octets")] Vec<u8>),
    Load(String),
    Ask(Ask),
}

/// What the worker answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answered {
    Submit(Result<ChildId, Refusal>),
    SubmitGroup(Result<GroupHeld, Refusal>),
    Save(Result<(), Refusal>),
    Load(Result<Option<Vec<u8>>, Refusal>),
    Ask(Result<Answer, Refusal>),
}

/// An event.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Heard {
    Progress { fraction: Option<f64>, message: String },
    Log { level: Option<u8>, line: String },
}

const LEVELS: [LogLevel; 5] = [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];

impl From<AttemptEvent> for Heard {
    fn from(event: AttemptEvent) -> Self {
        let number = |level| LEVELS.iter().position(|known| *known == level).and_then(|place| u8::try_from(place).ok());
        match event {
            AttemptEvent::Progress { fraction, message } => Self::Progress { fraction, message },
            AttemptEvent::Log { level, line } => Self::Log { level: level.and_then(number), line },
        }
    }
}

impl Heard {
    /// The event, where it is one.
    pub(crate) fn event(self) -> Option<AttemptEvent> {
        Some(match self {
            Self::Progress { fraction, message } => AttemptEvent::Progress { fraction, message },
            Self::Log { level: None, line } => AttemptEvent::Log { level: None, line },
            Self::Log { level: Some(number), line } => {
                AttemptEvent::Log { level: Some(*LEVELS.get(usize::from(number))?), line }
            }
        })
    }
}

/// How an attempt ended. A result goes as it is; the other ends are small.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum End {
    Completed(#[serde(with = "octets")] Vec<u8>, String),
    Other(#[serde(with = "text")] Outcome),
}

/// A report.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) end: End,
    #[serde(with = "text")]
    pub(crate) meter: Meter,
    #[serde(with = "octets")]
    pub(crate) log: Vec<u8>,
    pub(crate) log_truncated: bool,
}

impl From<AttemptReport> for Report {
    fn from(AttemptReport { outcome, meter, log, log_truncated }: AttemptReport) -> Self {
        let end = match outcome {
            Outcome::Completed(Output { body, content_type }) => End::Completed(body, content_type),
            other => End::Other(other),
        };
        Self { end, meter, log, log_truncated }
    }
}

impl From<Report> for AttemptReport {
    fn from(Report { end, meter, log, log_truncated }: Report) -> Self {
        let outcome = match end {
            End::Completed(body, content_type) => Outcome::Completed(Output { body, content_type }),
            End::Other(outcome) => outcome,
        };
        Self { outcome, meter, log, log_truncated }
    }
}

/// Bytes in one piece: as a sequence, each would be read by a call of its own.
mod octets {
    use serde::{Deserializer, Serializer, de};
    use std::fmt;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Octets)
    }

    struct Octets;

    impl de::Visitor<'_> for Octets {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
}

/// A value as JSON in a string, for types whose own form depends on the format.
mod text {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(value).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

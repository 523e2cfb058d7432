//! A schedule as it is stored, and as it is asked for.

use super::{Missed, Overlap, ScheduleError, Timing, TimingText};
use crate::header::Headers;
use crate::name::{JobId, QueueName, ScheduleName, TaskName, TenantName};
use crate::subject::{JobSubject, Lane};
use crate::unit::{UnixMs, format_span, span};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The largest input of a schedule, in bytes: it is kept in one value, as long as the schedule is.
pub const INPUT_BYTES_MAX: usize = 256 * 1024;
/// The longest starting deadline.
const DEADLINE_MAX: Duration = Duration::from_secs(86_400);
/// The starting deadline of whoever names none.
const DEADLINE: Duration = Duration::from_secs(60);

/// The input of each run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleInput {
    /// Text, such as JSON.
    Text(String),
    /// Any other bytes, as hexadecimal digits.
    Hex(String),
}

impl ScheduleInput {
    /// Keeps bytes.
    pub fn of(bytes: &[u8]) -> Result<Self, ScheduleError> {
        if bytes.len() > INPUT_BYTES_MAX {
            return Err(ScheduleError::Input(bytes.len()));
        }
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(hex::encode(bytes)),
        })
    }

    /// The bytes; nothing where they are damaged.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.clone().into_bytes()),
            Self::Hex(digits) => hex::decode(digits).ok(),
        }
    }
}

/// What a schedule says, apart from what became of it. Two equal definitions make the same runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// When it ticks.
    pub timing: TimingText,
    /// What runs.
    pub task: TaskName,
    /// Where runs wait.
    pub queue: QueueName,
    /// Their priority.
    pub lane: Lane,
    /// What a run asks for and tells its task, as headers of its job.
    pub headers: Vec<(String, String)>,
    /// The input of each run.
    pub input: ScheduleInput,
}

/// A schedule. The value of `<tenant>.<name>` in the bucket of schedules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// Its name.
    pub name: ScheduleName,
    /// What it says.
    #[serde(flatten)]
    pub definition: Definition,
    /// What becomes of missed ticks.
    pub missed: Missed,
    /// A tick that is not started within this span is missed.
    #[serde(with = "span")]
    pub deadline: Duration,
    /// What becomes of runs that would overlap.
    pub overlap: Overlap,
    /// Whether it has no ticks for now.
    pub paused: bool,
    /// The task whose manifest carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<TaskName>,
    /// When it was added, edited or resumed last: only ticks after this count. Each change moves it, so it also tells
    /// one definition from the next.
    pub since: UnixMs,
    /// How often it was written, from 1.
    pub revision: u64,
}

impl ScheduleRecord {
    /// A new schedule.
    pub fn new(name: ScheduleName, definition: Definition, now: UnixMs) -> Self {
        let (missed, overlap) = (Missed::default(), Overlap::default());
        let (paused, owner, since, revision) = (false, None, now, 1);
        Self { name, definition, missed, deadline: DEADLINE, overlap, paused, owner, since, revision }
    }

    /// Checks what is not checked by its type.
    pub fn check(&self) -> Result<Timing, ScheduleError> {
        if !(Duration::from_secs(1)..=DEADLINE_MAX).contains(&self.deadline) {
            return Err(ScheduleError::Deadline(format_span(self.deadline)));
        }
        self.definition.timing.ready()
    }

    /// This schedule in place of `before`. Nothing where that says the same. Ticks before the change that were not
    /// planned are not made up for, and even intervals go on from where they were counted.
    pub fn replacing(mut self, before: &Self, now: UnixMs) -> Option<Self> {
        if self.definition.timing.is_like(&before.definition.timing) {
            self.definition.timing = before.definition.timing.clone();
        }
        let as_before = Self { since: before.since, revision: before.revision, ..self.clone() };
        if as_before == *before {
            return None;
        }
        self.since = UnixMs(now.0.max(before.since.0.saturating_add(1)));
        self.revision = before.revision.saturating_add(1);
        Some(self)
    }

    /// The subject of a run.
    pub fn subject(&self, tenant: &TenantName, id: &JobId) -> JobSubject {
        let Definition { task, queue, lane, .. } = &self.definition;
        let (tenant, id) = (tenant.clone(), Some(id.clone()));
        JobSubject { tenant, lane: *lane, queue: queue.clone(), task: task.clone(), id }
    }

    /// The headers of a run, but for the broker's.
    pub fn headers(&self, slot: Option<UnixMs>) -> Headers {
        // what is stored must not command the broker, whoever wrote it
        let stored = self.definition.headers.iter().filter(|(name, _)| !crate::header::is_brokers(name));
        let mut headers: Headers = stored.cloned().collect();
        headers.set(crate::header::SCHEDULE, self.name.as_str());
        if let Some(slot) = slot {
            headers.set(crate::header::SLOT, slot.0.to_string());
        }
        headers
    }
}

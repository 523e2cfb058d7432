//! Uniqueness: which jobs count as one, and what becomes of a submission whose key is taken.
//!
//! The broker holds an entry for each key: the job that the key stands for. Who submits writes the entry before the
//! job, so there may be an entry whose job was never published; an entry says when its job is certain.

use crate::name::{JobId, TaskName};
use crate::unit::{UnixMs, format_span};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// The shortest window; the broker counts lifetimes in seconds.
pub const WINDOW_MIN: Duration = Duration::from_secs(1);
/// The longest window, and the longest delay: a year.
pub const WINDOW_MAX: Duration = Duration::from_secs(366 * 86_400);
/// How long an entry outlives its use, so that clocks may differ a little.
const SPARE: Duration = Duration::from_secs(3_600);
/// How long the entry of a job is kept that may be active for longer than anyone can tell; whoever meets it in its
/// second half writes it again.
const ACTIVE_KEPT: Duration = Duration::from_secs(31 * 86_400);
/// As long as this after an entry was written, the broker knows the message id of its job for certain: a second
/// publication under that id is stored once, whatever became of the first.
const REMEMBERED: Duration = Duration::from_secs(60);

/// When jobs of the same task and key are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Within this window from the first submission, whatever becomes of the job: an idempotency key.
    Window(Duration),
    /// As long as the job waits, is delayed, held or run, or is due for a retry.
    Active,
    /// As long as the job is delayed: each submission replaces its payload and delays it again.
    Debounce {
        /// By how much.
        delay: Duration,
        /// But never longer than this after the first submission.
        most: Option<Duration>,
    },
    /// Within this window from when the job may start: at most one start in each.
    Throttle(Duration),
}

/// A key and when it makes jobs one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The key; one for each task.
    pub key: String,
    /// The rule.
    pub rule: Rule,
}

/// A key or window that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UniqueError {
    /// The key is empty or too long.
    #[error("a key has 1 to {KEY_BYTES_MAX} bytes, and this one has {0}; use a digest of a longer one")]
    Key(usize),
    /// The window is too short or too long.
    #[error("a {what} is between 1s and 366d, and this one is {}", format_span(*span))]
    Span {
        /// Which.
        what: &'static str,
        /// What was asked for.
        span: Duration,
    },
    /// The cap is shorter than the delay.
    #[error("a debounce of {} cannot end within {}; give it longer", format_span(*delay), format_span(*most))]
    Cap {
        /// The delay.
        delay: Duration,
        /// The cap.
        most: Duration,
    },
}

/// What a key stands for. The value of `<tenant>.<digest>` in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The job.
    pub id: JobId,
    /// When the entry was written.
    pub at: UnixMs,
    /// When the job may start.
    pub due: UnixMs,
    /// When the first of the submissions came that this job stands for.
    pub first: UnixMs,
    /// Whether the job is certainly published: an entry is written before its job.
    #[serde(default)]
    pub certain: bool,
}

/// What is known of the job of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Its first attempt is due later.
    Delayed,
    /// It waits, runs, is held or waits for another attempt.
    Active,
    /// It has ended.
    Ended,
    /// Nothing is known: never published, or ended and forgotten.
    Unknown,
}

/// What a submission whose key is taken comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The job of the entry stands for it.
    Existing,
    /// The job of the entry may never have been published: it is published under the entry's id and for its time, where
    /// the broker has none of that id.
    Adopt,
    /// The delayed job of the entry gets this payload and this time.
    Replace {
        /// When it is due.
        due: UnixMs,
    },
    /// A new job takes the key.
    TakeOver,
}

impl Rule {
    /// The name, also part of the entry's key: a key means another thing under each rule.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Window(_) => "idempotent",
            Self::Active => "active",
            Self::Debounce { .. } => "debounce",
            Self::Throttle(_) => "throttle",
        }
    }

    /// How long an entry is kept from when it is written.
    pub fn kept(&self, entry: &Entry, now: UnixMs) -> Duration {
        let until_due = entry.due.since(now);
        match self {
            Self::Window(window) => *window + SPARE,
            Self::Throttle(window) => until_due + *window + SPARE,
            Self::Debounce { .. } => until_due + SPARE,
            Self::Active => until_due + ACTIVE_KEPT,
        }
    }

    /// Whether an entry that stands should be written again, or it would be forgotten before its job ends.
    pub fn is_old(&self, entry: &Entry, now: UnixMs) -> bool {
        *self == Self::Active && now.since(entry.at) > self.kept(entry, entry.at) / 2
    }

    /// When a job that is submitted now, for `due` where it says so, may start.
    pub fn due(&self, due: Option<UnixMs>, now: UnixMs) -> UnixMs {
        match self {
            Self::Debounce { delay, .. } => now.after(*delay),
            Self::Window(_) | Self::Active | Self::Throttle(_) => due.unwrap_or(now),
        }
    }

    /// Whether the verdict on this entry depends on where its job is.
    pub fn needs_look(&self, entry: &Entry, now: UnixMs) -> bool {
        match self {
            Self::Window(_) | Self::Throttle(_) => {
                self.holds(entry, now) && !entry.certain && now.since(entry.at) >= REMEMBERED
            }
            Self::Active | Self::Debounce { .. } => true,
        }
    }

    fn holds(&self, entry: &Entry, now: UnixMs) -> bool {
        match self {
            Self::Window(window) => now < entry.first.after(*window),
            Self::Throttle(window) => now < entry.due.after(*window),
            Self::Active | Self::Debounce { .. } => true,
        }
    }

    /// What a submission at `now` comes to, whose key has this entry.
    pub fn decide(&self, entry: &Entry, seen: Seen, now: UnixMs) -> Verdict {
        let unpublished = seen == Seen::Unknown && !entry.certain;
        match self {
            Self::Window(_) | Self::Throttle(_) if !self.holds(entry, now) => Verdict::TakeOver,
            _ if unpublished => Verdict::Adopt,
            Self::Window(_) | Self::Throttle(_) => Verdict::Existing,
            Self::Active => match seen {
                Seen::Delayed | Seen::Active => Verdict::Existing,
                Seen::Ended | Seen::Unknown => Verdict::TakeOver,
            },
            Self::Debounce { delay, most } => match seen {
                Seen::Delayed => Verdict::Replace { due: postponed(entry, *delay, *most, now) },
                // it is too late to replace what waits in a queue or has begun
                Seen::Active | Seen::Ended | Seen::Unknown => Verdict::TakeOver,
            },
        }
    }
}

fn postponed(entry: &Entry, delay: Duration, most: Option<Duration>, now: UnixMs) -> UnixMs {
    let due = now.after(delay);
    most.map_or(due, |most| due.min(entry.first.after(most)))
}

impl Unique {
    /// The same task and key are one job for `window` from the first submission, whatever becomes of it.
    pub fn idempotent(key: impl Into<String>, window: Duration) -> Self {
        Self { key: key.into(), rule: Rule::Window(window) }
    }

    /// The same task and key are one job until it has ended.
    pub fn active(key: impl Into<String>) -> Self {
        Self { key: key.into(), rule: Rule::Active }
    }

    /// The job starts `delay` after the last submission of the same task and key, with the input of that one.
    pub fn debounce(key: impl Into<String>, delay: Duration) -> Self {
        Self { key: key.into(), rule: Rule::Debounce { delay, most: None } }
    }

    /// At most one job of the same task and key starts in each window; later submissions are that one.
    pub fn throttle(key: impl Into<String>, window: Duration) -> Self {
        Self { key: key.into(), rule: Rule::Throttle(window) }
    }

    /// A debounced job starts at the latest so long after the first submission. Other rules have no such limit.
    #[must_use]
    pub fn at_most(mut self, span: Duration) -> Self {
        if let Rule::Debounce { most, .. } = &mut self.rule {
            *most = Some(span);
        }
        self
    }

    /// Whether key and spans are such as can be.
    pub fn check(&self) -> Result<(), UniqueError> {
        if self.key.is_empty() || self.key.len() > KEY_BYTES_MAX {
            return Err(UniqueError::Key(self.key.len()));
        }
        let within = |what, span: Duration| match (WINDOW_MIN..=WINDOW_MAX).contains(&span) {
            true => Ok(()),
            false => Err(UniqueError::Span { what, span }),
        };
        match self.rule {
            Rule::Active => Ok(()),
            Rule::Window(window) => within("window", window),
            Rule::Throttle(window) => within("throttle", window),
            Rule::Debounce { delay, most } => {
                within("debounce", delay)?;
                let Some(most) = most else { return Ok(()) };
                within("cap of a debounce", most)?;
                if most < delay { Err(UniqueError::Cap { delay, most }) } else { Ok(()) }
            }
        }
    }

    /// The name of the entry: any key becomes a token of fixed length.
    pub fn digest(&self, task: &TaskName) -> String {
        let mut hash = Sha256::new();
        for part in [self.rule.as_str(), task.as_str(), &self.key] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digits = hex::encode(hash.finalize());
        digits.get(..40).unwrap_or(&digits).to_owned()
    }
}

#[cfg(test)]
#[path = "unique_tests.rs"]
mod tests;

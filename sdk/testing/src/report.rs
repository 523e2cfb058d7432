//! What came of a run.

use lovage_job::outcome::{Outcome, OutcomeKind};
use lovage_job::unit::UnixMs;
use lovage_job::verdict::Verdict;
use lovage_sandbox::RecordedChild;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::time::Duration;

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The result's body, where it completed.
    pub output: Option<Vec<u8>>,
    /// Each report of progress, in order: the fraction, where it was known, and the message.
    pub progress: Vec<(Option<f64>, String)>,
    /// The jobs it and earlier attempts submitted.
    pub children: Vec<RecordedChild>,
    /// What it and earlier attempts kept, by key.
    pub checkpoints: BTreeMap<String, Vec<u8>>,
    /// What lies in all buckets then, by bucket and key.
    pub values: BTreeMap<(String, String), Vec<u8>>,
    /// What lies in all containers then, by container and name.
    pub blobs: BTreeMap<(String, String), Vec<u8>>,
    /// Standard error and the `log` function.
    pub log: String,
    /// Units of fuel, roughly instructions.
    pub fuel_used: u64,
    /// The most linear memory it had.
    pub memory_peak_bytes: u64,
    /// How long it took by the test's clock: what it slept.
    pub took: Duration,
}

impl Report {
    /// The result as JSON of this type; nothing where it did not complete or is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        self.output.as_ref().and_then(|body| serde_json::from_slice(body).ok())
    }

    /// The result as text.
    pub fn text(&self) -> Option<&str> {
        self.output.as_ref().and_then(|body| std::str::from_utf8(body).ok())
    }

    /// The name of the outcome.
    pub fn kind(&self) -> OutcomeKind {
        self.outcome.kind()
    }

    /// What went wrong, for people; empty where it completed.
    pub fn message(&self) -> String {
        self.outcome.error().map(|error| error.message).unwrap_or_default()
    }
}

/// One attempt of a whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its number, from 1; a snoozed one is not counted, so the next has the same.
    pub number: u32,
    /// When it began, by the test's clock.
    pub started: UnixMs,
    /// What came of it.
    pub report: Report,
    /// What the rules say happens next.
    pub verdict: Verdict,
}

/// A job from its first attempt to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeRun {
    /// Its attempts, in order; at least one.
    pub attempts: Vec<Attempt>,
    /// The report of the last one.
    pub last: Report,
    /// How it ended: finished, or buried as a dead letter.
    pub verdict: Verdict,
    /// How long it took by the test's clock, waits between attempts included.
    pub took: Duration,
}

impl WholeRun {
    /// The spans that the rules put between attempts.
    pub fn delays(&self) -> Vec<Duration> {
        let delay = |attempt: &Attempt| match attempt.verdict {
            Verdict::RetryAfter(delay) | Verdict::Snooze(delay) => Some(delay),
            Verdict::Finish | Verdict::Bury => None,
        };
        self.attempts.iter().filter_map(delay).collect()
    }
}

//! What the history knows of a job, as it is handed out and as it is stored.

use lovage_job::name::{Digest, JobId, QueueName, TaskName, TenantName, VersionName};
use lovage_job::outcome::{JobError, Meter, OutcomeKind};
use lovage_job::subject::Lane;
use lovage_job::unit::UnixMs;
use serde::Serialize;

/// A job that ended, as listings have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobRow {
    /// Whose job.
    pub tenant: TenantName,
    /// The job.
    pub id: JobId,
    /// Its task; nothing where the message was no job.
    pub task: Option<TaskName>,
    /// Its queue; nothing where the message was no job.
    pub queue: Option<QueueName>,
    /// Its lane.
    pub lane: Option<Lane>,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// What went wrong, cut to some hundred characters.
    pub error_message: Option<String>,
    /// The component that ran last.
    pub digest: Option<Digest>,
    /// The version that ran last.
    pub version: Option<VersionName>,
    /// The last attempt, from 1; 0 where none was made.
    pub attempts: u32,
    /// When it was published; of a dead letter without a result, when its first known attempt began.
    pub published: UnixMs,
    /// When the last attempt began.
    pub started: UnixMs,
    /// When it ended.
    pub finished: UnixMs,
    /// What the last attempt used.
    #[serde(flatten)]
    pub meter: Meter,
    /// The worker of the last attempt; empty where none was made.
    pub worker: String,
    /// Labels of the publisher.
    pub tags: Vec<String>,
    /// Whether its latest run ended as a dead letter. It stays so when the letter is removed.
    pub dead: bool,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// From 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// When it began.
    pub started: UnixMs,
    /// The component that ran.
    pub digest: Option<Digest>,
    /// The worker that ran it.
    pub worker: String,
    /// What it used.
    #[serde(flatten)]
    pub meter: Meter,
    /// What went wrong, cut to some hundred characters.
    pub error_message: Option<String>,
}

/// All that is known of a job that ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobDetail {
    /// As in a listing.
    #[serde(flatten)]
    pub row: JobRow,
    /// What went wrong, with details and frames.
    pub error: Option<JobError>,
    /// Its attempts, oldest first; the oldest of very many are not known.
    pub trail: Vec<Attempt>,
}

/// A job with what keeps its parts in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) row: JobRow,
    /// The error as JSON.
    pub(crate) error_more: Option<String>,
    /// The attempts, where there is more to say of them than the row does.
    pub(crate) trail: Vec<Attempt>,
    /// When the broker stored the result; 0 where none is known.
    pub(crate) result_at: UnixMs,
    /// When the broker stored the dead letter; 0 where none is known.
    pub(crate) letter_at: UnixMs,
}

impl Stored {
    pub(crate) fn into_detail(self) -> JobDetail {
        let error = self.error_more.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let trail = match (self.trail.is_empty(), self.row.attempts) {
            (false, _) | (true, 0) => self.trail,
            (true, _) => vec![only_attempt(&self.row)],
        };
        JobDetail { row: self.row, error, trail }
    }
}

/// The attempt of a job that completed at once, of which nothing more is stored than its row.
fn only_attempt(row: &JobRow) -> Attempt {
    Attempt {
        attempt: row.attempts,
        outcome: row.outcome,
        started: row.started,
        digest: row.digest.clone(),
        worker: row.worker.clone(),
        meter: row.meter,
        error_message: row.error_message.clone(),
    }
}

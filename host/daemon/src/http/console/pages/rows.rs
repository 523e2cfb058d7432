//! A job as a row of a table: of one that has ended, from the history or from its result, and of one that has not.

use super::super::text;
use lovage_client::{JobSummary, Place};
use lovage_history::JobRow;
use lovage_job::name::{JobId, TenantName};
use lovage_job::unit::UnixMs;
use std::collections::HashSet;

/// A row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Tenant and job, as a form sends them.
    pub key: String,
    /// The job.
    pub id: String,
    /// Its page.
    pub link: String,
    /// Whose.
    pub tenant: String,
    /// Its task.
    pub task: String,
    /// Its queue.
    pub queue: String,
    /// Its attempt.
    pub attempt: u32,
    /// The class of its state.
    pub class: &'static str,
    /// Where it is, or how it ended.
    pub state: String,
    /// How long it ran.
    pub took: String,
    /// When it ended, or since when it is where it is.
    pub at: UnixMs,
    /// What else there is to say.
    pub note: String,
}

/// The jobs that workers say they run.
pub type RunningIds = HashSet<(TenantName, JobId)>;

fn named(name: Option<&impl ToString>) -> String {
    name.map(ToString::to_string).unwrap_or_default()
}

impl Row {
    /// A job of the history.
    pub fn ended(row: &JobRow) -> Self {
        let JobRow { tenant, id, .. } = row;
        let state =
            if row.dead { format!("{} · dead", row.outcome.as_str()) } else { row.outcome.as_str().to_owned() };
        Self {
            key: format!("{tenant}/{id}"),
            link: format!("/jobs/{tenant}/{id}"),
            id: id.to_string(),
            tenant: tenant.to_string(),
            task: named(row.task.as_ref()),
            queue: named(row.queue.as_ref()),
            attempt: row.attempts,
            class: text::class_of(row.outcome),
            state,
            took: text::micros(row.meter.wall_us),
            at: row.finished,
            note: row.error_message.clone().unwrap_or_else(|| row.tags.join(", ")),
        }
    }

    /// A job as the broker has it.
    pub fn of(tenant: &TenantName, job: &JobSummary, running: &RunningIds) -> Self {
        let runs = running.contains(&(tenant.clone(), job.id.clone()));
        let (class, state) = match &job.place {
            Place::Queued if runs => ("run", "running".to_owned()),
            Place::Queued => ("wait", "queued".to_owned()),
            Place::Delayed { .. } => ("wait", "delayed".to_owned()),
            Place::WaitingRetry { .. } => ("warn", "waits to retry".to_owned()),
            Place::Held { .. } => ("wait", "held".to_owned()),
            Place::Done(outcome) => (text::class_of(*outcome), outcome.as_str().to_owned()),
        };
        let id = &job.id;
        Self {
            key: format!("{tenant}/{id}"),
            link: format!("/jobs/{tenant}/{id}"),
            id: id.to_string(),
            tenant: tenant.to_string(),
            task: named(job.task.as_ref()),
            queue: named(job.queue.as_ref()),
            attempt: job.attempt,
            class,
            state,
            took: String::new(),
            at: job.since,
            note: job.waits_for.as_ref().map_or_else(|| job.tags.join(", "), |what| format!("waits for {what}")),
        }
    }
}

//! What to list: of whom, and which jobs.

use lovage_job::name::{Digest, QueueName, TaskName, TenantName, VersionName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::unit::UnixMs;
use std::time::Duration;

/// Whose jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Of one tenant.
    Tenant(TenantName),
    /// Of all, for operators.
    All,
}

/// Which jobs; nothing means every one. Texts are compared as they are, without patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this task.
    pub task: Option<TaskName>,
    /// Of this queue.
    pub queue: Option<QueueName>,
    /// That ended in one of these ways.
    pub outcomes: Vec<OutcomeKind>,
    /// Of this version.
    pub version: Option<VersionName>,
    /// Of this component.
    pub digest: Option<Digest>,
    /// Whose last attempt this worker made.
    pub worker: Option<String>,
    /// With this label.
    pub tag: Option<String>,
    /// Dead ones, or all others.
    pub dead: Option<bool>,
    /// Whose id begins so. These are listed by their ids, last first.
    pub id_prefix: Option<String>,
    /// Whose error has this text in it.
    pub error_text: Option<String>,
    /// That ended at this time or later.
    pub finished_from: Option<UnixMs>,
    /// That ended before this time.
    pub finished_to: Option<UnixMs>,
    /// Whose last attempt took longer.
    pub slower_than: Option<Duration>,
}

impl JobFilter {
    /// Whether there can be no such job: texts with NUL, which no engine stores, and beginnings that no id has.
    pub(crate) fn is_impossible(&self) -> bool {
        let texts = [&self.worker, &self.tag, &self.error_text];
        let is_of_an_id = |prefix: &str| prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        texts.into_iter().flatten().any(|text| text.contains('\0'))
            || self.id_prefix.as_deref().is_some_and(|prefix| !is_of_an_id(prefix))
    }
}

/// Which jobs charts count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesFilter {
    /// Of this task.
    pub task: Option<TaskName>,
    /// Of this queue.
    pub queue: Option<QueueName>,
    /// Of this version.
    pub version: Option<VersionName>,
    /// That ended in one of these ways.
    pub outcomes: Vec<OutcomeKind>,
}

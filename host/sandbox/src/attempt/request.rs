//! What goes into an attempt and what comes out.

use crate::attempt::cancel::CancelSignal;
use crate::attempt::event::EventSink;
use crate::attempt::services::Services;
use crate::attempt::simulation::Simulation;
use bytes::Bytes;
use lovage_job::capability::Grants;
use lovage_job::limits::Limits;
use lovage_job::outcome::{Meter, Outcome};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a guest may know of its job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobInfo {
    /// Unique within the tenant.
    pub id: String,
    /// Whose job it is.
    pub tenant: String,
    /// Where it waited.
    pub queue: String,
    /// The task as it was published.
    pub task: String,
    /// Counts from 1.
    pub attempt: u32,
    /// The attempt after which the job is buried.
    pub attempts_max: u32,
    /// The media type of the input, where the publisher gave one.
    pub content_type: Option<String>,
    /// The publisher's own headers.
    pub headers: Vec<(String, String)>,
    /// When it was published, in milliseconds since the Unix epoch: where deterministic clocks begin.
    #[serde(default)]
    pub published_unix_ms: u64,
    /// When the attempt is stopped, in milliseconds since the Unix epoch. For the guest to read only: the limit
    /// itself is `limits.timeout`.
    pub deadline_unix_ms: u64,
}

/// One attempt to make.
#[derive(Debug, Clone)]
pub struct AttemptRequest {
    /// What the guest may know.
    pub job: JobInfo,
    /// The payload.
    pub input: Bytes,
    /// What the attempt may use.
    pub limits: Arc<Limits>,
    /// The program's arguments, without its name.
    pub args: Arc<[String]>,
    /// The guest's environment.
    pub env: Arc<[(String, String)]>,
    /// What the guest may do beyond its sandbox.
    pub grants: Arc<Grants>,
}

/// How the worker follows and stops an attempt.
#[derive(Debug, Clone, Default)]
pub struct AttemptControl {
    /// Stops the guest.
    pub cancel: Option<CancelSignal>,
    /// Hears progress and log lines as they happen.
    pub events: Option<EventSink>,
    /// What the worker does for the guest beyond its sandbox.
    pub services: Option<Arc<dyn Services>>,
    /// A clock and randomness in place of the machine's.
    pub simulation: Option<Simulation>,
}

/// How an attempt ended and what it used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptReport {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used; filled however it ended.
    pub meter: Meter,
    /// What the guest logged: standard error, the `log` function, and standard output where that is not the result.
    pub log: Vec<u8>,
    /// True where the guest logged more than its limit.
    pub log_truncated: bool,
}

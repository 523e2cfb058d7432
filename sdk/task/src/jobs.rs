//! Jobs that a task submits: its children.
//!
//! The component needs a grant: `lovage push --allow submit`. A child's id is made from the id of its job and the
//! child's key, or its number where it has none, so a retried task that submits the same children submits nothing twice.
//!
//! ```
//! use lovage_task::jobs::{self, NewJob};
//! use lovage_task::{TaskError, task};
//!
//! /// Resizes each picture in a job of its own.
//! #[task]
//! fn album(pictures: Vec<String>) -> Result<u32, TaskError> {
//!     for picture in &pictures {
//!         jobs::submit(NewJob::new("resize").input(picture)?.key(picture))?;
//!     }
//!     Ok(u32::try_from(pictures.len())?)
//! }
//! ```

mod group;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

pub use self::group::{Group, Members, NewGroup, OnMemberFailure, group};
use crate::{Bytes, TaskError};

/// Before or after others in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    High,
    Normal,
    Low,
}

/// A job to submit. Only the task is needed; all else has the default of the task, or of the job that submits it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewJob {
    /// What to run.
    pub task: String,
    /// The payload.
    pub input: Vec<u8>,
    /// The media type of the input.
    pub content_type: Option<String>,
    /// Where it waits; the queue of the submitting job where nothing is said.
    pub queue: Option<String>,
    /// Its priority; that of the submitting job where nothing is said.
    pub lane: Option<Lane>,
    /// What it is called among the children of this job.
    pub key: Option<String>,
    /// Starts no sooner than after this.
    pub delay: Option<Duration>,
    /// Further attempts after the first.
    pub retries: Option<u32>,
    /// The longest wall time of an attempt.
    pub timeout: Option<Duration>,
    /// Labels that the result carries.
    pub tags: Vec<String>,
    /// What limits per key count by.
    pub limit_key: Option<String>,
    /// The version, alias or digest to run.
    pub version: Option<String>,
    /// What runs once it has completed.
    pub on_success: Option<String>,
    /// What runs once it has ended without completing.
    pub on_failure: Option<String>,
    /// What runs once it is a dead letter.
    pub on_dead: Option<String>,
    /// What runs one after another once it has completed.
    pub then: Vec<String>,
}

impl NewJob {
    /// A job without input.
    pub fn new(task: impl Into<String>) -> Self {
        Self {
            task: task.into(),
            input: Vec::new(),
            content_type: None,
            queue: None,
            lane: None,
            key: None,
            delay: None,
            retries: None,
            timeout: None,
            tags: Vec::new(),
            limit_key: None,
            version: None,
            on_success: None,
            on_failure: None,
            on_dead: None,
            then: Vec::new(),
        }
    }

    /// Has this input, as JSON.
    pub fn input(mut self, input: &(impl Serialize + ?Sized)) -> Result<Self, TaskError> {
        let json = serde_json::to_vec(input);
        self.input = json.map_err(|error| TaskError::permanent(format!("the input of {}: {error}", self.task)))?;
        self.content_type = Some("application/json".into());
        Ok(self)
    }

    /// Has these bytes as input.
    #[must_use]
    pub fn bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        let bytes: Bytes = bytes.into();
        self.content_type = bytes.content_type().map(str::to_owned);
        self.input = bytes.into_vec();
        self
    }

    /// Is called this among the children of this job: submitted once, in whatever order and attempt.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Waits in this queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Has this priority.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = Some(lane);
        self
    }

    /// Is not started before so much time has passed.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Is tried so often again after the first attempt.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// May take so long in each attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Has one more label.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Counts under this key for limits per key.
    #[must_use]
    pub fn limit_key(mut self, key: impl Into<String>) -> Self {
        self.limit_key = Some(key.into());
        self
    }

    /// Runs this version, alias or component.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Is followed by this once it has completed, with its output as input: the name of a task, a job as JSON such as
    /// `{"task":"word-stats","retries":2}`, or the URL of a webhook.
    #[must_use]
    pub fn on_success(mut self, target: impl Into<String>) -> Self {
        self.on_success = Some(target.into());
        self
    }

    /// Is followed by this once it has ended without completing, for whatever reason; written as for
    /// [`on_success`](Self::on_success).
    #[must_use]
    pub fn on_failure(mut self, target: impl Into<String>) -> Self {
        self.on_failure = Some(target.into());
        self
    }

    /// Is followed by this once it is a dead letter; written as for [`on_success`](Self::on_success).
    #[must_use]
    pub fn on_dead(mut self, target: impl Into<String>) -> Self {
        self.on_dead = Some(target.into());
        self
    }

    /// Is followed by one more job of its chain, which gets the output of the one before; written as for
    /// [`on_success`](Self::on_success).
    #[must_use]
    pub fn then(mut self, target: impl Into<String>) -> Self {
        self.then.push(target.into());
        self
    }
}

/// A child that the broker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub id: String,
    /// True where an earlier attempt submitted it.
    pub existing: bool,
}

/// Why a job was not submitted. Behind a `?` it is a retry; where that cannot help, as for what is invalid, say
/// `.map_err(TaskError::permanent)`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError {
    /// No worker would take it: the name, the version or the input is wrong.
    Invalid(String),
    /// A limit is reached; the text names it.
    Limit(String),
    /// The component was not granted this.
    Denied(String),
    /// The broker did not confirm it, or its queue is full. Another attempt may succeed.
    Unavailable(String),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) | Self::Limit(text) | Self::Denied(text) | Self::Unavailable(text) => {
                out.write_str(text)
            }
        }
    }
}

impl std::error::Error for SubmitError {}

/// Submits a job and returns once the broker holds it. Natively nothing is submitted: the job goes to stderr.
pub fn submit(job: NewJob) -> Result<Submitted, SubmitError> {
    host::submit(job)
}

#[cfg(target_family = "wasm")]
use crate::guest::jobs as host;

#[cfg(not(target_family = "wasm"))]
mod host {
    use super::{Group, NewGroup, NewJob, SubmitError, Submitted};

    pub(super) fn submit(job: NewJob) -> Result<Submitted, SubmitError> {
        eprintln!("submit {} {}", job.task, String::from_utf8_lossy(&job.input));
        Ok(Submitted { id: job.key.unwrap_or(job.task), existing: false })
    }

    pub(super) fn submit_group(group: NewGroup) -> Result<Group, SubmitError> {
        let NewGroup { members, completion, key, .. } = group;
        let id = key.unwrap_or_else(|| format!("group-{}", completion.task));
        eprintln!("submit group {id}: {} members, then {}", members.len(), completion.task);
        let members = (0..members.len()).map(|index| format!("{id}_{index}")).collect();
        Ok(Group { completion: format!("{id}_done"), existing: false, members, id })
    }
}

#[cfg(test)]
mod tests {
    use super::{Lane, NewJob, SubmitError, submit};
    use crate::{Bytes, ErrorKind, TaskError};

    #[test]
    fn a_child_carries_what_it_is_given() {
        let job = NewJob::new("resize").input(&[1, 2]).unwrap().key("a").lane(Lane::Low).tag("x");
        assert_eq!((job.input.as_slice(), job.content_type.as_deref()), (&b"[1,2]"[..], Some("application/json")));
        assert_eq!((job.key.as_deref(), job.lane, job.tags.len()), (Some("a"), Some(Lane::Low), 1));
        let job = NewJob::new("resize").bytes(Bytes::new("png").with_content_type("image/png"));
        assert_eq!((job.input.as_slice(), job.content_type.as_deref()), (&b"png"[..], Some("image/png")));
        assert!(!submit(job).unwrap().existing);
    }

    #[test]
    fn a_refusal_behind_a_question_mark_is_a_retry() {
        let error = TaskError::from(SubmitError::Limit("no more".into()));
        assert_eq!((error.kind(), error.message()), (ErrorKind::Retry, "no more"));
    }
}

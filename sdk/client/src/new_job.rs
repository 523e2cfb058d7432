//! A job before it is submitted: what the caller asks for.

use bytes::Bytes;
use lovage_job::catalog::VersionRef;
use lovage_job::flow::{GroupPlace, Target};
use lovage_job::header::Headers;
use lovage_job::name::{JobId, QueueName, TaskName};
use lovage_job::retry::Backoff;
use lovage_job::retry_on::RetryOn;
use lovage_job::subject::Lane;
use lovage_job::unique::Unique;
use lovage_job::unit::UnixMs;
use serde::Serialize;
use std::time::Duration;

/// The media type of JSON.
const JSON: &str = "application/json";

/// A point in time, or a span from when the job is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long after submission.
    In(Duration),
    /// At this time.
    At(UnixMs),
}

impl When {
    pub(crate) fn from(self, now: UnixMs) -> UnixMs {
        match self {
            Self::In(span) => now.after(span),
            Self::At(time) => time,
        }
    }
}

/// A job to be submitted. Only task and payload are needed; all else has the default of the task or the operator.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What to run.
    pub task: TaskName,
    /// Where it waits.
    pub queue: QueueName,
    /// Its priority.
    pub lane: Lane,
    /// Its id, where the caller chooses one; a job of the same id is submitted once.
    pub id: Option<JobId>,
    /// What makes it one with other jobs.
    pub unique: Option<Unique>,
    /// The input.
    pub payload: Bytes,
    /// The media type of the input.
    pub content_type: Option<String>,
    /// The version to run.
    pub version: Option<VersionRef>,
    /// Further attempts after the first.
    pub retries: Option<u32>,
    /// The back-off between attempts.
    pub backoff: Option<Backoff>,
    /// How an attempt must have ended to be tried again.
    pub retry_on: Option<RetryOn>,
    /// The longest wall time of an attempt.
    pub timeout: Option<Duration>,
    /// When an attempt is asked to stop, before it is stopped; below the timeout.
    pub soft_timeout: Option<Duration>,
    /// What limits per key count by, such as a customer.
    pub limit_key: Option<String>,
    /// What runs once the job has completed, with its output as input.
    pub on_success: Option<Target>,
    /// What runs once the job has ended without completing, for whatever reason.
    pub on_failure: Option<Target>,
    /// What runs once the job has become a dead letter.
    pub on_dead: Option<Target>,
    /// What runs one after another once the job has completed, each with the output of the one before.
    pub then: Vec<Target>,
    /// The group that the job is a member of, which [`crate::Client::submit_group`] sets.
    pub group: Option<GroupPlace>,
    /// When the job is no longer worth starting.
    pub expires: Option<When>,
    /// When the job is due; at once where nothing is said or the time has passed.
    pub due: Option<When>,
    /// Labels that the result carries.
    pub tags: Vec<String>,
    /// The caller's own headers, for the guest.
    pub headers: Headers,
    /// An inbox that gets the outcome by core NATS.
    pub reply: Option<String>,
    /// The job that submits this one, and how many jobs led to this one: for what submits jobs for a job.
    pub parent: Option<(JobId, u32)>,
    /// Whether to skip the check of task and input against the catalogue.
    pub unchecked: bool,
}

impl NewJob {
    /// A job with a payload of any bytes.
    pub fn new(task: TaskName, payload: impl Into<Bytes>) -> Self {
        Self {
            task,
            queue: QueueName::default_queue(),
            lane: Lane::Normal,
            id: None,
            unique: None,
            payload: payload.into(),
            content_type: None,
            version: None,
            retries: None,
            backoff: None,
            retry_on: None,
            timeout: None,
            soft_timeout: None,
            limit_key: None,
            on_success: None,
            on_failure: None,
            on_dead: None,
            then: Vec::new(),
            group: None,
            expires: None,
            due: None,
            tags: Vec::new(),
            headers: Headers::new(),
            reply: None,
            parent: None,
            unchecked: false,
        }
    }

    /// A job with a payload of JSON.
    pub fn json(task: TaskName, input: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        Ok(Self::new(task, serde_json::to_vec(input)?).content_type(JSON))
    }

    /// Waits in `queue`.
    #[must_use]
    pub fn queue(mut self, queue: QueueName) -> Self {
        self.queue = queue;
        self
    }

    /// Has the priority of `lane`.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// Has this id.
    #[must_use]
    pub fn id(mut self, id: JobId) -> Self {
        self.id = Some(id);
        self
    }

    /// Is one with other jobs of the same task and key: submitted where none of them stands for it.
    #[must_use]
    pub fn unique(mut self, unique: Unique) -> Self {
        self.unique = Some(unique);
        self
    }

    /// Has a payload of this media type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Runs this version, alias or component.
    #[must_use]
    pub fn version(mut self, version: VersionRef) -> Self {
        self.version = Some(version);
        self
    }

    /// Is tried so often again after the first attempt.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Waits so long between attempts.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// May take so long in each attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Is tried again only after attempts that ended in one of these ways.
    #[must_use]
    pub fn retry_on(mut self, outcomes: RetryOn) -> Self {
        self.retry_on = Some(outcomes);
        self
    }

    /// Is asked to stop after so long in each attempt; what it then gives stands.
    #[must_use]
    pub fn soft_timeout(mut self, soft_timeout: Duration) -> Self {
        self.soft_timeout = Some(soft_timeout);
        self
    }

    /// Counts under this key for limits per key, such as a customer.
    #[must_use]
    pub fn limit_key(mut self, key: impl Into<String>) -> Self {
        self.limit_key = Some(key.into());
        self
    }

    /// Is followed by this once it has completed.
    #[must_use]
    pub fn on_success(mut self, target: Target) -> Self {
        self.on_success = Some(target);
        self
    }

    /// Is followed by this once it has ended without completing.
    #[must_use]
    pub fn on_failure(mut self, target: Target) -> Self {
        self.on_failure = Some(target);
        self
    }

    /// Is followed by this once it has become a dead letter.
    #[must_use]
    pub fn on_dead(mut self, target: Target) -> Self {
        self.on_dead = Some(target);
        self
    }

    /// Is followed by one more job of its chain.
    #[must_use]
    pub fn then(mut self, target: Target) -> Self {
        self.then.push(target);
        self
    }

    /// Is not started later than this.
    #[must_use]
    pub fn expires(mut self, expires: When) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Is not started before this.
    #[must_use]
    pub fn due(mut self, due: When) -> Self {
        self.due = Some(due);
        self
    }

    /// Is not started before so much time has passed.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        self.due(When::In(delay))
    }

    /// Is not started before this time.
    #[must_use]
    pub fn at(self, time: UnixMs) -> Self {
        self.due(When::At(time))
    }

    /// Has one more label.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Brings one more header to the guest.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Sends the outcome to this inbox too.
    #[must_use]
    pub fn reply(mut self, inbox: impl Into<String>) -> Self {
        self.reply = Some(inbox.into());
        self
    }

    /// Comes from this job, and lies so deep below the first of them.
    #[must_use]
    pub fn parent(mut self, parent: JobId, depth: u32) -> Self {
        self.parent = Some((parent, depth));
        self
    }

    /// Is sent without a look at the catalogue: task and input may be wrong, which the worker tells then.
    #[must_use]
    pub fn unchecked(mut self) -> Self {
        self.unchecked = true;
        self
    }
}

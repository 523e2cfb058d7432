//! A job before it is submitted: what the caller asks for, and the message that it becomes.

use async_nats::header::HeaderName;
use bytes::Bytes;
use lovage_job::catalog::VersionRef;
use lovage_job::decode::{DecodeError, Origin, decode};
use lovage_job::header::{self, Headers};
use lovage_job::name::{JobId, QueueName, TaskName, TenantName};
use lovage_job::retry::Backoff;
use lovage_job::subject::{JobSubject, Lane};
use lovage_job::unit::{UnixMs, format_span};
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
    fn from(self, now: UnixMs) -> UnixMs {
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
    /// An idempotency key: the same task and key are one job, until its result is forgotten.
    pub key: Option<String>,
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
    /// The longest wall time of an attempt.
    pub timeout: Option<Duration>,
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
    /// Whether to skip the check of task and input against the catalogue.
    pub unchecked: bool,
}

/// A job that no worker would take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJob {
    /// What workers would say of it.
    #[error(transparent)]
    Refused(#[from] DecodeError),
    /// An own header that is not the caller's to set, or cannot be sent.
    #[error("header {name:?} cannot be set: {reason}")]
    OwnHeader {
        /// Its name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// Both an id and a key.
    #[error("a job has an id or an idempotency key, which becomes its id, but not both; leave out one")]
    IdAndKey,
    /// It would never be started.
    #[error("the job expires {early} before it is due; give it longer or start it sooner")]
    ExpiresFirst {
        /// By how much.
        early: String,
    },
}

/// A job as it is sent, but for the broker's headers.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) id: JobId,
    /// Whether the caller chose the id, so that the job may be there already.
    pub(crate) chosen: bool,
    pub(crate) subject: JobSubject,
    pub(crate) headers: Headers,
    pub(crate) payload: Bytes,
    pub(crate) version: Option<VersionRef>,
    pub(crate) due: Option<UnixMs>,
    pub(crate) unchecked: bool,
}

impl NewJob {
    /// A job with a payload of any bytes.
    pub fn new(task: TaskName, payload: impl Into<Bytes>) -> Self {
        Self {
            task,
            queue: QueueName::default_queue(),
            lane: Lane::Normal,
            id: None,
            key: None,
            payload: payload.into(),
            content_type: None,
            version: None,
            retries: None,
            backoff: None,
            timeout: None,
            expires: None,
            due: None,
            tags: Vec::new(),
            headers: Headers::new(),
            reply: None,
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

    /// Has an id made from this key, so that the same task and key are one job.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
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

    /// Is sent without a look at the catalogue: task and input may be wrong, which the worker tells then.
    #[must_use]
    pub fn unchecked(mut self) -> Self {
        self.unchecked = true;
        self
    }

    /// The message that this job becomes. `fresh` is the id of a job whose caller gave none.
    pub(crate) fn prepare(
        self,
        tenant: &TenantName,
        now: UnixMs,
        fresh: impl FnOnce() -> JobId,
    ) -> Result<Prepared, InvalidJob> {
        let due = self.due.map(|due| due.from(now)).filter(|due| *due > now);
        let headers = self.to_headers(now, due.unwrap_or(now))?;
        let (id, chosen) = match (self.id, &self.key) {
            (Some(_), Some(_)) => return Err(InvalidJob::IdAndKey),
            (Some(id), None) => (id, true),
            (None, Some(key)) => (JobId::from_key(&self.task, key), true),
            (None, None) => (fresh(), false),
        };
        let (queue, task) = (self.queue, self.task);
        let subject = JobSubject { tenant: tenant.clone(), lane: self.lane, queue, task, id: Some(id.clone()) };
        let origin = Origin { stream_created_ms: 0, sequence: 0, stored: now };
        decode(&subject.to_string(), &headers, origin)?;
        let (payload, version, unchecked) = (self.payload, self.version, self.unchecked);
        Ok(Prepared { id, chosen, subject, headers, payload, version, due, unchecked })
    }

    fn to_headers(&self, now: UnixMs, due: UnixMs) -> Result<Headers, InvalidJob> {
        let mut headers = Headers::new();
        for (name, value) in self.headers.iter() {
            check_own(name, value)?;
            headers.push(name, value);
        }
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                headers.set(name, value);
            }
        };
        put(header::CONTENT_TYPE, self.content_type.clone());
        put(header::VERSION, self.version.as_ref().map(ToString::to_string));
        put(header::RETRIES, self.retries.map(|retries| retries.to_string()));
        put(header::BACKOFF, self.backoff.as_ref().map(ToString::to_string));
        put(header::TIMEOUT, self.timeout.map(format_span));
        put(header::EXPIRES, self.expires_before(now, due)?.map(UnixMs::to_rfc3339));
        put(header::REPLY, self.reply.clone());
        for tag in &self.tags {
            headers.push(header::TAG, tag.clone());
        }
        if let Some((name, _)) = headers.iter().find(|(_, value)| !is_sendable(value)) {
            return Err(InvalidJob::OwnHeader { name: name.to_owned(), reason: NOT_SENDABLE });
        }
        Ok(headers)
    }

    /// The time after which the job is not started. It is sent as a time, never as a span: the worker would count the
    /// span from when the job was due.
    fn expires_before(&self, now: UnixMs, due: UnixMs) -> Result<Option<UnixMs>, InvalidJob> {
        let Some(expires) = self.expires.map(|expires| expires.from(now)) else { return Ok(None) };
        if expires <= due && due > now {
            return Err(InvalidJob::ExpiresFirst { early: format_span(due.since(expires)) });
        }
        Ok(Some(expires))
    }
}

const NOT_SENDABLE: &str = "its value has a line break or another control character, or spaces around it";

fn is_sendable(value: &str) -> bool {
    !value.chars().any(char::is_control) && value.trim() == value
}

fn check_own(name: &str, value: &str) -> Result<(), InvalidJob> {
    let reason = if header::is_brokers(name) {
        "Nats-* headers command the broker"
    } else if header::is_lovages(name) {
        "Lovage-* headers have fields of their own"
    } else if name.is_empty() || name.contains(char::is_whitespace) || name.parse::<HeaderName>().is_err() {
        "a name is ASCII without spaces and ':'"
    } else if !is_sendable(value) {
        NOT_SENDABLE
    } else {
        return Ok(());
    };
    Err(InvalidJob::OwnHeader { name: name.chars().take(60).collect(), reason })
}

#[cfg(test)]
#[path = "new_job_tests.rs"]
mod tests;

//! The message that a job becomes, checked as a worker would check it.

use crate::new_job::NewJob;
use async_nats::header::HeaderName;
use bytes::Bytes;
use lovage_job::catalog::VersionRef;
use lovage_job::decode::{DecodeError, Origin, decode};
use lovage_job::flow::chain_to_text;
use lovage_job::header::{self, Headers};
use lovage_job::name::{JobId, TenantName};
use lovage_job::subject::JobSubject;
use lovage_job::unique::{Rule, Unique, UniqueError, WINDOW_MAX};
use lovage_job::unit::{UnixMs, format_span};

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
    #[error("a job has an id or a key that makes it one with others, but not both; leave out one")]
    IdAndKey,
    /// Both a debounce and a time.
    #[error("a debounce says when the job starts; leave out its time")]
    DebounceAndDue,
    /// A key that cannot be.
    #[error(transparent)]
    Unique(#[from] UniqueError),
    /// It would start too far ahead.
    #[error("the job is due at {due}, and may be due {} from now at the latest", format_span(WINDOW_MAX))]
    DueTooLate {
        /// When.
        due: String,
    },
    /// A follow-up with something that it gets from what it follows.
    #[error("task {task} follows another job, so it cannot have {what} of its own; leave it out")]
    Follower {
        /// What it runs.
        task: lovage_job::name::TaskName,
        /// What it cannot have.
        what: &'static str,
    },
    /// A chain without jobs.
    #[error("a chain has no job; give it at least one")]
    EmptyChain,
    /// A chain with too many jobs.
    #[error("a chain of {length} jobs is longer than {most}")]
    LongChain {
        /// How many it has.
        length: usize,
        /// How many it may have.
        most: usize,
    },
    /// A member of a group with an id of its own.
    #[error("a member of a group has an id made from the group's; leave out its id and key")]
    OfGroup,
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
    pub(crate) unique: Option<Unique>,
}

impl NewJob {
    /// The message that this job becomes. `fresh` is the id of a job whose caller gave none.
    pub(crate) fn prepare(
        self,
        tenant: &TenantName,
        now: UnixMs,
        fresh: impl FnOnce() -> JobId,
    ) -> Result<Prepared, InvalidJob> {
        let due = self.due.map(|due| due.from(now)).filter(|due| *due > now);
        if let Some(due) = due.filter(|due| *due > now.after(WINDOW_MAX)) {
            return Err(InvalidJob::DueTooLate { due: due.to_rfc3339() });
        }
        if let Some(unique) = &self.unique {
            unique.check()?;
            match unique.rule {
                _ if self.id.is_some() => return Err(InvalidJob::IdAndKey),
                Rule::Debounce { .. } if self.due.is_some() => return Err(InvalidJob::DebounceAndDue),
                Rule::Debounce { .. } | Rule::Window(_) | Rule::Active | Rule::Throttle(_) => {}
            }
        }
        // a debounced job has the time of its delay, also for the check of its expiry
        let due = match &self.unique {
            Some(Unique { rule: Rule::Debounce { delay, .. }, .. }) => Some(now.after(*delay)),
            Some(_) | None => due,
        };
        let headers = self.to_headers(now, due.unwrap_or(now))?;
        let (id, chosen) = match self.id {
            Some(id) => (id, true),
            None => (fresh(), false),
        };
        let (queue, task) = (self.queue, self.task);
        let subject = JobSubject { tenant: tenant.clone(), lane: self.lane, queue, task, id: Some(id.clone()) };
        let origin = Origin { stream_created_ms: 0, sequence: 0, stored: now };
        decode(&subject.to_string(), &headers, origin)?;
        let (payload, version, unchecked, unique) = (self.payload, self.version, self.unchecked, self.unique);
        Ok(Prepared { id, chosen, subject, headers, payload, version, due, unchecked, unique })
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
        put(header::RETRY_ON, self.retry_on.map(|outcomes| outcomes.to_string()));
        put(header::TIMEOUT, self.timeout.map(format_span));
        put(header::SOFT_TIMEOUT, self.soft_timeout.map(format_span));
        put(header::PARENT, self.parent.as_ref().map(|(parent, _)| parent.to_string()));
        put(header::DEPTH, self.parent.as_ref().map(|(_, depth)| depth.to_string()));
        put(header::LIMIT_KEY, self.limit_key.clone());
        put(header::ON_SUCCESS, self.on_success.as_ref().map(ToString::to_string));
        put(header::ON_FAILURE, self.on_failure.as_ref().map(ToString::to_string));
        put(header::ON_DEAD, self.on_dead.as_ref().map(ToString::to_string));
        put(header::THEN, (!self.then.is_empty()).then(|| chain_to_text(&self.then)));
        put(header::GROUP, self.group.as_ref().map(ToString::to_string));
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
#[path = "prepare_tests.rs"]
mod tests;

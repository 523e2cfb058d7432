//! A job: one request to run a task, decoded and checked.

use crate::catalog::VersionRef;
use crate::flow::Flow;
use crate::header::{self, Headers};
use crate::name::{Digest, JobId};
use crate::retry::{Backoff, RetryPolicy};
use crate::retry_on::RetryOn;
use crate::schedule::ScheduledRun;
use crate::subject::JobSubject;
use crate::trace::TraceContext;
use crate::trail::Trail;
use crate::unit::UnixMs;
use std::time::Duration;

/// One request to run a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Unique within the tenant.
    pub id: JobId,
    /// Tenant, lane, queue and task.
    pub subject: JobSubject,
    /// What the publisher asks for.
    pub wishes: Wishes,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How often the job was put back so far: for another attempt, by a snooze, or to wait for a limit.
    pub round: u32,
    /// How many workers died while they ran it so far.
    pub crashes: u32,
    /// The component that earlier attempts ran; this one runs it too.
    pub pinned: Option<Digest>,
    /// What earlier attempts came to.
    pub trail: Trail,
    /// When the job was first published.
    pub published: UnixMs,
    /// The run of a schedule that this is.
    pub run: Option<ScheduledRun>,
    /// Where the job leads to and comes from, where its headers say anything of that.
    pub flow: Option<Box<Flow>>,
    /// The publisher's own headers, for the guest.
    pub headers: Headers,
}

/// What a publisher asks for by headers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wishes {
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
    /// When an attempt is asked to stop, before it is stopped.
    pub soft_timeout: Option<Duration>,
    /// What limits per key count by.
    pub limit_key: Option<String>,
    /// When the job is no longer worth starting.
    pub expires: Option<UnixMs>,
    /// Labels.
    pub tags: Vec<String>,
    /// Who gets the outcome by core NATS.
    pub reply: Option<String>,
    /// The media type of the payload.
    pub content_type: Option<String>,
    /// The publisher's trace context.
    pub trace_parent: Option<TraceContext>,
    /// The object that holds the payload.
    pub payload: Option<Digest>,
}

impl Job {
    /// The retry policy of this job: the task's, with what the publisher asks for in its place.
    pub fn retry_policy(&self, of_task: &RetryPolicy) -> RetryPolicy {
        RetryPolicy {
            attempts_max: self.wishes.retries.map_or(of_task.attempts_max, |retries| retries.saturating_add(1)),
            backoff: self.wishes.backoff.clone().unwrap_or_else(|| of_task.backoff.clone()),
            retry_on: self.wishes.retry_on.unwrap_or(of_task.retry_on),
        }
    }

    /// The headers of the message that is the next attempt of this job: those it came with, with the state that
    /// the next worker needs.
    pub fn next_attempt(&self, came_with: &Headers, digest: Option<&Digest>, trail: &Trail) -> Headers {
        let mut headers = self.put_back(came_with);
        headers.set(header::ATTEMPT, self.attempt.saturating_add(1).to_string());
        headers.set(header::TRAIL, trail.to_header());
        headers.remove(header::RESERVED);
        if let Some(digest) = digest {
            headers.set(header::DIGEST, digest.as_str());
        }
        headers
    }

    /// The headers of the message that is this same attempt later: a snooze, or the wait for a limit.
    pub fn put_back(&self, came_with: &Headers) -> Headers {
        let mut headers: Headers = came_with.iter().filter(|(name, _)| !header::is_brokers(name)).collect();
        // one that came without a trace goes on in that of its first attempt
        if let Some(trace) = self.wishes.trace_parent.filter(|_| headers.get(header::TRACE_PARENT).is_none()) {
            headers.push(header::TRACE_PARENT, trace.to_string());
        }
        headers.set(header::PUBLISHED, self.published.0.to_string());
        headers.set(header::ROUND, self.round.saturating_add(1).to_string());
        // the message that knows of the crashes goes away, what it knows goes on
        headers.remove(header::CRASHES);
        if self.crashes > 0 {
            headers.set(header::CRASHES, self.crashes.to_string());
        }
        headers
    }
}

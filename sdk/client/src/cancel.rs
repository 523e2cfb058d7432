//! Cancelling a job, wherever it is.
//!
//! A mark in the control bucket comes first: every worker sees it, also one that gets the job later, so whatever
//! moves meanwhile is stopped where it arrives. Then the job is taken out of its queue and its schedule, and where
//! something was taken out the end is written here, under the same condition as any worker's: one end per job.
//!
//! With a grace, a job that a worker may be running is left to that worker for so long: the mark carries the grace, so
//! it is kept also where the canceller goes away. Whatever is left of the job afterwards is taken out as above.

use crate::client::{Client, now};
use crate::find::Queued;
use crate::follow::{FollowError, member_end};
use crate::publish::{self, Ack, PublishFault};
use crate::read::{self, READ_TIMEOUT, ReadError};
use crate::result::{results_stream, stored_of};
use crate::wire;
use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL};
use bytes::Bytes;
use lovage_job::event::{Event, Happening, Past};
use lovage_job::flow::{GROUP_KEPT, Led};
use lovage_job::job::Job;
use lovage_job::name::JobId;
use lovage_job::outcome::{JobError, Meter, OutcomeKind};
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::subject::{Lane, ScheduleKind, asset, event, job_filter, schedule};
use lovage_job::unit::UnixMs;
use serde_json::json;
use std::time::Duration;

/// How long the mark and the result are kept.
const KEPT: &str = "86400s";
/// The broker's number for a bucket whose messages cannot expire one by one.
const TTL_DISABLED: u64 = 10_166;
/// The longest reason, in characters.
pub(crate) const REASON_LENGTH_MAX: usize = 500;
/// Who says that the job was cancelled, where a worker would say its name.
const WRITER: &str = "client";

/// The longest grace.
pub const GRACE_MAX: Duration = Duration::from_secs(3_600);
/// How much longer than the grace a worker may take to tell the end.
const GRACE_SPARE: Duration = Duration::from_secs(2);

/// How a job is cancelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CancelOptions {
    /// Why, for the record.
    pub reason: String,
    /// How long a guest that runs may go on after it was told; an hour at most. Zero stops it at once.
    pub grace: Duration,
}

/// What became of a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The job has ended as cancelled. A worker that was running it stops.
    Cancelled,
    /// The job was not found waiting: it is just being moved or settled, or is not known at all. A worker that gets it
    /// within a day cancels it.
    Requested,
    /// The job had ended before.
    AlreadyDone(OutcomeKind),
}

/// Why a job may not be cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// A place cannot be read or emptied.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The mark cannot be written; nothing was changed.
    #[error("the cancel of job {id} was not noted: {reason}; the job goes on, so try again")]
    Mark {
        /// The job.
        id: JobId,
        /// What happened.
        reason: String,
    },
    /// The job is out of its queue, but its end is not written.
    #[error("job {id} will not run, but its end was not stored: {reason}; cancel it again")]
    Result {
        /// The job.
        id: JobId,
        /// What happened.
        reason: String,
    },
    /// The job has ended as cancelled, but what follows it is not done.
    #[error("job {id} is cancelled, but {error}; cancel it again, or leave it to the worker that gets it")]
    Follow {
        /// The job.
        id: JobId,
        /// What happened.
        error: FollowError,
    },
}

impl Client {
    /// Cancels a job at once. Safe to repeat.
    pub async fn cancel(&self, id: &JobId, reason: &str) -> Result<CancelOutcome, CancelError> {
        self.cancel_with(id, &CancelOptions { reason: reason.to_owned(), grace: Duration::ZERO }).await
    }

    /// Cancels a job. Safe to repeat, also with another grace. With one, this waits for the end of a job that a worker
    /// may be running, for the grace and a little longer.
    pub async fn cancel_with(&self, id: &JobId, options: &CancelOptions) -> Result<CancelOutcome, CancelError> {
        if let Some(result) = self.result_head(id, READ_TIMEOUT).await? {
            return Ok(CancelOutcome::AlreadyDone(result.outcome));
        }
        let reason: String = options.reason.chars().take(REASON_LENGTH_MAX).collect();
        let grace = options.grace.min(GRACE_MAX);
        self.mark_cancelled(id, &reason, grace).await?;
        if !grace.is_zero()
            && let Some(queued) = self.find_queued(id).await?
            && self.was_delivered(&queued).await?
            && let Ok(result) = self.wait(id, Some(grace + GRACE_SPARE)).await
        {
            return Ok(match result.record.outcome {
                OutcomeKind::Cancelled => CancelOutcome::Cancelled,
                outcome => CancelOutcome::AlreadyDone(outcome),
            });
        }
        let (job, payload) = self.find_job(id).await?.unzip();
        if let Some(led) = job.as_ref().and_then(|job| Led::of(job, payload.as_deref().unwrap_or_default())) {
            return self.cancel_led(id, job, &led, reason).await;
        }
        if !self.take_out(id).await? {
            let result = self.result_head(id, READ_TIMEOUT).await?;
            return Ok(result.map_or(CancelOutcome::Requested, |result| CancelOutcome::AlreadyDone(result.outcome)));
        }
        self.write_end(id, job, reason).await
    }

    /// Whether a worker has the job, or had it: its message is not beyond what its consumer has delivered.
    async fn was_delivered(&self, queued: &Queued) -> Result<bool, ReadError> {
        let subject = &queued.job.subject;
        let consumer = asset::consumer(subject.lane, &subject.queue);
        let delivered = read::delivered(&self.nats, &asset::jobs(&self.tenant), &consumer).await?;
        Ok(delivered.is_some_and(|last| queued.stored.sequence <= last))
    }

    /// Cancels a job that leads on to something. It stays where it waits until its end is written and followed up: who
    /// stops in between leaves it to the worker that gets it, which finds the mark and the end and does the same.
    async fn cancel_led(
        &self,
        id: &JobId,
        job: Option<Job>,
        led: &Led,
        reason: String,
    ) -> Result<CancelOutcome, CancelError> {
        let outcome = self.write_end(id, job, reason).await?;
        if outcome == CancelOutcome::Cancelled {
            self.follow_cancel(id, led).await.map_err(|error| CancelError::Follow { id: id.clone(), error })?;
        }
        self.take_out(id).await?;
        Ok(outcome)
    }

    async fn follow_cancel(&self, id: &JobId, led: &Led) -> Result<(), FollowError> {
        let Some(result) = stored_of(self, id).await? else { return Ok(()) };
        self.follow_up(led, &result, false, true).await?;
        match member_end(led, &result) {
            Some((group, end)) => self.group_ends(&group, &[end]).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn mark_cancelled(&self, id: &JobId, reason: &str, grace: Duration) -> Result<(), CancelError> {
        let subject = format!("$KV.{}.{}", asset::CONTROL, asset::cancel_key(&self.tenant, id));
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let body: Bytes = json!({"reason": reason, "at": now(), "grace_ms": grace_ms}).to_string().into();
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_TTL, KEPT);
        let stream = format!("KV_{}", asset::CONTROL);
        let marked = match publish::publish(&self.nats, &stream, &subject, headers, body.clone()).await {
            Err(PublishFault::Refused { code: TTL_DISABLED, .. }) => {
                publish::publish(&self.nats, &stream, &subject, HeaderMap::new(), body).await
            }
            marked => marked,
        };
        marked.map(|_| ()).map_err(|fault| CancelError::Mark { id: id.clone(), reason: fault.to_string() })
    }

    /// The job as it waits in its queue or schedule, for the record of its end.
    async fn find_job(&self, id: &JobId) -> Result<Option<(Job, Bytes)>, ReadError> {
        if let Some(queued) = self.find_queued(id).await? {
            return Ok(Some((queued.job, queued.stored.payload)));
        }
        let (retry, delay) =
            (self.scheduled(ScheduleKind::Retry, id).await, self.scheduled(ScheduleKind::Delay, id).await);
        for stored in [retry, delay, self.held(id).await].into_iter().flatten() {
            let Some(subject) = crate::find::target(&stored, &self.tenant) else { continue };
            let stored = read::Stored { subject: subject.to_string(), ..stored };
            return Ok(crate::find::queued(stored, UnixMs(0)).map(|queued| (queued.job, queued.stored.payload)));
        }
        Ok(None)
    }

    /// Removes every copy of the job that waits; returns whether there was one. The schedules go first, so that a
    /// copy that becomes due meanwhile is met in the queue.
    async fn take_out(&self, id: &JobId) -> Result<bool, ReadError> {
        let (schedules, jobs) = (asset::schedules(&self.tenant), asset::jobs(&self.tenant));
        let mut removed = 0;
        for kind in [ScheduleKind::Retry, ScheduleKind::Delay] {
            removed += read::purge(&self.nats, &schedules, &schedule(&self.tenant, kind, id)).await?;
        }
        removed += read::purge(&self.nats, &schedules, &self.held_filter(id)).await?;
        for lane in Lane::ALL {
            let due = format!("lovage.{}.due.{}.*.*.{id}", self.tenant, lane.token());
            removed += read::purge(&self.nats, &schedules, &due).await?;
            removed += read::purge(&self.nats, &jobs, &job_filter(&self.tenant, lane, id)).await?;
        }
        if crate::find::stream_place(id).is_some()
            && let Some(queued) = self.find_queued(id).await?
        {
            removed += u64::from(read::delete(&self.nats, &jobs, queued.stored.sequence).await?);
        }
        Ok(removed > 0)
    }

    pub(crate) async fn write_end(
        &self,
        id: &JobId,
        job: Option<Job>,
        reason: String,
    ) -> Result<CancelOutcome, CancelError> {
        let result = cancelled(id, job.as_ref(), reason, now());
        let mut headers = wire::to_nats(&result.to_headers());
        let told = headers.clone();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        headers.insert(NATS_MESSAGE_TTL, kept(job.as_ref()));
        let subject = asset::result_subject(&self.tenant, id);
        match publish::publish(&self.nats, &results_stream(self), &subject, headers, Bytes::new()).await {
            Ok(Ack { .. }) => {
                self.tell_end(&result, job.as_ref(), told).await;
                if let Some(run) = job.as_ref().and_then(|job| job.run.as_ref()) {
                    // the result comes first: the run that is woken looks for it
                    self.wake_one(&run.lot()).await;
                }
                Ok(CancelOutcome::Cancelled)
            }
            Err(PublishFault::WrongSequence) => self.end_of_another(id).await,
            Err(fault) => Err(CancelError::Result { id: id.clone(), reason: fault.to_string() }),
        }
    }

    /// The end that someone else wrote first: a worker, or an earlier try of this cancel.
    async fn end_of_another(&self, id: &JobId) -> Result<CancelOutcome, CancelError> {
        match self.result_head(id, READ_TIMEOUT).await? {
            Some(result) if result.outcome == OutcomeKind::Cancelled => Ok(CancelOutcome::Cancelled),
            Some(result) => Ok(CancelOutcome::AlreadyDone(result.outcome)),
            None => {
                let reason = "another result was there and is gone".to_owned();
                Err(CancelError::Result { id: id.clone(), reason })
            }
        }
    }

    /// Tells those who wait. Not every user may publish events; waiters look by themselves then.
    async fn tell_end(&self, result: &JobResult, job: Option<&Job>, headers: HeaderMap) {
        let Some(job) = job else { return };
        let message = result.error.as_ref().map(|error| error.message.clone());
        let past = Past { published: Some(job.published), ..Past::default() };
        let what = Happening::Finished { outcome: OutcomeKind::Cancelled, message, wall_us: 0, fuel_used: 0, past };
        let subject = event(&self.tenant, &job.subject.task, &job.id, what.token());
        let event = Event {
            id: job.id.clone(),
            task: job.subject.task.clone(),
            queue: job.subject.queue.clone(),
            attempt: result.record.attempt,
            at: result.record.finished,
            worker: WRITER.to_owned(),
            what,
        };
        if let Ok(body) = serde_json::to_vec(&event) {
            // Events may be lost: the result is stored, and that is what counts.
            let _ = self.nats.publish(subject, body.into()).await;
        }
        if let Some(reply) = &job.wishes.reply {
            // A reply is a courtesy like an event.
            let _ = self.nats.publish_with_headers(reply.clone(), headers, Bytes::new()).await;
        }
    }
}

/// How long the end is kept: that of a member outlives its group.
fn kept(job: Option<&Job>) -> String {
    let of_group = job.and_then(|job| job.flow.as_ref()).is_some_and(|flow| flow.group.is_some());
    if of_group { format!("{}s", GROUP_KEPT.as_secs()) } else { KEPT.to_owned() }
}

/// The end of a job that was cancelled before or while it ran.
fn cancelled(id: &JobId, job: Option<&Job>, reason: String, at: UnixMs) -> JobResult {
    let record = ResultRecord {
        id: id.clone(),
        task: job.map(|job| job.subject.task.clone()),
        queue: job.map(|job| job.subject.queue.clone()),
        lane: job.map(|job| job.subject.lane),
        outcome: OutcomeKind::Cancelled,
        digest: job.and_then(|job| job.pinned.clone()),
        version: None,
        attempt: job.map_or(0, |job| job.attempt.saturating_sub(1)),
        published: job.map_or(at, |job| job.published),
        started: at,
        finished: at,
        meter: Meter { fuel_used: 0, memory_peak_bytes: 0, wall_us: 0, egress_bytes: 0 },
        worker: WRITER.to_owned(),
        tags: job.map(|job| job.wishes.tags.clone()).unwrap_or_default(),
        payload: None,
        trace_id: job.and_then(|job| job.wishes.trace_parent).map(|trace| trace.trace_id()),
    };
    JobResult {
        record,
        error: Some(JobError::new(OutcomeKind::Cancelled, &reason)),
        trail: job.map(|job| job.trail.clone()).unwrap_or_default(),
        content_type: None,
        body: Vec::new(),
    }
}

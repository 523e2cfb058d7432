//! decode: Delivery -> Decoded. A message that is no job is buried with the reason, never looped.

use super::admit::lot_of;
use super::{Shared, Step};
use crate::clock::now;
use crate::ports::{Delivery, Ending, Finish, Settlement};
use bytes::Bytes;
use lovage_job::event::{Event, Happening, Past};
use lovage_job::flow::{GROUP_KEPT, Led};
use lovage_job::job::Job;
use lovage_job::name::{JobId, QueueName, TaskName};
use lovage_job::outcome::{JobError, Meter, OutcomeKind};
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::subject::{JobSubject, Lot};
use lovage_job::trail::Trail;
use lovage_job::unit::UnixMs;
use std::time::Duration;

/// A job and the message it came in.
pub(super) struct Decoded {
    pub(super) job: Job,
    pub(super) message: Delivery,
}

pub(super) fn decode<B, T>(shared: &Shared<B, T>, message: Delivery) -> Step<Decoded> {
    match lovage_job::decode::decode(&message.subject, &message.headers, message.origin) {
        Ok(job) if job.subject.tenant == message.tenant => Step::Next(Decoded { job, message }),
        Ok(job) => {
            let reason = format!("the subject names tenant {} in the stream of {}", job.subject.tenant, message.tenant);
            Step::End(bury_undecodable(shared, message, reason))
        }
        Err(error) => Step::End(bury_undecodable(shared, message, error.to_string())),
    }
}

/// The id in the subject or the header, where one of them is right: whoever waits for that job shall hear of it.
fn id_of(message: &Delivery) -> JobId {
    let last = message.subject.rsplit('.').next().filter(|_| message.subject.split('.').count() == 6);
    let in_header = message.headers.get(lovage_job::header::ID);
    let given = last.or(in_header).and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| message.origin.job_id())
}

fn bury_undecodable<B, T>(shared: &Shared<B, T>, message: Delivery, reason: String) -> Settlement {
    let subject = JobSubject::parse(&message.subject).ok();
    let id = id_of(&message);
    let end = End {
        follow: Led::of_undecodable(&message.headers, &id, message.origin.stored, &message.payload),
        id,
        task: subject.as_ref().map(|subject| subject.task.clone()),
        queue: subject.as_ref().map(|subject| subject.queue.clone()),
        lane: subject.as_ref().map(|subject| subject.lane),
        attempt: 0,
        published: message.origin.stored,
        error: JobError::new(OutcomeKind::Undecodable, reason),
        trail: Trail::default(),
        tags: Vec::new(),
        reply: None,
        wakes: None,
        trace_id: None,
    };
    end.settle(shared, message, true)
}

/// The end of a job without an attempt that ran.
pub(super) struct End {
    pub(super) id: JobId,
    pub(super) task: Option<TaskName>,
    pub(super) queue: Option<QueueName>,
    pub(super) lane: Option<lovage_job::subject::Lane>,
    pub(super) attempt: u32,
    pub(super) published: UnixMs,
    pub(super) error: JobError,
    pub(super) trail: Trail,
    pub(super) tags: Vec<String>,
    pub(super) reply: Option<String>,
    pub(super) wakes: Option<Lot>,
    pub(super) follow: Option<Box<Led>>,
    pub(super) trace_id: Option<String>,
}

impl End {
    /// The end of a decoded job.
    pub(super) fn of(job: &Job, error: JobError) -> Self {
        Self {
            id: job.id.clone(),
            task: Some(job.subject.task.clone()),
            queue: Some(job.subject.queue.clone()),
            lane: Some(job.subject.lane),
            attempt: job.attempt.saturating_sub(1),
            published: job.published,
            error,
            trail: job.trail.clone(),
            tags: job.wishes.tags.clone(),
            reply: job.wishes.reply.clone(),
            wakes: job.run.as_ref().map(lot_of),
            // the input is that of the message, which `settle` has
            follow: Led::of(job, &[]),
            trace_id: job.wishes.trace_parent.map(|trace| trace.trace_id()),
        }
    }

    /// The settlement: a result, and a dead letter where the job failed for good.
    pub(super) fn settle<B, T>(mut self, shared: &Shared<B, T>, message: Delivery, bury: bool) -> Settlement {
        let at = now();
        if let Some(follow) = &mut self.follow {
            follow.set_input(&message.payload);
        }
        let keep = keep_of(self.follow.as_deref(), shared.result_keep);
        let dead = bury.then(|| message.dead_letter(self.id.clone(), self.error.clone(), self.trail.clone(), at));
        let what = Happening::Finished {
            outcome: self.error.kind,
            message: Some(self.error.message.clone()),
            wall_us: 0,
            fuel_used: 0,
            past: Past { published: Some(self.published), ..Past::default() },
        };
        let event = Event {
            id: self.id.clone(),
            task: self.task.clone().unwrap_or_else(unknown_task),
            queue: self.queue.clone().unwrap_or_else(QueueName::default_queue),
            attempt: self.attempt,
            at,
            worker: shared.worker.to_string(),
            what,
        };
        let record = ResultRecord {
            id: self.id,
            task: self.task,
            queue: self.queue,
            lane: self.lane,
            outcome: self.error.kind,
            digest: None,
            version: None,
            attempt: self.attempt,
            published: self.published,
            started: at,
            finished: at,
            meter: Meter::default(),
            worker: shared.worker.to_string(),
            tags: self.tags,
            payload: None,
            trace_id: self.trace_id,
        };
        let result =
            JobResult { record, error: Some(self.error), trail: self.trail, content_type: None, body: Vec::new() };
        let (body, reply, wakes, follow) = (Bytes::new(), self.reply, self.wakes, self.follow);
        let finish = Finish { result, body, keep, reply, dead, wakes, follow, event };
        Settlement { lease: message.lease, tenant: message.tenant, ending: Ending::Finish(Box::new(finish)) }
    }
}

/// How long a result is kept: that of a member outlives its group, whose completion job reads it.
pub(super) fn keep_of(follow: Option<&Led>, keep: Duration) -> Duration {
    let of_group = follow.is_some_and(|led| led.flow.group.is_some());
    if of_group { keep.max(GROUP_KEPT) } else { keep }
}

/// Stands in event subjects where a message names no task.
fn unknown_task() -> TaskName {
    #[allow(clippy::expect_used)]
    "unknown".parse().expect("a fixed name is valid")
}

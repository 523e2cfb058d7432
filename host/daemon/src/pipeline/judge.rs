//! judge: Executed -> Settlement. The rules are pure and live in `lovage_job`; here they are applied.

use super::Shared;
use super::admit::{lot_of, release};
use super::decode::keep_of;
use super::execute::{Executed, event_of, past_of};
use super::running::StopReason;
use crate::clock::now;
use crate::ports::{Broker, Delivery, Ending, Finish, Later, Settlement};
use bytes::Bytes;
use lovage_job::event::{Event, Happening};
use lovage_job::flow::Led;
use lovage_job::header::Headers;
use lovage_job::job::Job;
use lovage_job::outcome::{Outcome, OutcomeKind};
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::subject::Lot;
use lovage_job::trail::AttemptRecord;
use lovage_job::unit::UnixMs;
use lovage_job::verdict::{Verdict, judge as verdict_of};
use std::time::Duration;

/// Results outlive the last possible retry by this much: they are what keeps a job from ending twice.
const FENCE_SPARE: Duration = Duration::from_secs(3600);

pub(super) async fn judge<B: Broker, T>(shared: &Shared<B, T>, executed: Executed) -> Settlement {
    if executed.stopped == Some(StopReason::Shutdown) && executed.report.outcome.kind() == OutcomeKind::Cancelled {
        let Executed { job, message, .. } = executed;
        let what = Happening::Released { message: "the worker stops; the attempt does not count".to_owned() };
        shared.broker.tell(&message.tenant, &event_of(shared, &job, now(), what)).await;
        return Settlement { lease: message.lease, tenant: message.tenant, ending: Ending::Release(None) };
    }
    let policy = executed.job.retry_policy(&executed.task.retry);
    let verdict = verdict_of(&executed.report.outcome, executed.job.attempt, &policy, rand::random());
    let keep = executed.task.result_keep.unwrap_or(shared.result_keep).max(policy.horizon() + FENCE_SPARE);
    match verdict {
        Verdict::RetryAfter(delay) => retry(shared, executed, delay),
        Verdict::Snooze(delay) => snooze(shared, executed, delay),
        Verdict::Finish => {
            forget(&executed).await;
            finish(shared, executed, keep, false).await
        }
        Verdict::Bury => finish(shared, executed, keep, true).await,
    }
}

/// A job that is done needs nothing of what it kept; one that is buried may be replayed.
async fn forget(executed: &Executed) {
    let Some(services) = &executed.services else { return };
    let earlier = executed.job.attempt > 1 || executed.job.round > 0 || executed.message.delivered > 1;
    if earlier || services.was_used().await {
        services.forget().await;
    }
}

fn record_of<B, T>(shared: &Shared<B, T>, executed: &Executed) -> AttemptRecord {
    AttemptRecord {
        attempt: executed.job.attempt,
        outcome: executed.report.outcome.kind(),
        started: executed.started,
        digest: Some(executed.task.digest.clone()),
        worker: shared.worker.to_string(),
        meter: executed.report.meter,
        error: executed.report.outcome.error(),
    }
}

fn retry<B, T>(shared: &Shared<B, T>, executed: Executed, delay: Duration) -> Settlement {
    let mut trail = executed.job.trail.clone();
    trail.add(record_of(shared, &executed));
    let past = past_of(&executed);
    let Executed { job, task, message, report, .. } = executed;
    let (at, outcome) = (now(), report.outcome.kind());
    let due = at.after(delay);
    let error = report.outcome.error().map(|error| error.message).unwrap_or_default();
    let what = Happening::Retrying { outcome, message: error, due, past };
    let headers = job.next_attempt(&message.headers, Some(&task.digest), &trail);
    put_back(message, &job, None, due, headers, event_of(shared, &job, at, what))
}

/// The attempt does not count: the job comes back as it is.
fn snooze<B, T>(shared: &Shared<B, T>, executed: Executed, delay: Duration) -> Settlement {
    let past = past_of(&executed);
    let Executed { job, message, report, .. } = executed;
    let (at, outcome) = (now(), report.outcome.kind());
    let due = at.after(delay);
    let reason = report.outcome.error().map(|error| error.message).unwrap_or_default();
    let event = event_of(shared, &job, at, Happening::Retrying { outcome, message: reason, due, past });
    let mut headers = job.put_back(&message.headers);
    // this attempt has used its places under rates
    headers.remove(lovage_job::header::RESERVED);
    put_back(message, &job, None, due, headers, event)
}

/// The settlement of a job that comes back later.
pub(super) fn put_back(
    message: Delivery,
    job: &Job,
    lot: Option<Lot>,
    due: UnixMs,
    headers: Headers,
    event: Event,
) -> Settlement {
    let (id, round, target) = (job.id.clone(), job.round, job.subject.due(&job.id));
    let later = Later { id, round, lot, target, due, headers, payload: message.payload, event };
    Settlement { lease: message.lease, tenant: message.tenant, ending: Ending::Later(Box::new(later)) }
}

async fn finish<B: Broker, T>(shared: &Shared<B, T>, executed: Executed, keep: Duration, bury: bool) -> Settlement {
    let error = executed.report.outcome.error();
    let mut trail = executed.job.trail.clone();
    if error.is_some() || !trail.0.is_empty() {
        trail.add(record_of(shared, &executed));
    }
    let at = now();
    let mut record = result_record(shared, &executed, at);
    let past = past_of(&executed);
    let Executed { job, message, report, .. } = executed;
    let meter = report.meter;
    let (mut body, content_type) = match report.outcome {
        Outcome::Completed(output) => (Bytes::from(output.body), Some(output.content_type)),
        _ => (Bytes::new(), None),
    };
    if body.len() > shared.broker.output_inline_max() {
        match shared.broker.store_payload(&message.tenant, body).await {
            Ok(digest) => record.payload = Some(digest),
            Err(_) => return release(message),
        }
        body = Bytes::new();
    }
    let dead = error
        .as_ref()
        .filter(|_| bury)
        .map(|error| message.dead_letter(job.id.clone(), error.clone(), trail.clone(), at));
    let what = Happening::Finished {
        outcome: record.outcome,
        message: error.as_ref().map(|error| error.message.clone()),
        wall_us: meter.wall_us,
        fuel_used: meter.fuel_used,
        past,
    };
    let event = event_of(shared, &job, at, what);
    let result = JobResult { record, error, trail, content_type, body: Vec::new() };
    let wakes = job.run.as_ref().map(lot_of);
    let follow = Led::of(&job, &message.payload);
    let keep = keep_of(follow.as_deref(), keep);
    let finish = Finish { result, body, keep, reply: job.wishes.reply, dead, wakes, follow, event };
    Settlement { lease: message.lease, tenant: message.tenant, ending: Ending::Finish(Box::new(finish)) }
}

fn result_record<B, T>(shared: &Shared<B, T>, executed: &Executed, at: UnixMs) -> ResultRecord {
    let job = &executed.job;
    ResultRecord {
        id: job.id.clone(),
        task: Some(job.subject.task.clone()),
        queue: Some(job.subject.queue.clone()),
        lane: Some(job.subject.lane),
        outcome: executed.report.outcome.kind(),
        digest: Some(executed.task.digest.clone()),
        version: Some(executed.task.version.clone()),
        attempt: job.attempt,
        published: job.published,
        started: executed.started,
        finished: at,
        meter: executed.report.meter,
        worker: shared.worker.to_string(),
        tags: job.wishes.tags.clone(),
        payload: None,
        trace_id: job.wishes.trace_parent.map(|trace| trace.trace_id()),
    }
}

//! Webhooks: jobs of a reserved task that the worker runs itself, from Admitted to Settlement. Retries, cancels, dead
//! letters and what follows are those of any job; how a webhook travels is the courier's business.

use super::Shared;
use super::admit::Admitted;
use super::decode::{End, keep_of};
use super::judge::put_back;
use super::running::StopReason;
use crate::clock::now;
use crate::ports::{Broker, Delivered, Delivery, Ending, Finish, Letter, Settlement};
use bytes::Bytes;
use lovage_job::event::{Event, Happening, Past};
use lovage_job::flow::{Led, WebhookCall};
use lovage_job::job::Job;
use lovage_job::outcome::{JobError, Meter, Outcome, OutcomeKind};
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::retry::RetryPolicy;
use lovage_job::trail::{AttemptRecord, Trail};
use lovage_job::unit::UnixMs;
use lovage_job::verdict::{Verdict, judge as verdict_of};
use lovage_sandbox::CancelSignal;
use std::time::{Duration, Instant};

/// How long one try may take where the job does not say.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The longest that a try may take, whatever the job says.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Results outlive the last possible retry by this much, as those of other jobs do.
const FENCE_SPARE: Duration = Duration::from_secs(3600);

/// One try that ended.
struct Tried {
    job: Job,
    message: Delivery,
    outcome: Outcome,
    started: UnixMs,
    wall: Duration,
}

pub(super) async fn deliver<B: Broker, T>(shared: &Shared<B, T>, admitted: Admitted) -> Settlement {
    let Admitted { job, input, message, holds } = admitted;
    let call = match WebhookCall::from_json(&input) {
        Ok(call) => call,
        Err(reason) => {
            let error = JobError::new(OutcomeKind::BadInput, format!("a webhook's payload is {reason}"));
            return End::of(&job, error).settle(shared, message, true);
        }
    };
    let (started, begun) = (now(), Instant::now());
    let signal = CancelSignal::new();
    let place = shared.running.add(&message.tenant, &job, &signal);
    let letter = Letter {
        tenant: message.tenant.clone(),
        id: job.id.clone(),
        body: call.posted().into(),
        url: call.url,
        timeout: job.wishes.timeout.unwrap_or(TIMEOUT).min(TIMEOUT_MAX),
        trace: job.wishes.trace_parent,
    };
    let outcome = tokio::select! {
        delivered = shared.courier.deliver(letter) => outcome_of(delivered),
        () = signal.wait() => Outcome::Cancelled { reason: signal.reason().unwrap_or_default().to_owned() },
    };
    drop(holds);
    if place.stopped() == Some(StopReason::Shutdown) && outcome.kind() == OutcomeKind::Cancelled {
        return Settlement { lease: message.lease, tenant: message.tenant, ending: Ending::Release(None) };
    }
    let tried = Tried { job, message, outcome, started, wall: begun.elapsed() };
    tried.count(shared);
    judge(shared, tried)
}

fn outcome_of(delivered: Delivered) -> Outcome {
    match delivered {
        Delivered::Taken(output) => Outcome::Completed(output),
        Delivered::Failed(failure) => Outcome::Failed(failure),
        Delivered::TimedOut(timeout) => Outcome::TimedOut { timeout },
        Delivered::NoSecret(reason) => {
            Outcome::HostFault { message: format!("the secret of the tenant's webhooks cannot be had: {reason}") }
        }
    }
}

fn judge<B, T>(shared: &Shared<B, T>, tried: Tried) -> Settlement {
    let policy = tried.job.retry_policy(&RetryPolicy::default());
    match verdict_of(&tried.outcome, tried.job.attempt, &policy, rand::random()) {
        Verdict::RetryAfter(delay) | Verdict::Snooze(delay) => retry(shared, tried, delay),
        Verdict::Finish => finish(shared, tried, &policy, false),
        Verdict::Bury => finish(shared, tried, &policy, true),
    }
}

impl Tried {
    fn count<B, T>(&self, shared: &Shared<B, T>) {
        let came_by = (shared.counters.place(self.job.subject.queue.as_str()), self.job.subject.lane);
        let waited = self.started.since(self.message.origin.stored);
        shared.counters.attempt_ended(&self.message.tenant, came_by, self.outcome.kind(), (&self.meter(), waited));
    }

    fn meter(&self) -> Meter {
        let wall_us = u64::try_from(self.wall.as_micros()).unwrap_or(u64::MAX);
        Meter { wall_us, ..Meter::default() }
    }

    /// The trail with this attempt.
    fn trail(&self, worker: &str) -> Trail {
        let mut trail = self.job.trail.clone();
        trail.add(AttemptRecord {
            attempt: self.job.attempt,
            outcome: self.outcome.kind(),
            started: self.started,
            digest: None,
            worker: worker.to_owned(),
            meter: self.meter(),
            error: self.outcome.error(),
        });
        trail
    }

    fn event(&self, worker: &str, at: UnixMs, what: Happening) -> Event {
        let job = &self.job;
        let (id, task, queue) = (job.id.clone(), job.subject.task.clone(), job.subject.queue.clone());
        Event { id, task, queue, attempt: job.attempt, at, worker: worker.to_owned(), what }
    }

    fn past(&self) -> Past {
        Past { published: Some(self.job.published), started: Some(self.started), version: None }
    }

    fn message_text(&self) -> Option<String> {
        self.outcome.error().map(|error| error.message)
    }
}

fn retry<B, T>(shared: &Shared<B, T>, tried: Tried, delay: Duration) -> Settlement {
    let at = now();
    let due = at.after(delay);
    let message = tried.message_text().unwrap_or_default();
    let (outcome, past) = (tried.outcome.kind(), tried.past());
    let event = tried.event(&shared.worker, at, Happening::Retrying { outcome, message, due, past });
    let headers = tried.job.next_attempt(&tried.message.headers, None, &tried.trail(&shared.worker));
    put_back(tried.message, &tried.job, None, due, headers, event)
}

fn finish<B, T>(shared: &Shared<B, T>, tried: Tried, policy: &RetryPolicy, bury: bool) -> Settlement {
    let at = now();
    let (meter, error) = (tried.meter(), tried.outcome.error());
    let plain = error.is_none() && tried.job.trail.0.is_empty();
    let trail = if plain { Trail::default() } else { tried.trail(&shared.worker) };
    let (outcome, message) = (tried.outcome.kind(), tried.message_text());
    let what = Happening::Finished { outcome, message, wall_us: meter.wall_us, fuel_used: 0, past: tried.past() };
    let event = tried.event(&shared.worker, at, what);
    let Tried { job, message, outcome, started, .. } = tried;
    let record = ResultRecord {
        id: job.id.clone(),
        task: Some(job.subject.task.clone()),
        queue: Some(job.subject.queue.clone()),
        lane: Some(job.subject.lane),
        outcome: outcome.kind(),
        digest: None,
        version: None,
        attempt: job.attempt,
        published: job.published,
        started,
        finished: at,
        meter,
        worker: shared.worker.to_string(),
        tags: job.wishes.tags.clone(),
        payload: None,
        trace_id: job.wishes.trace_parent.map(|trace| trace.trace_id()),
    };
    let (body, content_type) = match outcome {
        Outcome::Completed(output) => (Bytes::from(output.body), Some(output.content_type)),
        _ => (Bytes::new(), None),
    };
    let dead = error
        .as_ref()
        .filter(|_| bury)
        .map(|error| message.dead_letter(job.id.clone(), error.clone(), trail.clone(), at));
    let follow = Led::of(&job, &message.payload);
    let keep = keep_of(follow.as_deref(), shared.result_keep.max(policy.horizon() + FENCE_SPARE));
    let result = JobResult { record, error, trail, content_type, body: Vec::new() };
    let finish = Finish { result, body, keep, reply: job.wishes.reply, dead, wakes: None, follow, event };
    Settlement { lease: message.lease, tenant: message.tenant, ending: Ending::Finish(Box::new(finish)) }
}

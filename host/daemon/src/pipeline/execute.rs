//! execute: Ready -> Executed. The only call into the sandbox.

use super::Shared;
use super::resolve::Ready;
use super::running::StopReason;
use crate::clock::now;
use crate::ports::{Broker, Delivery};
use crate::registry::ready::ReadyTask;
use lovage_job::event::{Event, Happening};
use lovage_job::job::Job;
use lovage_job::limits::Limits;
use lovage_job::unit::UnixMs;
use lovage_sandbox::{AttemptControl, AttemptEvent, AttemptReport, AttemptRequest, CancelSignal, EventSink, JobInfo};
use std::sync::Arc;
use std::time::Duration;

/// The start of an attempt that is over sooner is not told: its end tells all there is to know, and a message for each
/// start would cost the broker more than the job.
const STARTED_TOLD_AFTER: Duration = Duration::from_millis(20);

/// An attempt that ended.
pub(super) struct Executed {
    pub(super) job: Job,
    pub(super) task: Arc<ReadyTask>,
    pub(super) message: Delivery,
    pub(super) report: AttemptReport,
    pub(super) stopped: Option<StopReason>,
    pub(super) started: UnixMs,
}

pub(super) async fn execute<B: Broker, T>(shared: &Shared<B, T>, ready: Ready) -> Executed {
    let Ready { job, task, input, message, holds } = ready;
    let started = now();
    let limits = limits_of(shared, &job, &task);
    let signal = CancelSignal::new();
    let place = shared.running.add(&message.tenant, &job.id, &signal);
    // a cancel that came after the look in admit found nothing to stop
    if let Some(reason) = shared.broker.cancelled(&message.tenant, &job.id) {
        shared.running.cancel(&message.tenant, &job.id, &reason, Duration::ZERO);
    }
    let request = AttemptRequest {
        job: JobInfo {
            id: job.id.to_string(),
            tenant: message.tenant.to_string(),
            queue: job.subject.queue.to_string(),
            task: job.subject.task.to_string(),
            attempt: job.attempt,
            attempts_max: job.retry_policy(&task.retry).attempts_max,
            content_type: job.wishes.content_type.clone(),
            headers: job.headers.0.clone(),
            deadline_unix_ms: started.after(limits.timeout).0,
        },
        input,
        limits,
        args: task.args.clone(),
        env: task.env.clone(),
    };
    let control = AttemptControl { cancel: Some(signal), events: Some(sink_of(shared, &message, &job)) };
    let sandboxed = task.sandboxed.clone();
    let mut attempt = std::pin::pin!(sandboxed.run(request, control));
    let report = tokio::select! {
        biased;
        report = &mut attempt => report,
        () = tokio::time::sleep(STARTED_TOLD_AFTER) => {
            let what = Happening::Started { version: task.version.to_string() };
            shared.broker.tell(&message.tenant, &event_of(shared, &job, started, what)).await;
            attempt.await
        }
    };
    drop(holds);
    Executed { stopped: place.stopped(), job, task, message, report, started }
}

/// Passes on what the guest tells while it runs. What does not fit in the channel is lost.
fn sink_of<B, T>(shared: &Shared<B, T>, message: &Delivery, job: &Job) -> EventSink {
    let (heard, worker) = (shared.heard.clone(), shared.worker.clone());
    let (tenant, id, task, queue) =
        (message.tenant.clone(), job.id.clone(), job.subject.task.clone(), job.subject.queue.clone());
    let attempt = job.attempt;
    EventSink::new(move |told| {
        let what = match told {
            AttemptEvent::Progress { fraction, message } => Happening::Progress { fraction, message },
            AttemptEvent::Log { level: _, line } => Happening::Log { line },
        };
        let (id, task, queue, worker) = (id.clone(), task.clone(), queue.clone(), worker.to_string());
        let event = Event { id, task, queue, attempt, at: now(), worker, what };
        let _lost_where_full = heard.try_send((tenant.clone(), event));
    })
}

/// The task's limits with the job's own timeout, under the operator's ceiling.
fn limits_of<B, T>(shared: &Shared<B, T>, job: &Job, task: &ReadyTask) -> Arc<Limits> {
    match job.wishes.timeout {
        None => task.limits.clone(),
        Some(timeout) => Arc::new(Limits { timeout, ..task.limits.as_ref().clone() }.capped(&shared.ceiling)),
    }
}

/// What watchers are told of a job.
pub(super) fn event_of<B, T>(shared: &Shared<B, T>, job: &Job, at: UnixMs, what: Happening) -> Event {
    Event {
        id: job.id.clone(),
        task: job.subject.task.clone(),
        queue: job.subject.queue.clone(),
        attempt: job.attempt,
        at,
        worker: shared.worker.to_string(),
        what,
    }
}

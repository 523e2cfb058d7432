//! execute: Ready -> Executed. The only call into the sandbox.

use super::admit::release;
use super::resolve::Ready;
use super::running::StopReason;
use super::services::GuestServices;
use super::telling::Telling;
use super::traced::Traced;
use super::{Shared, Step};
use crate::clock::now;
use crate::egress::AttemptEgress;
use crate::ports::{Broker, Delivery, Settlement};
use crate::registry::ready::ReadyTask;
use crate::runners::{Blame, Lost};
use lovage_job::capability::Grants;
use lovage_job::deaths::DeathNote;
use lovage_job::event::{Event, Happening, Past};
use lovage_job::job::Job;
use lovage_job::limits::Limits;
use lovage_job::unit::UnixMs;
use lovage_job::usage::Used;
use lovage_sandbox::{AttemptControl, AttemptReport, AttemptRequest, CancelSignal, JobInfo, Services};
use std::sync::Arc;
use std::time::Duration;

/// An attempt that ended.
pub(super) struct Executed {
    pub(super) job: Job,
    pub(super) task: Arc<ReadyTask>,
    pub(super) message: Delivery,
    pub(super) report: AttemptReport,
    pub(super) stopped: Option<StopReason>,
    /// Where the task may ask for any.
    pub(super) services: Option<Arc<GuestServices>>,
    pub(super) started: UnixMs,
}

pub(super) async fn execute<B: Broker, T>(shared: &Shared<B, T>, ready: Ready) -> Step<Executed> {
    let Ready { mut job, task, grants, input, message, holds } = ready;
    let traced = Traced::begin(shared, &message.tenant, &mut job, &task);
    let started = now();
    let limits = limits_of(shared, &job, &task);
    let signal = CancelSignal::new();
    let attempts_max = job.retry_policy(&task.retry).attempts_max;
    let telling = Telling::new(shared, &message.tenant, &job, &task, (started, attempts_max));
    let place = shared.running.add(&message.tenant, &job, &signal);
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
            attempts_max,
            content_type: job.wishes.content_type.clone(),
            headers: job.headers.0.clone(),
            published_unix_ms: job.published.0,
            deadline_unix_ms: started.after(limits.timeout).0,
        },
        input,
        limits,
        args: task.args.clone(),
        env: task.env.clone(),
        grants: grants.clone(),
    };
    let services = task.asks.then(|| Arc::new(services_of(shared, &message, &job, grants)));
    let control = AttemptControl {
        cancel: Some(signal),
        events: Some(telling.sink()),
        services: services.clone().map(|services| services as Arc<dyn Services>),
        simulation: None,
    };
    let sandboxed = task.sandboxed.clone();
    let ran = tokio::select! {
        biased;
        ran = sandboxed.run(request, control) => ran,
        never = telling.follow(shared) => match never {},
    };
    if let Some(services) = &services {
        services.close().await;
    }
    drop(holds);
    let mut report = match ran {
        Ok(report) => report,
        Err(lost) => {
            traced.lost();
            return Step::End(give_back(shared, &job, &telling, message, lost).await);
        }
    };
    if let Some(services) = &services {
        // counted here, whatever the sandbox has seen of it
        report.meter.egress_bytes = services.egress_bytes();
    }
    traced.end(&report);
    log_end(&message, &job, &task, &report);
    shared.usage.add(&message.tenant, Used::attempt(&report.meter));
    let came_by = (shared.counters.place(job.subject.queue.as_str()), job.subject.lane);
    let waited = started.since(message.origin.stored);
    shared.counters.attempt_ended(&message.tenant, came_by, report.outcome.kind(), (&report.meter, waited));
    if let Err(error) = telling.end(shared, report.log_truncated).await {
        // what ran without leaving its log behind is run again, like what cannot leave its output behind
        tracing::warn!(job.id = %job.id, error = %error, "log not stored, job released");
        return Step::End(release(message));
    }
    Step::Next(Executed { stopped: place.stopped(), job, task, message, report, started, services })
}

/// A line for each attempt, for whoever asks for these. Facts of the job, and nothing of what is in it.
fn log_end(message: &Delivery, job: &Job, task: &ReadyTask, report: &AttemptReport) {
    tracing::debug!(
        tenant = %message.tenant,
        job.id = %job.id,
        task = %job.subject.task,
        queue = %job.subject.queue,
        attempt = job.attempt,
        component.digest = %task.digest,
        outcome = report.outcome.kind().as_str(),
        fuel_used = report.meter.fuel_used,
        memory_peak_bytes = report.meter.memory_peak_bytes,
        duration_ms = report.meter.wall_us / 1_000,
        trace_id = job.wishes.trace_parent.map(|trace| trace.trace_id()),
        "attempt ended"
    );
}

/// The settlement of an attempt that was lost with its runner: the job goes back, and the attempt does not count.
async fn give_back<B: Broker, T>(
    shared: &Shared<B, T>,
    job: &Job,
    telling: &Telling,
    message: Delivery,
    lost: Lost,
) -> Settlement {
    let task = &job.subject.task;
    tracing::warn!(job.id = %job.id, task = %task, reason = %lost.reason, "attempt lost, job released");
    if let Err(error) = telling.end(shared, true).await {
        tracing::debug!(job.id = %job.id, error = %error, "the log of a lost attempt is not stored");
    }
    if let Some(Blame { tenant, digest, how }) = lost.blame {
        shared.counters.runner_deaths.one();
        let note = DeathNote { at: now(), worker: shared.worker.to_string(), how };
        match shared.broker.note_death(&tenant, &digest, note).await {
            Ok(deaths) if deaths.is_quarantine() => {
                tracing::warn!(tenant = %tenant, component.digest = %digest, "component quarantined: its runners died of it");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(component.digest = %digest, error = %error, "the death of a runner is not noted")
            }
        }
    }
    let what = Happening::Released { message: format!("{}; the attempt does not count", lost.reason) };
    shared.broker.tell(&message.tenant, &event_of(shared, job, now(), what)).await;
    release(message)
}

/// What the worker does for the guest.
fn services_of<B, T>(shared: &Shared<B, T>, message: &Delivery, job: &Job, grants: Arc<Grants>) -> GuestServices {
    let (tenant, task) = (message.tenant.clone(), job.subject.task.to_string());
    let egress =
        AttemptEgress::new(shared.egress.clone(), shared.auditor.clone(), tenant, task).within(job.wishes.trace_parent);
    GuestServices::new((&shared.errands, &shared.storage), message, job, grants, shared.fanout, egress)
}

/// The task's limits with the job's own timeouts, under the operator's ceiling.
fn limits_of<B, T>(shared: &Shared<B, T>, job: &Job, task: &ReadyTask) -> Arc<Limits> {
    match (job.wishes.timeout, job.wishes.soft_timeout) {
        (None, None) => task.limits.clone(),
        (timeout, soft_timeout) => {
            let limits = task.limits.as_ref().clone();
            let (timeout, soft_timeout) = (timeout.unwrap_or(limits.timeout), soft_timeout.or(limits.soft_timeout));
            Arc::new(Limits { timeout, soft_timeout, ..limits }.capped(&shared.ceiling))
        }
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

/// What the end of an attempt tells of it once more, since its start may not have been told.
pub(super) fn past_of(executed: &Executed) -> Past {
    Past {
        published: Some(executed.job.published),
        started: Some(executed.started),
        version: Some(executed.task.version.to_string()),
    }
}

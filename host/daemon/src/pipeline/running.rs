//! The attempts that run now, so that a cancel or the end of the worker can stop them.

use crate::clock::now;
use lovage_job::job::Job;
use lovage_job::name::{JobId, TaskName, TenantName};
use lovage_job::unit::UnixMs;
use lovage_job::worker::{JOBS_NAMED_MAX, RunningJob};
use lovage_sandbox::CancelSignal;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why an attempt was stopped from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The job was cancelled.
    Cancelled(String),
    /// The worker stops; the job goes back to its queue and the attempt does not count.
    Shutdown,
}

/// The attempts that run now.
#[derive(Debug, Default)]
pub struct Running {
    attempts: Mutex<HashMap<u64, Entry>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    tenant: TenantName,
    id: JobId,
    task: TaskName,
    since: UnixMs,
    signal: CancelSignal,
    stopped: Arc<Mutex<Option<StopReason>>>,
}

/// An attempt's place among the running ones; dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Place {
    all: Arc<Running>,
    number: u64,
    stopped: Arc<Mutex<Option<StopReason>>>,
}

impl Running {
    /// Adds an attempt.
    pub(super) fn add(self: &Arc<Self>, tenant: &TenantName, job: &Job, signal: &CancelSignal) -> Place {
        self.put((tenant, &job.id, &job.subject.task), signal)
    }

    fn put(self: &Arc<Self>, (tenant, id, task): (&TenantName, &JobId, &TaskName), signal: &CancelSignal) -> Place {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let stopped = Arc::new(Mutex::new(None));
        let (tenant, id, task) = (tenant.clone(), id.clone(), task.clone());
        let entry = Entry { tenant, id, task, since: now(), signal: signal.clone(), stopped: stopped.clone() };
        self.lock().insert(number, entry);
        Place { all: self.clone(), number, stopped }
    }

    /// Cancels a job; false where it does not run here. With a grace its guest is asked to stop, and stopped where it
    /// still runs when the grace is over; then this must be called within a runtime.
    pub fn cancel(&self, tenant: &TenantName, id: &JobId, reason: &str, grace: Duration) -> bool {
        let mut found = false;
        for entry in self.lock().values().filter(|entry| entry.tenant == *tenant && entry.id == *id) {
            found = true;
            if grace.is_zero() {
                entry.stop(StopReason::Cancelled(reason.to_owned()), reason);
                continue;
            }
            entry.signal.ask(reason);
            let (stopped, signal, reason) = (entry.stopped.clone(), entry.signal.clone(), reason.to_owned());
            // ends with the grace, which is bounded; an attempt that has ended by then is not disturbed
            tokio::spawn(async move {
                tokio::time::sleep(grace).await;
                stop(&stopped, &signal, StopReason::Cancelled(reason.clone()), &reason);
            });
        }
        found
    }

    /// Stops every attempt, because the worker stops.
    pub fn interrupt_all(&self) -> usize {
        let attempts = self.lock();
        attempts.values().for_each(|entry| entry.stop(StopReason::Shutdown, "the worker is shutting down"));
        attempts.len()
    }

    /// Stops every attempt of a tenant that was removed.
    pub fn interrupt_tenant(&self, tenant: &TenantName) {
        for entry in self.lock().values().filter(|entry| entry.tenant == *tenant) {
            entry.stop(StopReason::Shutdown, "the tenant was removed");
        }
    }

    /// Whether an attempt of a job runs here.
    pub(super) fn has(&self, tenant: &TenantName, id: &JobId) -> bool {
        self.lock().values().any(|entry| entry.tenant == *tenant && entry.id == *id)
    }

    /// Tells every attempt that the worker stops; those that can will end early.
    pub fn tell_shutdown(&self) {
        self.lock().values().for_each(|entry| entry.signal.tell_shutdown());
    }

    /// How many attempts run.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// The attempts that run, the longest running first, and not all of very many.
    pub fn jobs(&self) -> Vec<RunningJob> {
        let job = |entry: &Entry| {
            let Entry { tenant, id, task, since, .. } = entry;
            RunningJob { tenant: tenant.clone(), id: id.clone(), task: task.clone(), since: *since }
        };
        let mut jobs: Vec<RunningJob> = self.lock().values().map(job).collect();
        jobs.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        jobs.truncate(JOBS_NAMED_MAX);
        jobs
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn stop(&self, why: StopReason, reason: &str) {
        stop(&self.stopped, &self.signal, why, reason);
    }
}

fn stop(stopped: &Mutex<Option<StopReason>>, signal: &CancelSignal, why: StopReason, reason: &str) {
    stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    signal.stop(reason);
}

impl Place {
    /// Why the attempt was stopped from outside, where it was.
    pub(super) fn stopped(&self) -> Option<StopReason> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (Arc<Running>, Place, CancelSignal) {
        let (running, signal) = (Arc::new(Running::default()), CancelSignal::new());
        let place = running.put((&"acme".parse().unwrap(), &"j".parse().unwrap(), &"t".parse().unwrap()), &signal);
        (running, place, signal)
    }

    fn cancel(running: &Running, grace: Duration) -> bool {
        running.cancel(&"acme".parse().unwrap(), &"j".parse().unwrap(), "enough", grace)
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_is_asked_first_and_stopped_when_the_grace_is_over() {
        let (running, place, signal) = place();
        assert!(cancel(&running, Duration::from_secs(5)));
        assert_eq!((signal.reason(), signal.is_stopped(), place.stopped()), (Some("enough"), false, None));
        tokio::time::sleep(Duration::from_millis(4_900)).await;
        assert!(!signal.is_stopped());
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(signal.is_stopped());
        assert_eq!(place.stopped(), Some(StopReason::Cancelled("enough".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_cancel_without_a_grace_stops_at_once() {
        let (running, place, signal) = place();
        cancel(&running, Duration::from_secs(3_600));
        assert!(cancel(&running, Duration::ZERO) && signal.is_stopped());
        drop(place);
        assert!(!cancel(&running, Duration::ZERO), "it is gone");
    }
}

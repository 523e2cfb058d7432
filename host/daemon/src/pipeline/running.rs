//! The attempts that run now, so that a cancel or the end of the worker can stop them.

use lovage_job::name::{JobId, TenantName};
use lovage_sandbox::CancelSignal;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    pub(super) fn add(self: &Arc<Self>, tenant: &TenantName, id: &JobId, signal: &CancelSignal) -> Place {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let stopped = Arc::new(Mutex::new(None));
        let (tenant, id) = (tenant.clone(), id.clone());
        let entry = Entry { tenant, id, signal: signal.clone(), stopped: stopped.clone() };
        self.lock().insert(number, entry);
        Place { all: self.clone(), number, stopped }
    }

    /// Cancels a job; false where it does not run here.
    pub fn cancel(&self, tenant: &TenantName, id: &JobId, reason: &str) -> bool {
        let mut found = false;
        for entry in self.lock().values().filter(|entry| entry.tenant == *tenant && entry.id == *id) {
            entry.stop(StopReason::Cancelled(reason.to_owned()), reason);
            found = true;
        }
        found
    }

    /// Stops every attempt, because the worker stops.
    pub fn interrupt_all(&self) -> usize {
        let attempts = self.lock();
        attempts.values().for_each(|entry| entry.stop(StopReason::Shutdown, "the worker is shutting down"));
        attempts.len()
    }

    /// Whether an attempt of a job runs here.
    pub(super) fn has(&self, tenant: &TenantName, id: &JobId) -> bool {
        self.lock().values().any(|entry| entry.tenant == *tenant && entry.id == *id)
    }

    /// How many attempts run.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn stop(&self, why: StopReason, reason: &str) {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.signal.stop(reason);
    }
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

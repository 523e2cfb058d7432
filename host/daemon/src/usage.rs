//! What the tenants of this worker use, added up here until the broker has it, and what they have used today over all
//! workers as far as this one has heard.

use crate::clock::now;
use lovage_job::name::TenantName;
use lovage_job::tenant::Quota;
use lovage_job::usage::{Day, Metric, Used};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What tenants use.
#[derive(Debug)]
pub struct Usage {
    book: Mutex<Book>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Book {
    /// Not taken to the broker yet.
    pending: HashMap<TenantName, Used>,
    /// On its way to the broker.
    leaving: HashMap<TenantName, Used>,
    /// What may be used in a day, of those for whom that is limited.
    quotas: HashMap<TenantName, Quota>,
    /// What the broker counted, over all workers, on the day it was last heard of.
    counted: HashMap<TenantName, (Day, Used)>,
}

impl Default for Usage {
    fn default() -> Self {
        Self { book: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

impl Usage {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was used.
    pub fn add(&self, tenant: &TenantName, used: Used) {
        let mut book = self.lock();
        match book.pending.get_mut(tenant) {
            Some(pending) => *pending += used,
            None => drop(book.pending.insert(tenant.clone(), used)),
        }
        // who has used up the day is told at once, not with the next addition
        if book.quotas.get(tenant).is_some_and(|quota| quota.spent(&book.of_day(tenant, Day::of(now()))).is_some()) {
            drop(book);
            self.arrived_elsewhere();
        }
    }

    /// Sets what a tenant may use in a day; nothing where it may use what it likes.
    pub fn set_quota(&self, tenant: &TenantName, quota: Option<Quota>) {
        let mut book = self.lock();
        match quota {
            Some(quota) => drop(book.quotas.insert(tenant.clone(), quota)),
            None => drop(book.quotas.remove(tenant)),
        }
    }

    /// Takes what is to be brought to the broker; what was taken before must have arrived.
    pub fn take(&self) -> HashMap<TenantName, Used> {
        let mut book = self.lock();
        book.leaving = std::mem::take(&mut book.pending);
        book.leaving.clone()
    }

    /// Whether nothing waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.lock().pending.is_empty()
    }

    /// Notes that everything that was taken has arrived.
    pub fn arrived(&self) {
        self.lock().leaving.clear();
        self.changes.send_modify(|count| *count += 1);
    }

    /// Tells those who wait for a change that totals were read.
    pub fn arrived_elsewhere(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Notes what the broker has counted of a metric on a day.
    pub fn counted(&self, tenant: &TenantName, day: Day, metric: Metric, value: u64) {
        let mut book = self.lock();
        let (of, used) = book.counted.entry(tenant.clone()).or_insert((day, Used::default()));
        if *of < day {
            (*of, *used) = (day, Used::default());
        }
        // answers may overtake each other, and counters only grow
        if *of == day {
            used.set(metric, used.get(metric).max(value));
        }
    }

    /// What a tenant has used on a day, over all workers as far as this one has heard, and here up to this moment.
    pub fn of_day(&self, tenant: &TenantName, day: Day) -> Used {
        self.lock().of_day(tenant, day)
    }

    /// Forgets a tenant that was removed.
    pub fn forget(&self, tenant: &TenantName) {
        let mut book = self.lock();
        book.pending.remove(tenant);
        book.counted.remove(tenant);
        book.quotas.remove(tenant);
    }

    /// Changes whenever the broker has counted.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Book {
    fn of_day(&self, tenant: &TenantName, day: Day) -> Used {
        let counted = self.counted.get(tenant).filter(|(of, _)| *of == day);
        let mut used = counted.map(|(_, used)| *used).unwrap_or_default();
        // what is on its way may be counted twice for a moment: a quota errs on the side of its limit
        for more in [&self.pending, &self.leaving] {
            if let Some(more) = more.get(tenant) {
                used += *more;
            }
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::unit::UnixMs;

    fn fuel(fuel: u64) -> Used {
        Used { fuel, ..Used::default() }
    }

    #[test]
    fn what_is_here_and_what_was_counted_make_the_day() {
        let (usage, tenant, day) = (Usage::default(), "acme".parse().unwrap(), Day::of(UnixMs(0)));
        usage.add(&tenant, fuel(1));
        usage.add(&tenant, fuel(2));
        assert_eq!(usage.of_day(&tenant, day).fuel, 3);
        assert_eq!(usage.take().get(&tenant), Some(&fuel(3)));
        usage.add(&tenant, fuel(10));
        assert_eq!(usage.of_day(&tenant, day).fuel, 13);
        usage.counted(&tenant, day, Metric::Fuel, 103);
        usage.arrived();
        assert_eq!(usage.of_day(&tenant, day).fuel, 113);
        // an answer that was overtaken
        usage.counted(&tenant, day, Metric::Fuel, 50);
        assert_eq!(usage.of_day(&tenant, day).fuel, 113);
    }

    #[test]
    fn a_new_day_begins_at_nothing() {
        let (usage, tenant) = (Usage::default(), "acme".parse().unwrap());
        let (first, second) = (Day::of(UnixMs(0)), Day::of(UnixMs(86_400_000)));
        usage.counted(&tenant, first, Metric::Fuel, 5);
        assert_eq!(usage.of_day(&tenant, second), Used::default());
        usage.counted(&tenant, second, Metric::Fuel, 1);
        usage.counted(&tenant, first, Metric::Fuel, 9);
        assert_eq!(usage.of_day(&tenant, second).fuel, 1);
    }
}

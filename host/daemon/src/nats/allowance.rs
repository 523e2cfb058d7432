//! Whose jobs wait because the tenant has used up what it may use of a day, or stores as much as it may. They stay in
//! their queues, and nobody asks for them until the next day of UTC, a raised quota, or room.

use super::headroom::Headroom;
use super::rules::Rules;
use crate::clock::now;
use crate::tenant_book::TenantBook;
use crate::usage::Usage;
use lovage_job::name::TenantName;
use lovage_job::tenant::{Quota, Spent};
use lovage_job::usage::Day;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often everyone is looked at, whatever happens: a day may have begun.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whose jobs wait.
#[derive(Debug)]
pub struct Allowances {
    book: Arc<TenantBook>,
    usage: Arc<Usage>,
    rules: Arc<Rules>,
    /// How much more the tasks of each may keep.
    headroom: Arc<Headroom>,
    /// Whose streams hold as much as they may.
    full: Mutex<HashSet<TenantName>>,
}

impl Allowances {
    /// Allowances of the tenants of a book; [`Allowances::run`] must run beside them.
    pub fn new(book: Arc<TenantBook>, usage: Arc<Usage>, rules: Arc<Rules>, headroom: Arc<Headroom>) -> Arc<Self> {
        Arc::new(Self { book, usage, rules, headroom, full: Mutex::default() })
    }

    /// Looks at everyone whenever something was counted or a record changed, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let (mut counted, mut records) = (self.usage.changes(), self.book.changes());
        loop {
            self.look(Day::of(now()));
            tokio::select! {
                () = stop.cancelled() => return,
                changed = counted.changed() => if changed.is_err() { return },
                changed = records.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Notes how much a tenant stores, in bytes, and what follows from it under its quota.
    pub fn set_stored(&self, tenant: &TenantName, quota: &Quota, stored: u64) {
        match quota.storage {
            Some(_) => self.headroom.set(tenant, stored),
            None => self.headroom.forget(tenant),
        }
        let changed = match quota.is_full(stored) {
            true => self.full().insert(tenant.clone()),
            false => self.full().remove(tenant),
        };
        if changed {
            self.look_at(tenant, Day::of(now()));
        }
    }

    /// Forgets a tenant that was removed.
    pub fn forget(&self, tenant: &TenantName) {
        self.full().remove(tenant);
        self.headroom.forget(tenant);
        self.usage.forget(tenant);
        self.rules.set_spent(tenant, None);
    }

    /// Looks at everyone as of a day.
    fn look(&self, day: Day) {
        for record in self.book.all() {
            self.look_at(&record.tenant, day);
            let quota = &record.quota;
            let of_day = (quota.fuel_per_day.is_some() || quota.egress_per_day.is_some()).then(|| quota.clone());
            self.usage.set_quota(&record.tenant, of_day);
        }
    }

    fn look_at(&self, tenant: &TenantName, day: Day) {
        let Some(record) = self.book.get(tenant) else { return };
        let spent = match self.full().contains(tenant) {
            true => Some(Spent::Storage),
            false if record.quota.fuel_per_day.is_none() && record.quota.egress_per_day.is_none() => None,
            false => record.quota.spent(&self.usage.of_day(tenant, day)),
        };
        self.rules.set_spent(tenant, spent);
    }

    fn full(&self) -> MutexGuard<'_, HashSet<TenantName>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::name::QueueName;
    use lovage_job::tenant::TenantRecord;
    use lovage_job::unit::{ByteSize, UnixMs};
    use lovage_job::usage::Metric;

    #[test]
    fn what_a_day_used_up_is_free_on_the_next() {
        let (tenant, queue): (TenantName, QueueName) = ("acme".parse().unwrap(), "default".parse().unwrap());
        let (book, usage, rules) = (Arc::<TenantBook>::default(), Arc::<Usage>::default(), Arc::<Rules>::default());
        let mut record = TenantRecord::new(tenant.clone(), UnixMs(0));
        record.quota = Quota { fuel_per_day: Some(100), egress_per_day: Some(ByteSize(10)), ..Quota::default() };
        book.put(record);
        let allowances = Allowances::new(book, usage.clone(), rules.clone(), Arc::default());
        let (first, next) = (Day::of(UnixMs(86_399_999)), Day::of(UnixMs(86_400_000)));
        for (metric, below, at) in [(Metric::Fuel, 99, 100), (Metric::EgressBytes, 9, 10)] {
            usage.counted(&tenant, first, metric, below);
            allowances.look(first);
            assert!(rules.is_open(&tenant, &queue), "{metric:?}");
            usage.counted(&tenant, first, metric, at);
            allowances.look(first);
            assert!(!rules.is_open(&tenant, &queue), "{metric:?}");
            allowances.look(next);
            assert!(rules.is_open(&tenant, &queue), "{metric:?}");
            usage.forget(&tenant);
        }
    }

    #[test]
    fn a_tenant_that_is_full_waits_until_it_is_not() {
        let (tenant, queue): (TenantName, QueueName) = ("acme".parse().unwrap(), "default".parse().unwrap());
        let (book, rules) = (Arc::<TenantBook>::default(), Arc::<Rules>::default());
        let record = TenantRecord::new(tenant.clone(), UnixMs(0));
        let quota = Quota { storage: Some(ByteSize(100)), ..Quota::default() };
        book.put(TenantRecord { quota: quota.clone(), ..record });
        let allowances = Allowances::new(book, Arc::default(), rules.clone(), Arc::default());
        for (stored, open) in [(99, true), (100, false), (101, false), (99, true)] {
            allowances.set_stored(&tenant, &quota, stored);
            assert_eq!(rules.is_open(&tenant, &queue), open, "{stored}");
        }
        allowances.set_stored(&tenant, &quota, 100);
        allowances.forget(&tenant);
        assert!(rules.is_open(&tenant, &queue));
    }
}

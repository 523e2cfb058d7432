//! Numbers of each tenant, where the operator asks for them: of the first so many that this worker meets, and of all
//! others together, so that tenants can come and go without end and the numbers stay few.

use super::{Count, OUTCOMES, count, index};
use lovage_job::name::TenantName;
use lovage_job::outcome::{Meter, OutcomeKind};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Stands in metrics for all tenants that have no numbers of their own. No tenant can have this name.
pub const OTHER_TENANTS: &str = "(other)";

/// The numbers of tenants.
#[derive(Debug)]
pub struct TenantCounters {
    most: usize,
    known: RwLock<BTreeMap<TenantName, Arc<OfTenant>>>,
    other: Arc<OfTenant>,
}

#[derive(Debug, Default)]
struct OfTenant {
    ended: [Count; OUTCOMES],
    fuel_used: Count,
    wall_us: Count,
}

/// What was counted of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantReading {
    /// Its name, or [`OTHER_TENANTS`].
    pub tenant: String,
    /// Jobs that ended, by outcome.
    pub ended: Vec<(OutcomeKind, u64)>,
    /// Units of fuel.
    pub fuel_used: u64,
    /// Wall time of its attempts, in microseconds.
    pub wall_us: u64,
}

impl TenantCounters {
    /// Numbers of at most so many tenants.
    pub fn new(most: usize) -> Self {
        Self { most, known: RwLock::default(), other: Arc::default() }
    }

    pub(super) fn job_ended(&self, tenant: &TenantName, outcome: OutcomeKind) {
        count(&self.of(tenant).ended, index(outcome));
    }

    pub(super) fn attempt_ended(&self, tenant: &TenantName, meter: &Meter) {
        let of = self.of(tenant);
        of.fuel_used.add(meter.fuel_used);
        of.wall_us.add(meter.wall_us);
    }

    fn of(&self, tenant: &TenantName) -> Arc<OfTenant> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = known.get(tenant) {
            return of.clone();
        }
        if known.len() >= self.most {
            return self.other.clone();
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.most && !known.contains_key(tenant) {
            return self.other.clone();
        }
        known.entry(tenant.clone()).or_default().clone()
    }

    /// What was counted, by name, and last of all others.
    pub fn read(&self) -> Vec<TenantReading> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let named = known.iter().map(|(name, of)| of.read(name.as_str()));
        named.chain([self.other.read(OTHER_TENANTS)]).collect()
    }
}

impl OfTenant {
    fn read(&self, tenant: &str) -> TenantReading {
        let ended = OutcomeKind::ALL.into_iter().zip(&self.ended).map(|(kind, count)| (kind, count.get()));
        TenantReading {
            tenant: tenant.to_owned(),
            ended: ended.collect(),
            fuel_used: self.fuel_used.get(),
            wall_us: self.wall_us.get(),
        }
    }
}

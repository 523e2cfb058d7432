//! What this worker knows of its tenants: their records, as the broker has them now.
//!
//! Filled by whoever follows the records; asked by everyone who treats one tenant differently from another.

use lovage_job::name::TenantName;
use lovage_job::tenant::TenantRecord;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// The records of tenants.
#[derive(Debug)]
pub struct TenantBook {
    records: RwLock<HashMap<TenantName, Arc<TenantRecord>>>,
    /// Whose newest record cannot be read, so that the one before it is here.
    spoiled: RwLock<HashSet<TenantName>>,
    changes: watch::Sender<u64>,
}

impl Default for TenantBook {
    fn default() -> Self {
        Self { records: RwLock::default(), spoiled: RwLock::default(), changes: watch::Sender::new(0) }
    }
}

impl TenantBook {
    /// The record of a tenant; nothing where it has none, or none any more.
    pub fn get(&self, tenant: &TenantName) -> Option<Arc<TenantRecord>> {
        self.records.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
    }

    /// Every record.
    pub fn all(&self) -> Vec<Arc<TenantRecord>> {
        self.records.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Puts a record in place of the one before.
    pub fn put(&self, record: TenantRecord) {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        let tenant = record.tenant.clone();
        records.insert(tenant.clone(), Arc::new(record));
        drop(records);
        self.spoiled.write().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Notes that the newest record of a tenant cannot be read: the one before stays, for what a stale one is good for.
    pub fn spoil(&self, tenant: &TenantName) {
        self.spoiled.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
    }

    /// Whether the newest record of a tenant cannot be read.
    pub fn is_spoiled(&self, tenant: &TenantName) -> bool {
        self.spoiled.read().unwrap_or_else(PoisonError::into_inner).contains(tenant)
    }

    /// Forgets a tenant.
    pub fn remove(&self, tenant: &TenantName) {
        self.records.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
        self.spoiled.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Changes with every record.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

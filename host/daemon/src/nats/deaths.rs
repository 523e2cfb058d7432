//! The notes on runners that died of a component; the rule is in `lovage_job::deaths`. A quarantine holds on every
//! worker, and for as long as nobody lifts it.

use super::control::Change;
use crate::ports::BrokerError;
use async_nats::jetstream::kv;
use lovage_job::deaths::{DeathNote, Deaths, key, parse_key};
use lovage_job::name::{Digest, TenantName};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// How often a note is written while others write the same.
const TRIES: usize = 8;
/// The keys of all records.
pub const PATTERN: &str = "*.deaths.*";

/// The notes, as this worker knows them.
#[derive(Debug)]
pub struct DeathNotes {
    bucket: kv::Store,
    quarantines: RwLock<HashMap<(TenantName, Digest), Deaths>>,
}

impl DeathNotes {
    /// Nothing known yet of the notes in the bucket `control`.
    pub fn new(bucket: kv::Store) -> Self {
        Self { bucket, quarantines: RwLock::default() }
    }

    /// Takes a change of the bucket.
    pub fn apply(&self, change: &Change) {
        let Some(of) = parse_key(&change.key) else { return };
        self.set(of, change.value.as_deref().map(Deaths::read).unwrap_or_default());
    }

    fn set(&self, of: (TenantName, Digest), deaths: Deaths) {
        let mut quarantines = self.quarantines.write().unwrap_or_else(PoisonError::into_inner);
        if deaths.is_quarantine() {
            quarantines.insert(of, deaths);
        } else {
            quarantines.remove(&of);
        }
    }

    /// Why no job of a component may run, where that is so. A local look-up.
    pub fn reason(&self, tenant: &TenantName, digest: &Digest) -> Option<String> {
        let quarantines = self.quarantines.read().unwrap_or_else(PoisonError::into_inner);
        if quarantines.is_empty() {
            return None;
        }
        quarantines.get(&(tenant.clone(), digest.clone()))?.reason(digest)
    }

    /// Notes a death, and returns what is noted then.
    pub async fn add(&self, tenant: &TenantName, digest: &Digest, note: DeathNote) -> Result<Deaths, BrokerError> {
        let key = key(tenant, digest);
        for _ in 0..TRIES {
            let (mut deaths, revision) = self.read(&key).await?;
            deaths.add(note.clone());
            let body = serde_json::to_vec(&deaths).map_err(fault)?;
            if self.bucket.update(&key, body.into(), revision).await.is_ok() {
                self.set((tenant.clone(), digest.clone()), deaths.clone());
                return Ok(deaths);
            }
        }
        Err(fault("others change it without end"))
    }

    /// What is noted of a component.
    pub async fn get(&self, tenant: &TenantName, digest: &Digest) -> Result<Deaths, BrokerError> {
        Ok(self.read(&key(tenant, digest)).await?.0)
    }

    /// Forgets what is noted of a component; false where nothing is.
    pub async fn lift(&self, tenant: &TenantName, digest: &Digest) -> Result<bool, BrokerError> {
        if self.get(tenant, digest).await?.0.is_empty() {
            return Ok(false);
        }
        self.bucket.purge(key(tenant, digest)).await.map_err(fault)?;
        Ok(true)
    }

    async fn read(&self, key: &str) -> Result<(Deaths, u64), BrokerError> {
        let entry = self.bucket.entry(key).await.map_err(fault)?;
        Ok(entry.map_or_else(Default::default, |entry| match entry.operation {
            kv::Operation::Put => (Deaths::read(&entry.value), entry.revision),
            kv::Operation::Delete | kv::Operation::Purge => (Deaths::default(), entry.revision),
        }))
    }
}

fn fault(error: impl std::fmt::Display) -> BrokerError {
    BrokerError(format!("notes on runners that died: {error}"))
}

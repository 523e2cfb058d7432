//! Lets go of jobs that are too old, and of those of tenants that were removed, a little at a time.

use super::streams::Source;
use super::writer::{Fault, WriterOptions};
use crate::nats::records::Records;
use async_nats::jetstream::Context;
use lovage_history::{HistoryError, Store, StreamCursor};
use lovage_job::name::TenantName;
use lovage_job::subject::asset;
use lovage_job::unit::UnixMs;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Jobs that go at once.
const TOGETHER: u64 = 1_000;
/// The longest that one look goes on; the rest goes next time, and what is new is written in between.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// A reading of the records that takes longer is given up.
const RECORDS_WITHIN: Duration = Duration::from_secs(10);

/// Lets go of what need not be kept.
pub(super) struct Keeper {
    js: Context,
    store: Store,
    keep: Duration,
    every: Duration,
    looked: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(js: Context, store: Store, options: &WriterOptions) -> Self {
        Self { js, store, keep: options.keep, every: options.keep_every, looked: None }
    }

    /// Looks, where it is time to.
    pub(super) async fn look(
        &mut self,
        sources: &[Source],
        cursors: &HashMap<String, StreamCursor>,
    ) -> Result<(), Fault> {
        if self.looked.is_some_and(|looked| looked.elapsed() < self.every) {
            return Ok(());
        }
        let begun = Instant::now();
        let Some(keeps) = keeps(&self.js).await else { return Ok(()) };
        let served: HashSet<&TenantName> = sources.iter().map(|source| &source.tenant).collect();
        for tenant in self.store.tenants().await? {
            if keeps.contains_key(&tenant) || served.contains(&tenant) || !is_the_same_broker(sources, cursors) {
                let keep = keeps.get(&tenant).copied().flatten().unwrap_or(self.keep);
                self.expire(&tenant, keep, begun).await?;
            } else {
                self.forget(&tenant, begun).await?;
            }
            if begun.elapsed() >= LOOK_WITHIN {
                return Ok(());
            }
        }
        self.looked = Some(Instant::now());
        Ok(())
    }

    async fn expire(&self, tenant: &TenantName, keep: Duration, begun: Instant) -> Result<(), HistoryError> {
        let before = too_old(keep);
        while begun.elapsed() < LOOK_WITHIN && self.store.expire(tenant, before, TOGETHER).await? == TOGETHER {}
        Ok(())
    }

    async fn forget(&self, tenant: &TenantName, begun: Instant) -> Result<(), HistoryError> {
        let streams = [format!("KV_{}", asset::results(tenant)), asset::dead(tenant)];
        while begun.elapsed() < LOOK_WITHIN {
            if self.store.forget(tenant, &streams).await? {
                tracing::info!(%tenant, "the history of a tenant that was removed is gone");
                return Ok(());
            }
        }
        Ok(())
    }
}

/// How long each tenant's record says that its jobs are kept; nothing while the records cannot be read.
pub(super) async fn keeps(js: &Context) -> Option<HashMap<TenantName, Option<Duration>>> {
    let records = async { Records::open(js).await?.all().await };
    match tokio::time::timeout(RECORDS_WITHIN, records).await {
        Err(_) => None,
        Ok(Ok(records)) => Some(records.into_iter().map(|record| (record.tenant, record.history)).collect()),
        Ok(Err(error)) => {
            tracing::debug!(error = %error, "the records of tenants cannot be read for the history now");
            None
        }
    }
}

/// The time before which jobs are too old to be kept for so long.
pub(super) fn too_old(keep: Duration) -> UnixMs {
    let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    UnixMs(crate::clock::now().0.saturating_sub(keep))
}

/// Whether the broker is the one that the history was read from. On another one, or one that lost what it stored, no
/// tenant is there either; that is no reason to let go of what the history has.
fn is_the_same_broker(sources: &[Source], cursors: &HashMap<String, StreamCursor>) -> bool {
    sources.iter().any(|source| cursors.get(&source.name).is_some_and(|cursor| cursor.created == source.created))
}

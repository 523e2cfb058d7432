//! What a changed limit or a pause that is over means for those who wait. Every worker does all of it, so that none of
//! them has to be there; a job is sent once all the same, because the broker fires a schedule only while it is there.

use super::lots;
use super::permits::Permits;
use crate::ports::BrokerError;
use lovage_job::limit::{Change, LimitScope, is_key_lot};
use lovage_job::name::TenantName;
use lovage_job::subject::{Lot, asset, waiting_filter};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The most waiting jobs that are read to find the lots of a limit per key.
const WAITING_MAX: usize = 100_000;
/// How often what a change asks for is tried.
const TRIES: usize = 5;
/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);

impl Permits {
    /// Does what a change asks for. What fails is left to the jobs, which look by themselves in time.
    pub async fn heed(self: &Arc<Self>, tenant: &TenantName, change: &Change) {
        for _ in 0..TRIES {
            let heeded = match change {
                Change::None | Change::Queues => Ok(()),
                Change::Open(lot) => lots::wake(&self.client, tenant, lot, usize::MAX).await.map(|_| ()),
                Change::Void(scope) => self.wake_all(tenant, scope).await,
                Change::Room(scope) => self.look_at_all(tenant, scope).await,
            };
            match heeded {
                Ok(()) => return,
                Err(error) => tracing::debug!(tenant = %tenant, error = %error, "waiting jobs not woken yet"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::warn!(tenant = %tenant, change = ?change, "waiting jobs were not woken; they look by themselves in time");
    }

    async fn wake_all(&self, tenant: &TenantName, scope: &LimitScope) -> Result<(), BrokerError> {
        match (scope, scope.lot()) {
            (LimitScope::Key(task), _) => {
                let of_scope = |waiting: &lots::Stored| waiting.lot().is_some_and(|lot| is_key_lot(lot, task));
                lots::wake_where(&self.client, tenant, &every_lot(tenant), usize::MAX, of_scope).await?;
            }
            (_, Some(lot)) => {
                for lot in [lot.of_rate(), lot] {
                    lots::wake_where(&self.client, tenant, &waiting_filter(tenant, &lot), usize::MAX, |_| true).await?;
                }
            }
            (_, None) => {}
        }
        Ok(())
    }

    async fn look_at_all(self: &Arc<Self>, tenant: &TenantName, scope: &LimitScope) -> Result<(), BrokerError> {
        let LimitScope::Key(task) = scope else {
            self.look_at(tenant, scope, scope.lot());
            return Ok(());
        };
        let (stream, filter, mut next, mut seen) = (asset::schedules(tenant), every_lot(tenant), 1, 0);
        let mut found = BTreeSet::new();
        while seen < WAITING_MAX {
            let waiting = lots::read(&self.client, &stream, &filter, next, lots::BATCH).await?;
            let Some(last) = waiting.last() else { break };
            (next, seen) = (last.sequence + 1, seen + waiting.len());
            let of_scope = waiting.iter().filter_map(lots::Stored::lot).filter(|lot| is_key_lot(lot, task));
            found.extend(of_scope.filter_map(Lot::parse));
        }
        found.into_iter().for_each(|lot| self.look_at(tenant, scope, Some(lot)));
        Ok(())
    }
}

fn every_lot(tenant: &TenantName) -> String {
    format!("lovage.{tenant}.sched.wait.*.*")
}

//! Looks now and then how much each tenant with a quota for it stores. One with too many schedules cannot delay more
//! jobs until some are through; of one that stores too much, tasks can keep no more and jobs wait, until something
//! expired or was removed.

use super::allowance::Allowances;
use super::quotas;
use crate::tenant_book::TenantBook;
use async_nats::jetstream::Context;
use lovage_job::name::TenantName;
use lovage_job::subject::asset;
use lovage_job::tenant::Quota;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often each tenant is looked at, where there are few.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The least time between two tenants, so that many of them cost the broker little.
const BETWEEN: Duration = Duration::from_millis(20);

/// Looks at every tenant in turn, until `stop`.
pub async fn watch_over(js: Context, book: Arc<TenantBook>, allowances: Arc<Allowances>, stop: CancellationToken) {
    let mut closed = HashSet::new();
    while !stop.is_cancelled() {
        for record in book.all() {
            let (tenant, quota) = (&record.tenant, &record.quota);
            look_at_delays(&js, tenant, quota, &mut closed).await;
            look_at_storage(&js, tenant, quota, &allowances).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(BETWEEN) => {}
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn look_at_delays(js: &Context, tenant: &TenantName, quota: &Quota, closed: &mut HashSet<TenantName>) {
    let over = match quota.delayed {
        None => false,
        Some(most) => match quotas::held(js, &asset::schedules(tenant)).await {
            Ok((stored, _)) => stored >= most,
            Err(error) => return tracing::debug!(tenant = %tenant, error = %error, "schedules not counted"),
        },
    };
    // one that another worker closed, or this one before it was started again, is found here once
    let known = closed.contains(tenant);
    if over == known && (over || quota.delayed.is_none()) {
        return;
    }
    match quotas::set_delays_open(js, tenant, !over).await {
        Ok(()) if over => {
            closed.insert(tenant.clone());
            tracing::info!(tenant = %tenant, "no more jobs are delayed: as many wait as may");
        }
        Ok(()) => {
            closed.remove(tenant);
        }
        Err(error) => tracing::debug!(tenant = %tenant, error = %error, "schedules not closed or opened yet"),
    }
}

async fn look_at_storage(js: &Context, tenant: &TenantName, quota: &Quota, allowances: &Allowances) {
    let mut bytes: u64 = 0;
    if quota.storage.is_some() {
        for stream in quotas::streams(tenant) {
            match quotas::held(js, &stream).await {
                Ok((_, held)) => bytes = bytes.saturating_add(held),
                // what cannot be counted is not taken for nothing: what was found before holds on
                Err(error) => return tracing::debug!(tenant = %tenant, error = %error, "storage not counted"),
            }
        }
    }
    allowances.set_stored(tenant, quota, bytes);
}

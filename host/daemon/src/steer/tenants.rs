//! Adding, changing and removing tenants, apart from how their users sign in.

use super::{Changed, SteerError};
use crate::nats::quotas::{self, Applied};
use crate::nats::records::Records;
use crate::nats::removal::{self, Removed};
use crate::nats::topology::{self, TopologyConfig};
use async_nats::jetstream::Context;
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::Lane;
use lovage_job::tenant::{TenantRecord, is_reserved};

/// Refuses a name that the platform needs.
pub fn check_name(tenant: &TenantName) -> Result<(), SteerError> {
    if is_reserved(tenant) { Err(SteerError::Reserved(tenant.clone())) } else { Ok(()) }
}

/// Makes what a worker would make when it comes to serve the tenant, with the limits that the broker holds.
pub async fn make_assets(js: &Context, record: &TenantRecord, config: TopologyConfig) -> Result<(), SteerError> {
    let tenant = &record.tenant;
    topology::ensure_tenant(js, tenant, config).await?;
    let _no_schedules_are_in_the_way_yet = quotas::apply(js, tenant, None, &record.quota).await?;
    for lane in Lane::ALL {
        topology::ensure_consumer(js, tenant, &QueueName::default_queue(), lane, config).await?;
    }
    Ok(())
}

/// Adds a tenant whose users, if any, sign in as the record says. What could not be made whole is taken back.
pub async fn add(
    js: &Context,
    records: &Records,
    record: &TenantRecord,
    config: TopologyConfig,
) -> Result<(), SteerError> {
    check_name(&record.tenant)?;
    record.quota.check()?;
    // the record claims the name: of two who add the tenant at once, one goes on
    records.create(record).await?;
    let made = make_assets(js, record, config).await;
    if made.is_err() {
        records.remove(&record.tenant).await?;
        let removed = removal::remove_all(js, &record.tenant).await;
        removed.map_err(|error| crate::ports::BrokerError(error.to_string()))?;
    }
    made
}

/// Changes a tenant, and its streams with it. `Applied` says what workers have to do later.
pub async fn change(
    js: &Context,
    records: &Records,
    tenant: &TenantName,
    change: impl Fn(&mut TenantRecord),
) -> Result<(Changed<TenantRecord>, Applied), SteerError> {
    let change = |record: &mut TenantRecord| {
        change(record);
        record.quota.check().map_err(SteerError::from)
    };
    let (before, after) = records.try_change(tenant, change).await?;
    let applied = quotas::apply(js, tenant, None, &after.quota).await?;
    Ok((Changed { before: Some(before), after }, applied))
}

/// Removes a tenant, its users with it where they are users of the shared account, and all that it has.
pub async fn remove(js: &Context, records: &Records, tenant: &TenantName) -> Result<Removed, SteerError> {
    if *tenant == TenantName::default_tenant() {
        return Err(SteerError::Stays(tenant.clone()));
    }
    records.known(tenant).await?;
    records.remove(tenant).await?;
    removal::remove_all(js, tenant).await.map_err(|error| crate::ports::BrokerError(error.to_string()).into())
}

//! Adding, changing and removing tenants. Their users at the broker are made on the command line, which has the keys.

use super::TenantBody;
use crate::clock::now;
use crate::http::auth::{Caller, Role};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use crate::nats::topology::TopologyConfig;
use crate::steer::tenants;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::TenantName;
use lovage_job::tenant::{Access, Quota, TenantRecord};

/// What is noted of a tenant: nothing that opens anything.
fn shown(record: &TenantRecord) -> serde_json::Value {
    serde_json::json!({"weight": record.weight, "quota": record.quota})
}

/// Adds a tenant without users.
pub async fn add(
    site: &Site,
    caller: &Caller,
    (tenant, body): (&TenantName, &TenantBody),
) -> Result<TenantRecord, Problem> {
    caller.of_all(Role::Admin)?;
    body.check()?;
    let mut record = TenantRecord::new(tenant.clone(), now());
    record.quota = Quota::standard();
    body.apply(&mut record);
    tenants::add(&site.js, &site.records().await?, &record, TopologyConfig::default()).await?;
    site.noted(caller, AuditNote::new(tenant, AuditKind::Tenant, "tenant add", tenant).after(shown(&record))).await;
    Ok(record)
}

/// Changes what a tenant may use.
pub async fn set(
    site: &Site,
    caller: &Caller,
    (tenant, body): (&TenantName, &TenantBody),
) -> Result<TenantRecord, Problem> {
    caller.of_all(Role::Admin)?;
    body.check()?;
    let records = site.records().await?;
    let (changed, _applied) = tenants::change(&site.js, &records, tenant, |record| body.apply(record)).await?;
    let note = AuditNote::new(tenant, AuditKind::Tenant, "tenant set", tenant);
    site.noted(caller, note.before(changed.before.as_ref().map(shown)).after(shown(&changed.after))).await;
    Ok(changed.after)
}

/// Removes a tenant with all that it has.
pub async fn remove(site: &Site, caller: &Caller, tenant: &TenantName) -> Result<(), Problem> {
    caller.of_all(Role::Admin)?;
    let records = site.records().await?;
    let record = records.known(tenant).await?;
    if let Access::Account { account, .. } = &record.access {
        let detail = format_args!("its account {account} is removed by the operator's keys: `lovage tenant rm`");
        return Err(Problem::new(Code::Conflict, detail));
    }
    tenants::remove(&site.js, &records, tenant).await?;
    // the entry is the platform's: the tenant's own would outlive it anyway
    site.noted(caller, AuditNote::new(tenant, AuditKind::Tenant, "tenant rm", tenant).before(shown(&record))).await;
    Ok(())
}

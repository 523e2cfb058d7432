//! Changing a worker while it runs.

use crate::http::auth::{Caller, Role};
use crate::http::problem::Problem;
use crate::http::site::Site;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::{JobId, TenantName};
use lovage_job::worker::{Setting, WorkerInfo};

/// Changes how many attempts a worker runs at once, or which queues it serves. Workers belong to no tenant.
pub async fn set(site: &Site, caller: &Caller, (name, setting): (&JobId, Setting)) -> Result<WorkerInfo, Problem> {
    caller.of_all(Role::Admin)?;
    let tenant = TenantName::default_tenant();
    let note = AuditNote::new(&tenant, AuditKind::Workers, "workers set", name).after(&setting);
    let info = site.client_of(&tenant).set_worker(name, setting).await?;
    site.noted(caller, note).await;
    Ok(info)
}

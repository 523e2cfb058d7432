//! Telling a worker to rest, to go on or to end.

use crate::http::auth::{Caller, Role};
use crate::http::problem::Problem;
use crate::http::site::Site;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::{JobId, TenantName};
use lovage_job::worker::WorkerInfo;

/// What a worker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// To take no new jobs.
    Quiet,
    /// To take jobs again.
    Resume,
    /// To take no new jobs, and to end when the running ones have.
    Drain,
}

/// Tells a worker. Workers belong to no tenant.
pub async fn tell(site: &Site, caller: &Caller, (name, tell): (&JobId, Tell)) -> Result<WorkerInfo, Problem> {
    caller.of_all(Role::Admin)?;
    let client = site.client_of(&TenantName::default_tenant());
    let (action, info) = match tell {
        Tell::Quiet => ("workers quiet", client.quiet_worker(name).await?),
        Tell::Resume => ("workers resume", client.resume_worker(name).await?),
        Tell::Drain => ("workers drain", client.drain_worker(name).await?),
    };
    let note = AuditNote::new(&TenantName::default_tenant(), AuditKind::Workers, action, name);
    site.noted(caller, note.after(info.mode)).await;
    Ok(info)
}

//! Telling a worker to rest, to go on or to end.

use crate::http::auth::{Caller, Role};
use crate::http::problem::Problem;
use crate::http::site::Site;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::{JobId, TenantName};
use lovage_job::worker::{Command, WorkerInfo};

/// Tells a worker. Workers belong to no tenant.
pub async fn tell(site: &Site, caller: &Caller, (name, command): (&JobId, Command)) -> Result<WorkerInfo, Problem> {
    caller.of_all(Role::Admin)?;
    let client = site.client_of(&TenantName::default_tenant());
    let info = match command {
        Command::Quiet => client.quiet_worker(name).await?,
        Command::Resume => client.resume_worker(name).await?,
        Command::Drain => client.drain_worker(name).await?,
        Command::Info => return Err(Problem::not_found("such command of a worker")),
    };
    let action = format!("workers {}", command.as_str());
    let note = AuditNote::new(&TenantName::default_tenant(), AuditKind::Workers, &action, name);
    site.noted(caller, note.after(info.mode)).await;
    Ok(info)
}

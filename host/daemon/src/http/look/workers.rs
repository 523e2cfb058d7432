//! Workers that run now. They belong to no tenant, so those for all tenants see them.

use crate::http::auth::{Caller, Role};
use crate::http::problem::Problem;
use crate::http::site::Site;
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use lovage_job::worker::WorkerInfo;
use serde::Serialize;
use utoipa::ToSchema;

/// A worker.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerView {
    /// Its name.
    pub name: String,
    /// running, quiet or draining.
    pub mode: &'static str,
    /// Attempts that it runs now.
    pub running: usize,
    /// Attempts that it can run at once.
    pub concurrency: usize,
    /// The queues that it serves.
    pub queues: Vec<String>,
    /// Since when it runs, in milliseconds since 1970.
    #[schema(value_type = u64)]
    pub started: UnixMs,
    /// Its version of Lovage.
    pub version: String,
    /// Processes in which jobs run apart.
    pub runners: usize,
}

impl From<WorkerInfo> for WorkerView {
    fn from(info: WorkerInfo) -> Self {
        Self {
            name: info.name.to_string(),
            mode: info.mode.as_str(),
            running: info.running,
            concurrency: info.concurrency,
            queues: info.queues.iter().map(ToString::to_string).collect(),
            started: info.started,
            version: info.version,
            runners: info.runners.len(),
        }
    }
}

/// The workers that run now, by name.
pub async fn list(site: &Site, caller: &Caller) -> Result<Vec<WorkerView>, Problem> {
    caller.of_all(Role::Viewer)?;
    let client = site.client_of(&TenantName::default_tenant());
    Ok(client.workers().await?.into_iter().map(WorkerView::from).collect())
}

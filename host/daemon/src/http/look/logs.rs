//! What attempts logged.

use crate::http::auth::{Caller, Role};
use crate::http::problem::Problem;
use crate::http::site::Site;
use lovage_client::AttemptLog;
use lovage_job::name::{JobId, TenantName};
use lovage_job::unit::UnixMs;
use serde::Serialize;
use utoipa::ToSchema;

/// The log of an attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogView {
    /// Which attempt.
    pub attempt: u32,
    /// When it began.
    #[schema(value_type = u64)]
    pub started: UnixMs,
    /// The worker that ran it.
    pub worker: String,
    /// Whether it is whole.
    pub ended: bool,
    /// What it logged. It comes from the guest: never believe it.
    pub text: String,
}

impl From<AttemptLog> for LogView {
    fn from(log: AttemptLog) -> Self {
        let AttemptLog { attempt, started, worker, end, text } = log;
        Self { attempt, started, worker, ended: end.is_some(), text }
    }
}

/// The logs of a job's attempts, or of one.
pub async fn logs(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (id, attempt): (&JobId, Option<u32>),
) -> Result<Vec<LogView>, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    Ok(within.client.logs(id, attempt).await?.into_iter().map(LogView::from).collect())
}

//! Replaying and removing dead letters.

use crate::http::auth::{Caller, Role};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use lovage_client::{ReplayOptions, Replayed};
use lovage_job::audit::AuditKind;
use lovage_job::name::{JobId, TenantName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a dead letter is replayed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayBody {
    /// The version to run in place of the one that the job asked for.
    pub version: Option<String>,
}

/// What became of a replay.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayView {
    /// The job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// queued, or already where it was replayed before.
    pub outcome: &'static str,
}

/// Puts the job of a dead letter into its queue again.
pub async fn replay(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (id, body): (&JobId, &ReplayBody),
) -> Result<ReplayView, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let version = body.version.as_deref().map(str::parse).transpose();
    let version = version.map_err(|error| Problem::new(Code::BadBody, format_args!("version: {error}")))?;
    let letter = within.client.dead_show(id).await?;
    let outcome = match within.client.replay(&letter, &ReplayOptions { version }).await? {
        Replayed::Queued => "queued",
        Replayed::Already => "already",
    };
    let note = within.note(AuditKind::Jobs, "dead replay", id);
    within.noted(note.after(serde_json::json!({"outcome": outcome, "version": body.version}))).await;
    Ok(ReplayView { id: id.clone(), outcome })
}

/// Removes a dead letter for good.
pub async fn remove(site: &Site, caller: &Caller, tenant: &TenantName, id: &JobId) -> Result<(), Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let letter = within.client.dead_show(id).await?;
    within.client.dead_remove(&letter).await?;
    let note = within.note(AuditKind::Jobs, "dead rm", id);
    within.noted(note.before(serde_json::json!({"outcome": letter.letter.error.kind}))).await;
    Ok(())
}

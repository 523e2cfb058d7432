//! Pausing and resuming, and limits.

use crate::http::auth::{Caller, Role};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use lovage_job::audit::AuditKind;
use lovage_job::limit::{Limit, LimitError, LimitScope, PauseScope, Rate};
use lovage_job::name::TenantName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why something is paused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PauseBody {
    /// For people.
    pub reason: Option<String>,
}

/// What a pause or resume came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct PausedView {
    /// tenant, `queue NAME` or `task NAME`.
    pub what: String,
    /// Whether it is paused now.
    pub paused: bool,
}

/// A limit: of jobs at once, of starts in a span, or both.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitBody {
    /// Jobs at once.
    pub concurrency: Option<u32>,
    /// Starts in a span, such as 100/1m.
    pub rate: Option<String>,
    /// Starts of the rate that may come together after a rest.
    pub burst: Option<u32>,
}

/// Pauses a queue, a task or the tenant.
pub async fn pause(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (scope, body): (&PauseScope, &PauseBody),
) -> Result<PausedView, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let reason = body.reason.clone().unwrap_or_else(|| format!("paused by {}", caller.name));
    within.client.pause(scope, &reason).await?;
    let note = within.note(AuditKind::Control, "pause", scope);
    within.noted(note.after(serde_json::json!({"paused": true, "reason": reason}))).await;
    Ok(PausedView { what: scope.to_string(), paused: true })
}

/// Resumes what was paused.
pub async fn resume(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    scope: &PauseScope,
) -> Result<PausedView, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let was_paused = within.client.resume(scope).await?;
    let note = within.note(AuditKind::Control, "resume", scope);
    within.noted(note.before(serde_json::json!({"paused": was_paused}))).await;
    Ok(PausedView { what: scope.to_string(), paused: false })
}

/// Sets a limit in the place of one that is there.
pub async fn set_limit(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (scope, body): (&LimitScope, &LimitBody),
) -> Result<(), Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let limit = limit(body)?;
    within.client.set_limit(scope, &limit).await?;
    within.noted(within.note(AuditKind::Control, "limit set", scope).after(&limit)).await;
    Ok(())
}

/// Removes a limit.
pub async fn remove_limit(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    scope: &LimitScope,
) -> Result<(), Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    if !within.client.remove_limit(scope).await? {
        return Err(Problem::not_found(format_args!("limit of {scope}")));
    }
    within.noted(within.note(AuditKind::Control, "limit rm", scope)).await;
    Ok(())
}

/// The scope of a word and a name.
pub fn limit_scope(scope: &str, name: &str) -> Result<LimitScope, Problem> {
    let key = if scope == "tenant" { scope.to_owned() } else { format!("{scope}.{name}") };
    LimitScope::from_key(&key).map_err(|error| Problem::new(Code::BadRequest, error))
}

fn limit(body: &LimitBody) -> Result<Limit, Problem> {
    let bad = |error: LimitError| Problem::new(Code::BadBody, error);
    let rate = body.rate.as_deref().map(str::parse::<Rate>).transpose().map_err(bad)?;
    let rate = match (rate, body.burst) {
        (Some(rate), Some(burst)) => Some(rate.with_burst(burst).map_err(bad)?),
        (None, Some(_)) => return Err(Problem::new(Code::BadBody, "burst: it goes with a rate")),
        (rate, None) => rate,
    };
    Limit::new(body.concurrency, rate).map_err(bad)
}

//! Pauses and limits.

use crate::http::auth::{Caller, Role};
use crate::http::problem::Problem;
use crate::http::site::Site;
use lovage_job::limit::LimitScope;
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use serde::Serialize;
use utoipa::ToSchema;

/// A pause.
#[derive(Debug, Serialize, ToSchema)]
pub struct PauseView {
    /// tenant, `queue NAME` or `task NAME`.
    pub what: String,
    /// Why, for people.
    pub reason: String,
    /// Since when, in milliseconds since 1970.
    #[schema(value_type = u64)]
    pub since: UnixMs,
}

/// A limit.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitView {
    /// tenant, queue, task or key.
    pub scope: &'static str,
    /// The name of the queue or task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Jobs at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Starts in a span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
}

/// What is paused.
pub async fn pauses(site: &Site, caller: &Caller, tenant: &TenantName) -> Result<Vec<PauseView>, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let pauses = within.client.pauses().await?.into_iter();
    Ok(pauses
        .map(|pause| PauseView { what: pause.scope.to_string(), reason: pause.reason, since: pause.since })
        .collect())
}

/// What is limited.
pub async fn limits(site: &Site, caller: &Caller, tenant: &TenantName) -> Result<Vec<LimitView>, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let view = |(scope, limit): (LimitScope, lovage_job::limit::Limit)| {
        let (word, name) = match scope {
            LimitScope::Tenant => ("tenant", None),
            LimitScope::Queue(queue) => ("queue", Some(queue.to_string())),
            LimitScope::Task(task) => ("task", Some(task.to_string())),
            LimitScope::Key(task) => ("key", Some(task.to_string())),
        };
        let rate = limit.rate().map(ToString::to_string);
        LimitView { scope: word, name, concurrency: limit.concurrency(), rate }
    };
    Ok(within.client.limits().await?.into_iter().map(view).collect())
}

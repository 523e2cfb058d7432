//! Dead letters: listed, looked at, replayed, removed.

use super::extract::{Asked, Named, Sent};
use super::jobs::outcome;
use super::refused::{Changes, Reads};
use crate::http::act;
use crate::http::act::dead::{ReplayBody, ReplayView};
use crate::http::auth::Caller;
use crate::http::look;
use crate::http::look::dead::{DeadAsked, DeadView};
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::site::Site;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lovage_job::name::{JobId, QueueName, TaskName, TenantName};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which dead letters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct DeadQuery {
    /// What the jobs ran.
    #[param(value_type = Option<String>)]
    task: Option<TaskName>,
    /// Where they waited.
    #[param(value_type = Option<String>)]
    queue: Option<QueueName>,
    /// How they ended.
    outcome: Option<String>,
    /// How many at most: 1 to 500, 50 where nothing is said.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// Lists dead letters, newest first.
#[utoipa::path(get, path = "/tenants/{tenant}/dead", tag = "dead letters",
    params(("tenant" = String, Path), DeadQuery), responses((status = 200, body = Page<DeadView>), Reads))]
pub async fn list(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Asked(query): Asked<DeadQuery>,
) -> Result<Json<Page<DeadView>>, Problem> {
    let outcome = outcome(query.outcome.as_deref())?;
    let DeadQuery { task, queue, limit, after, .. } = query;
    let asked = DeadAsked { task, queue, outcome, limit, after };
    look::dead::list(&site, &caller, &tenant, &asked).await.map(Json)
}

/// Shows the dead letter of a job.
#[utoipa::path(get, path = "/tenants/{tenant}/dead/{id}", tag = "dead letters",
    params(("tenant" = String, Path), ("id" = String, Path)), responses((status = 200, body = DeadView), Reads))]
pub async fn letter(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, id)): Named<(TenantName, JobId)>,
) -> Result<Json<DeadView>, Problem> {
    look::dead::letter(&site, &caller, &tenant, &id).await.map(Json)
}

/// Puts the job of a dead letter into its queue again. Safe to repeat.
#[utoipa::path(post, path = "/tenants/{tenant}/dead/{id}/replay", tag = "dead letters", request_body = ReplayBody,
    params(("tenant" = String, Path), ("id" = String, Path)), responses((status = 200, body = ReplayView), Changes))]
pub async fn replay(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, id)): Named<(TenantName, JobId)>,
    Sent(body): Sent<ReplayBody>,
) -> Result<Json<ReplayView>, Problem> {
    act::dead::replay(&site, &caller, &tenant, (&id, &body)).await.map(Json)
}

/// Removes a dead letter for good.
#[utoipa::path(delete, path = "/tenants/{tenant}/dead/{id}", tag = "dead letters",
    params(("tenant" = String, Path), ("id" = String, Path)), responses((status = 204), Changes))]
pub async fn remove(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, id)): Named<(TenantName, JobId)>,
) -> Result<StatusCode, Problem> {
    act::dead::remove(&site, &caller, &tenant, &id).await.map(|()| StatusCode::NO_CONTENT)
}

//! Queues, pauses and limits.

use super::extract::{Named, Sent};
use super::refused::{Changes, Reads};
use crate::http::act;
use crate::http::act::control::{LimitBody, PauseBody, PausedView, limit_scope};
use crate::http::auth::Caller;
use crate::http::look;
use crate::http::look::control::{LimitView, PauseView};
use crate::http::look::queues::QueueView;
use crate::http::problem::Problem;
use crate::http::site::Site;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lovage_job::limit::PauseScope;
use lovage_job::name::{QueueName, TaskName, TenantName};
use std::sync::Arc;

/// Lists the queues that a worker has served: what waits, what runs, how old the oldest job is.
#[utoipa::path(get, path = "/tenants/{tenant}/queues", tag = "queues", params(("tenant" = String, Path)),
    responses((status = 200, body = Vec<QueueView>), Reads))]
pub async fn list(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
) -> Result<Json<Vec<QueueView>>, Problem> {
    look::queues::list(&site, &caller, &tenant).await.map(Json)
}

/// Lists what is paused.
#[utoipa::path(get, path = "/tenants/{tenant}/pauses", tag = "queues", params(("tenant" = String, Path)),
    responses((status = 200, body = Vec<PauseView>), Reads))]
pub async fn pauses(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
) -> Result<Json<Vec<PauseView>>, Problem> {
    look::control::pauses(&site, &caller, &tenant).await.map(Json)
}

/// Pauses every job of the tenant; attempts that run go on.
#[utoipa::path(post, path = "/tenants/{tenant}/pause", tag = "queues", request_body = PauseBody,
    params(("tenant" = String, Path)), responses((status = 200, body = PausedView), Changes))]
pub async fn pause_tenant(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Sent(body): Sent<PauseBody>,
) -> Result<Json<PausedView>, Problem> {
    act::control::pause(&site, &caller, &tenant, (&PauseScope::Tenant, &body)).await.map(Json)
}

/// Resumes the tenant.
#[utoipa::path(post, path = "/tenants/{tenant}/resume", tag = "queues", params(("tenant" = String, Path)),
    responses((status = 200, body = PausedView), Changes))]
pub async fn resume_tenant(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
) -> Result<Json<PausedView>, Problem> {
    act::control::resume(&site, &caller, &tenant, &PauseScope::Tenant).await.map(Json)
}

/// Pauses a queue.
#[utoipa::path(post, path = "/tenants/{tenant}/queues/{queue}/pause", tag = "queues", request_body = PauseBody,
    params(("tenant" = String, Path), ("queue" = String, Path)), responses((status = 200, body = PausedView), Changes))]
pub async fn pause_queue(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, queue)): Named<(TenantName, QueueName)>,
    Sent(body): Sent<PauseBody>,
) -> Result<Json<PausedView>, Problem> {
    act::control::pause(&site, &caller, &tenant, (&PauseScope::Queue(queue), &body)).await.map(Json)
}

/// Resumes a queue.
#[utoipa::path(post, path = "/tenants/{tenant}/queues/{queue}/resume", tag = "queues",
    params(("tenant" = String, Path), ("queue" = String, Path)), responses((status = 200, body = PausedView), Changes))]
pub async fn resume_queue(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, queue)): Named<(TenantName, QueueName)>,
) -> Result<Json<PausedView>, Problem> {
    act::control::resume(&site, &caller, &tenant, &PauseScope::Queue(queue)).await.map(Json)
}

/// Pauses a task.
#[utoipa::path(post, path = "/tenants/{tenant}/tasks/{task}/pause", tag = "queues", request_body = PauseBody,
    params(("tenant" = String, Path), ("task" = String, Path)), responses((status = 200, body = PausedView), Changes))]
pub async fn pause_task(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, task)): Named<(TenantName, TaskName)>,
    Sent(body): Sent<PauseBody>,
) -> Result<Json<PausedView>, Problem> {
    act::control::pause(&site, &caller, &tenant, (&PauseScope::Task(task), &body)).await.map(Json)
}

/// Resumes a task.
#[utoipa::path(post, path = "/tenants/{tenant}/tasks/{task}/resume", tag = "queues",
    params(("tenant" = String, Path), ("task" = String, Path)), responses((status = 200, body = PausedView), Changes))]
pub async fn resume_task(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, task)): Named<(TenantName, TaskName)>,
) -> Result<Json<PausedView>, Problem> {
    act::control::resume(&site, &caller, &tenant, &PauseScope::Task(task)).await.map(Json)
}

/// Lists the limits.
#[utoipa::path(get, path = "/tenants/{tenant}/limits", tag = "queues", params(("tenant" = String, Path)),
    responses((status = 200, body = Vec<LimitView>), Reads))]
pub async fn limits(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
) -> Result<Json<Vec<LimitView>>, Problem> {
    look::control::limits(&site, &caller, &tenant).await.map(Json)
}

/// Sets a limit of a queue, a task, a task's keys, or (with any name) the tenant.
#[utoipa::path(put, path = "/tenants/{tenant}/limits/{scope}/{name}", tag = "queues", request_body = LimitBody,
    params(("tenant" = String, Path), ("scope" = String, Path, description = "tenant, queue, task or key"), ("name" = String, Path)),
    responses((status = 204), Changes))]
pub async fn set_limit(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, scope, name)): Named<(TenantName, String, String)>,
    Sent(body): Sent<LimitBody>,
) -> Result<StatusCode, Problem> {
    let scope = limit_scope(&scope, &name)?;
    act::control::set_limit(&site, &caller, &tenant, (&scope, &body)).await.map(|()| StatusCode::NO_CONTENT)
}

/// Removes a limit.
#[utoipa::path(delete, path = "/tenants/{tenant}/limits/{scope}/{name}", tag = "queues",
    params(("tenant" = String, Path), ("scope" = String, Path, description = "tenant, queue, task or key"), ("name" = String, Path)),
    responses((status = 204), Changes))]
pub async fn remove_limit(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, scope, name)): Named<(TenantName, String, String)>,
) -> Result<StatusCode, Problem> {
    let scope = limit_scope(&scope, &name)?;
    act::control::remove_limit(&site, &caller, &tenant, &scope).await.map(|()| StatusCode::NO_CONTENT)
}

//! Workers. They belong to no tenant, so tokens of one tenant see none.

use super::extract::Named;
use super::refused::{Changes, Reads};
use crate::http::act;
use crate::http::act::workers::Tell;
use crate::http::auth::Caller;
use crate::http::look;
use crate::http::look::workers::WorkerView;
use crate::http::problem::Problem;
use crate::http::site::Site;
use axum::Json;
use axum::extract::State;
use lovage_job::name::JobId;
use std::sync::Arc;

/// Lists the workers that run now.
#[utoipa::path(get, path = "/workers", tag = "workers", responses((status = 200, body = Vec<WorkerView>), Reads))]
pub async fn list(State(site): State<Arc<Site>>, caller: Caller) -> Result<Json<Vec<WorkerView>>, Problem> {
    look::workers::list(&site, &caller).await.map(Json)
}

/// Lets a worker take no new jobs; it stays, and running ones go on.
#[utoipa::path(post, path = "/workers/{name}/quiet", tag = "workers", params(("name" = String, Path)),
    responses((status = 200, body = WorkerView), Changes))]
pub async fn quiet(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(name): Named<JobId>,
) -> Result<Json<WorkerView>, Problem> {
    act::workers::tell(&site, &caller, (&name, Tell::Quiet)).await.map(|info| Json(info.into()))
}

/// Lets a quiet worker take jobs again.
#[utoipa::path(post, path = "/workers/{name}/resume", tag = "workers", params(("name" = String, Path)),
    responses((status = 200, body = WorkerView), Changes))]
pub async fn resume(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(name): Named<JobId>,
) -> Result<Json<WorkerView>, Problem> {
    act::workers::tell(&site, &caller, (&name, Tell::Resume)).await.map(|info| Json(info.into()))
}

/// Lets a worker take no new jobs and end when its running ones have.
#[utoipa::path(post, path = "/workers/{name}/drain", tag = "workers", params(("name" = String, Path)),
    responses((status = 200, body = WorkerView), Changes))]
pub async fn drain(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(name): Named<JobId>,
) -> Result<Json<WorkerView>, Problem> {
    act::workers::tell(&site, &caller, (&name, Tell::Drain)).await.map(|info| Json(info.into()))
}

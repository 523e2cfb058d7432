//! Schedules.

use super::extract::{Asked, Named, Sent};
use super::listed::Listed;
use super::refused::{Changes, Reads};
use crate::http::act::schedules::RunView;
use crate::http::act::{self, ScheduleBody};
use crate::http::auth::Caller;
use crate::http::look;
use crate::http::look::schedules::ScheduleView;
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::site::Site;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lovage_job::name::{ScheduleName, TenantName};
use std::sync::Arc;

/// Lists the schedules, by name, each with its next tick.
#[utoipa::path(get, path = "/tenants/{tenant}/schedules", tag = "schedules",
    params(("tenant" = String, Path), Listed), responses((status = 200, body = Page<ScheduleView>), Reads))]
pub async fn list(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Asked(listed): Asked<Listed>,
) -> Result<Json<Page<ScheduleView>>, Problem> {
    look::schedules::list(&site, &caller, &tenant, listed.asked()).await.map(Json)
}

/// Shows a schedule with its next ticks and its last run.
#[utoipa::path(get, path = "/tenants/{tenant}/schedules/{name}", tag = "schedules",
    params(("tenant" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ScheduleView), Reads))]
pub async fn schedule(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, name)): Named<(TenantName, ScheduleName)>,
) -> Result<Json<ScheduleView>, Problem> {
    look::schedules::schedule(&site, &caller, &tenant, &name).await.map(Json)
}

/// Stores a schedule, in the place of one of its name.
#[utoipa::path(put, path = "/tenants/{tenant}/schedules/{name}", tag = "schedules", request_body = ScheduleBody,
    params(("tenant" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ScheduleView), (status = 201, description = "there was none", body = ScheduleView), Changes))]
pub async fn put(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, name)): Named<(TenantName, ScheduleName)>,
    Sent(body): Sent<ScheduleBody>,
) -> Result<(StatusCode, Json<ScheduleView>), Problem> {
    let (record, added) = act::schedules::put(&site, &caller, &tenant, (&name, &body)).await?;
    let status = if added { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ScheduleView::one(&caller, &record))))
}

/// Removes a schedule; its runs that wait stay.
#[utoipa::path(delete, path = "/tenants/{tenant}/schedules/{name}", tag = "schedules",
    params(("tenant" = String, Path), ("name" = String, Path)), responses((status = 204), Changes))]
pub async fn remove(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, name)): Named<(TenantName, ScheduleName)>,
) -> Result<StatusCode, Problem> {
    act::schedules::remove(&site, &caller, &tenant, &name).await.map(|()| StatusCode::NO_CONTENT)
}

/// Pauses a schedule: it has no ticks until it is resumed.
#[utoipa::path(post, path = "/tenants/{tenant}/schedules/{name}/pause", tag = "schedules",
    params(("tenant" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ScheduleView), Changes))]
pub async fn pause(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, name)): Named<(TenantName, ScheduleName)>,
) -> Result<Json<ScheduleView>, Problem> {
    let record = act::schedules::set_paused(&site, &caller, &tenant, (&name, true)).await?;
    Ok(Json(ScheduleView::one(&caller, &record)))
}

/// Resumes a schedule.
#[utoipa::path(post, path = "/tenants/{tenant}/schedules/{name}/resume", tag = "schedules",
    params(("tenant" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ScheduleView), Changes))]
pub async fn resume(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, name)): Named<(TenantName, ScheduleName)>,
) -> Result<Json<ScheduleView>, Problem> {
    let record = act::schedules::set_paused(&site, &caller, &tenant, (&name, false)).await?;
    Ok(Json(ScheduleView::one(&caller, &record)))
}

/// Runs a schedule's job now, whatever its times.
#[utoipa::path(post, path = "/tenants/{tenant}/schedules/{name}/run", tag = "schedules",
    params(("tenant" = String, Path), ("name" = String, Path)), responses((status = 201, body = RunView), Changes))]
pub async fn run(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, name)): Named<(TenantName, ScheduleName)>,
) -> Result<(StatusCode, Json<RunView>), Problem> {
    let run = act::schedules::run(&site, &caller, &tenant, &name).await?;
    Ok((StatusCode::CREATED, Json(run)))
}

//! Tasks, versions, aliases, grants, and components that are uploaded.

use super::extract::{Asked, Named, Sent, too_slow};
use super::listed::Listed;
use super::refused::{Changes, Reads};
use crate::http::act;
use crate::http::act::push::{COMPONENT_BYTES_MAX, PushQuery};
use crate::http::act::tasks::{AliasView, GrantsBody, GrantsView, PromoteBody};
use crate::http::auth::{Caller, Role};
use crate::http::look;
use crate::http::look::tasks::TaskView;
use crate::http::page::Page;
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use lovage_job::name::{AliasName, TaskName, TenantName, VersionName};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long a component may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(90);

/// Lists the tasks, by name.
#[utoipa::path(get, path = "/tenants/{tenant}/tasks", tag = "tasks", params(("tenant" = String, Path), Listed),
    responses((status = 200, body = Page<TaskView>), Reads))]
pub async fn list(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Asked(listed): Asked<Listed>,
) -> Result<Json<Page<TaskView>>, Problem> {
    look::tasks::list(&site, &caller, &tenant, listed.asked()).await.map(Json)
}

/// Shows a task.
#[utoipa::path(get, path = "/tenants/{tenant}/tasks/{task}", tag = "tasks",
    params(("tenant" = String, Path), ("task" = String, Path)), responses((status = 200, body = TaskView), Reads))]
pub async fn task(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, task)): Named<(TenantName, TaskName)>,
) -> Result<Json<TaskView>, Problem> {
    look::tasks::task(&site, &caller, &tenant, &task).await.map(Json)
}

/// Removes a task with all its versions.
#[utoipa::path(delete, path = "/tenants/{tenant}/tasks/{task}", tag = "tasks",
    params(("tenant" = String, Path), ("task" = String, Path)), responses((status = 204), Changes))]
pub async fn remove(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, task)): Named<(TenantName, TaskName)>,
) -> Result<StatusCode, Problem> {
    act::tasks::remove(&site, &caller, &tenant, &task).await.map(|()| StatusCode::NO_CONTENT)
}

/// Shows a version: schemas, limits, imports, signatures.
#[utoipa::path(get, path = "/tenants/{tenant}/tasks/{task}/versions/{version}", tag = "tasks",
    params(("tenant" = String, Path), ("task" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = Object), Reads))]
pub async fn version(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, task, version)): Named<(TenantName, TaskName, VersionName)>,
) -> Result<Json<Value>, Problem> {
    let record = look::tasks::version(&site, &caller, &tenant, (&task, &version)).await?;
    serde_json::to_value(record).map(Json).map_err(Problem::internal)
}

/// Removes a version that no alias names.
#[utoipa::path(delete, path = "/tenants/{tenant}/tasks/{task}/versions/{version}", tag = "tasks",
    params(("tenant" = String, Path), ("task" = String, Path), ("version" = String, Path)),
    responses((status = 204), Changes))]
pub async fn remove_version(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, task, version)): Named<(TenantName, TaskName, VersionName)>,
) -> Result<StatusCode, Problem> {
    act::tasks::remove_version(&site, &caller, &tenant, (&task, &version)).await.map(|()| StatusCode::NO_CONTENT)
}

/// Makes an alias name a version, or several with shares.
#[utoipa::path(put, path = "/tenants/{tenant}/tasks/{task}/aliases/{alias}", tag = "tasks", request_body = PromoteBody,
    params(("tenant" = String, Path), ("task" = String, Path), ("alias" = String, Path)),
    responses((status = 200, body = AliasView), Changes))]
pub async fn promote(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, task, alias)): Named<(TenantName, TaskName, AliasName)>,
    Sent(body): Sent<PromoteBody>,
) -> Result<Json<AliasView>, Problem> {
    act::tasks::promote(&site, &caller, &tenant, (&task, &alias, &body)).await.map(Json)
}

/// Makes an alias name again what it named before.
#[utoipa::path(post, path = "/tenants/{tenant}/tasks/{task}/aliases/{alias}/rollback", tag = "tasks",
    params(("tenant" = String, Path), ("task" = String, Path), ("alias" = String, Path)),
    responses((status = 200, body = AliasView), Changes))]
pub async fn roll_back(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, task, alias)): Named<(TenantName, TaskName, AliasName)>,
) -> Result<Json<AliasView>, Problem> {
    act::tasks::roll_back(&site, &caller, &tenant, (&task, &alias)).await.map(Json)
}

/// Grants a task more beyond its sandbox, within the tenant's ceiling, or takes it away; at once.
#[utoipa::path(post, path = "/tenants/{tenant}/tasks/{task}/grants", tag = "tasks", request_body = GrantsBody,
    params(("tenant" = String, Path), ("task" = String, Path)), responses((status = 200, body = GrantsView), Changes))]
pub async fn grant(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, task)): Named<(TenantName, TaskName)>,
    Sent(body): Sent<GrantsBody>,
) -> Result<Json<GrantsView>, Problem> {
    act::tasks::grant(&site, &caller, &tenant, (&task, &body)).await.map(Json)
}

/// Uploads a component, which is checked to the end before anything is stored. A push that was made before is answered as
/// existing.
#[utoipa::path(post, path = "/tenants/{tenant}/components", tag = "tasks",
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    params(("tenant" = String, Path), PushQuery), responses((status = 201, body = Vec<Object>), Changes))]
pub async fn push(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Asked(query): Asked<PushQuery>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    // who may not push does not make this server read 64 MiB
    caller.may(&tenant, Role::Operator)?;
    let receiving = site.limits.receive(&caller.name)?;
    let bytes = read(body).await?;
    let pushed = act::push::push(&site, &caller, &tenant, (&query, bytes)).await?;
    drop(receiving);
    serde_json::to_value(pushed).map(|pushed| (StatusCode::CREATED, Json(pushed))).map_err(Problem::internal)
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    match tokio::time::timeout(ARRIVES_WITHIN, axum::body::to_bytes(body, COMPONENT_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_length(&error) => {
            Err(Problem::new(Code::TooLarge, format_args!("a component has at most {COMPONENT_BYTES_MAX} bytes")))
        }
        Ok(Err(error)) => Err(Problem::new(Code::BadRequest, error)),
        Err(_) => Err(too_slow()),
    }
}

fn is_length(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

//! Tenants, what they use, and the audit trail.

use super::extract::{Asked, Named, Sent};
use super::listed::Listed;
use super::refused::{Changes, Reads};
use crate::http::act::{self, TenantBody};
use crate::http::auth::Caller;
use crate::http::look;
use crate::http::look::audit::{AuditAsked, AuditView};
use crate::http::look::tenants::{TenantView, UsageView};
use crate::http::page::Page;
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lovage_job::audit::AuditKind;
use lovage_job::name::TenantName;
use lovage_job::unit::parse_span;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// How many days.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct UsageQuery {
    /// How many days, the present one included: 1 to 400, 7 where nothing is said.
    days: Option<u32>,
}

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct AuditQuery {
    /// Of this kind alone, such as catalog.
    kind: Option<String>,
    /// Not older than this, such as 2h; a day where nothing is said.
    since: Option<String>,
    /// How many at most: 1 to 500, 50 where nothing is said.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// Lists the tenants that the token opens, by name.
#[utoipa::path(get, path = "/tenants", tag = "tenants", params(Listed),
    responses((status = 200, body = Page<TenantView>), Reads))]
pub async fn list(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Asked(listed): Asked<Listed>,
) -> Result<Json<Page<TenantView>>, Problem> {
    look::tenants::list(&site, &caller, listed.asked()).await.map(Json)
}

/// Shows a tenant.
#[utoipa::path(get, path = "/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path)),
    responses((status = 200, body = TenantView), Reads))]
pub async fn tenant(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
) -> Result<Json<TenantView>, Problem> {
    look::tenants::tenant(&site, &caller, &tenant).await.map(Json)
}

/// Adds a tenant without users at the broker.
#[utoipa::path(post, path = "/tenants/{tenant}", tag = "tenants", request_body = TenantBody,
    params(("tenant" = String, Path)), responses((status = 201, body = TenantView), Changes))]
pub async fn add(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Sent(body): Sent<TenantBody>,
) -> Result<(StatusCode, Json<TenantView>), Problem> {
    let record = act::tenants::add(&site, &caller, (&tenant, &body)).await?;
    Ok((StatusCode::CREATED, Json(TenantView::from(&record))))
}

/// Changes what a tenant may use; what is left out stays.
#[utoipa::path(patch, path = "/tenants/{tenant}", tag = "tenants", request_body = TenantBody,
    params(("tenant" = String, Path)), responses((status = 200, body = TenantView), Changes))]
pub async fn set(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Sent(body): Sent<TenantBody>,
) -> Result<Json<TenantView>, Problem> {
    let record = act::tenants::set(&site, &caller, (&tenant, &body)).await?;
    Ok(Json(TenantView::from(&record)))
}

/// Removes a tenant with all that it has. There is no way back.
#[utoipa::path(delete, path = "/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path)),
    responses((status = 204), Changes))]
pub async fn remove(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
) -> Result<StatusCode, Problem> {
    act::tenants::remove(&site, &caller, &tenant).await.map(|()| StatusCode::NO_CONTENT)
}

/// What a tenant has used, day by day in UTC, and what it stores now.
#[utoipa::path(get, path = "/tenants/{tenant}/usage", tag = "tenants", params(("tenant" = String, Path), UsageQuery),
    responses((status = 200, body = UsageView), Reads))]
pub async fn usage(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Asked(query): Asked<UsageQuery>,
) -> Result<Json<UsageView>, Problem> {
    look::tenants::usage(&site, &caller, &tenant, query.days).await.map(Json)
}

/// Who changed what, and what was refused, oldest first.
#[utoipa::path(get, path = "/tenants/{tenant}/audit", tag = "tenants", params(("tenant" = String, Path), AuditQuery),
    responses((status = 200, body = Page<AuditView>), Reads))]
pub async fn audit(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Asked(query): Asked<AuditQuery>,
) -> Result<Json<Page<AuditView>>, Problem> {
    let bad =
        |what: &str, error: &dyn std::fmt::Display| Problem::new(Code::BadRequest, format_args!("{what}: {error}"));
    let kind = query.kind.as_deref().map(|text| AuditKind::parse(text).ok_or_else(|| bad("kind", &"it is none")));
    let since = query.since.as_deref().map(parse_span).transpose().map_err(|error| bad("since", &error))?;
    let asked = AuditAsked { kind: kind.transpose()?, since, limit: query.limit, after: query.after };
    look::audit::list(&site, &caller, &tenant, &asked).await.map(Json)
}

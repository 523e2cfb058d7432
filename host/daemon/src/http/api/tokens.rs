//! Tokens of a tenant, and those for all.

use super::extract::{Named, Sent};
use super::refused::{Changes, Reads};
use crate::http::act;
use crate::http::act::tokens::{MadeView, TokenBody};
use crate::http::auth::Caller;
use crate::http::look;
use crate::http::look::tokens::TokenView;
use crate::http::problem::Problem;
use crate::http::site::Site;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lovage_job::name::{TenantName, TokenName};
use std::sync::Arc;

/// Lists the tokens of a tenant.
#[utoipa::path(get, path = "/tenants/{tenant}/tokens", tag = "tokens", params(("tenant" = String, Path)),
    responses((status = 200, body = Vec<TokenView>), Reads))]
pub async fn list(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
) -> Result<Json<Vec<TokenView>>, Problem> {
    look::tokens::list(&site, &caller, Some(&tenant)).await.map(Json)
}

/// Makes a token of a tenant. It is shown this once.
#[utoipa::path(post, path = "/tenants/{tenant}/tokens", tag = "tokens", request_body = TokenBody,
    params(("tenant" = String, Path)), responses((status = 201, body = MadeView), Changes))]
pub async fn add(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Sent(body): Sent<TokenBody>,
) -> Result<(StatusCode, Json<MadeView>), Problem> {
    let made = act::tokens::add(&site, &caller, (Some(&tenant), &body)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Removes a token of a tenant. It opens nothing any more.
#[utoipa::path(delete, path = "/tenants/{tenant}/tokens/{name}", tag = "tokens",
    params(("tenant" = String, Path), ("name" = String, Path)), responses((status = 204), Changes))]
pub async fn remove(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, name)): Named<(TenantName, TokenName)>,
) -> Result<StatusCode, Problem> {
    act::tokens::remove(&site, &caller, (Some(&tenant), &name)).await.map(|()| StatusCode::NO_CONTENT)
}

/// Lists the tokens for all tenants.
#[utoipa::path(get, path = "/tokens", tag = "tokens", responses((status = 200, body = Vec<TokenView>), Reads))]
pub async fn list_of_all(State(site): State<Arc<Site>>, caller: Caller) -> Result<Json<Vec<TokenView>>, Problem> {
    look::tokens::list(&site, &caller, None).await.map(Json)
}

/// Makes a token for all tenants. It is shown this once.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = TokenBody,
    responses((status = 201, body = MadeView), Changes))]
pub async fn add_of_all(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Sent(body): Sent<TokenBody>,
) -> Result<(StatusCode, Json<MadeView>), Problem> {
    let made = act::tokens::add(&site, &caller, (None, &body)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Removes a token for all tenants. It opens nothing any more.
#[utoipa::path(delete, path = "/tokens/{name}", tag = "tokens", params(("name" = String, Path)),
    responses((status = 204), Changes))]
pub async fn remove_of_all(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(name): Named<TokenName>,
) -> Result<StatusCode, Problem> {
    act::tokens::remove(&site, &caller, (None, &name)).await.map(|()| StatusCode::NO_CONTENT)
}

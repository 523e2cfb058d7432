//! `/metrics`: the numbers of the cluster, for whoever may see all tenants. A scraper sends a token as any other caller
//! does; a tenant's own token does not do, since the numbers are of everyone.

use super::auth::{Caller, Role};
use super::problem::Problem;
use super::site::Site;
use crate::telemetry::health::scraped;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use std::sync::Arc;

/// The route.
pub fn router() -> Router<Arc<Site>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(site): State<Arc<Site>>, caller: Caller, headers: HeaderMap) -> Result<Response, Problem> {
    caller.of_all(Role::Viewer)?;
    Ok(scraped(&site.metrics, &headers).await)
}

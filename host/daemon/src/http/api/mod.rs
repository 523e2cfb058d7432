//! The API for programs, under `/api/v1`. Its description is made from the code of its routes.

mod me;
mod refused;

use super::auth;
use super::problem::{Code, Problem, ProblemBody};
use super::site::Site;
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::{Json, Router, routing};
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the description says beside its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lovage",
        description = "Submits jobs, follows them, and looks after tasks, schedules, tenants and workers. Errors are \
                       problem+json (RFC 9457) whose codes stay the same over versions.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ProblemBody)),
    security(("token" = [])),
    modifiers(&Token)
)]
struct Described;

struct Token;

impl Modify for Token {
    fn modify(&self, described: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("lvg_…").build();
        if let Some(components) = &mut described.components {
            components.add_security_scheme("token", SecurityScheme::Http(scheme));
        }
    }
}

/// Where the routes are.
const ROOT: &str = "/api/v1";

/// Every route, with its description.
fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(me::me))
}

/// The description of the API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    OpenApiRouter::with_openapi(Described::openapi()).nest(ROOT, routes()).into_openapi()
}

/// The routes of the API. All but its description need a caller.
pub fn router() -> Router<Arc<Site>> {
    let (routes, _) = routes().split_for_parts();
    let routes = routes.fallback(no_route).method_not_allowed_fallback(no_method).layer(from_fn(auth::require));
    let description = Arc::new(openapi());
    let show = move || std::future::ready(Json(description.as_ref()).into_response());
    Router::new()
        .nest(ROOT, routes)
        .route("/api/openapi.json", routing::get(show))
        .route("/api/{*rest}", routing::any(no_route))
}

async fn no_route() -> Problem {
    Problem::not_found("such route")
}

async fn no_method() -> Problem {
    Problem::new(Code::NoMethod, "the description of the API is at /api/openapi.json")
}

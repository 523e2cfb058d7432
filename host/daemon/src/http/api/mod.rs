//! The API for programs, under `/api/v1`. Its description is made from the code of its routes.

mod dead;
mod extract;
mod jobs;
mod listed;
mod live;
mod me;
mod past;
mod queues;
mod refused;
mod schedules;
mod tasks;
mod tenants;
mod tokens;
mod workers;

use super::auth;
use super::problem::{Code, Problem, ProblemBody};
use super::site::Site;
use axum::extract::DefaultBodyLimit;
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
    OpenApiRouter::new()
        .routes(routes!(me::me))
        .merge(of_jobs())
        .merge(of_tasks())
        .merge(of_queues())
        .merge(of_tenants())
}

fn of_jobs() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new()
        .routes(routes!(jobs::submit, jobs::list))
        .routes(routes!(jobs::submit_bulk))
        .routes(routes!(jobs::job))
        .routes(routes!(jobs::wait))
        .routes(routes!(jobs::output))
        .routes(routes!(jobs::logs))
        .routes(routes!(jobs::cancel))
        .routes(routes!(live::logs))
        .routes(routes!(live::events))
        .routes(routes!(dead::list))
        .routes(routes!(dead::letter, dead::remove))
        .routes(routes!(dead::replay))
        .routes(routes!(past::series))
        .routes(routes!(past::breakdown))
}

fn of_tasks() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new()
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::task, tasks::remove))
        .routes(routes!(tasks::version, tasks::remove_version))
        .routes(routes!(tasks::promote))
        .routes(routes!(tasks::roll_back))
        .routes(routes!(tasks::grant))
        .merge(OpenApiRouter::new().routes(routes!(tasks::push)).layer(DefaultBodyLimit::disable()))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::schedule, schedules::put, schedules::remove))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(schedules::run))
}

fn of_queues() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new()
        .routes(routes!(queues::list))
        .routes(routes!(queues::pauses))
        .routes(routes!(queues::pause_tenant))
        .routes(routes!(queues::resume_tenant))
        .routes(routes!(queues::pause_queue))
        .routes(routes!(queues::resume_queue))
        .routes(routes!(queues::pause_task))
        .routes(routes!(queues::resume_task))
        .routes(routes!(queues::limits))
        .routes(routes!(queues::set_limit, queues::remove_limit))
}

fn of_tenants() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new()
        .routes(routes!(tenants::list))
        .routes(routes!(tenants::tenant, tenants::add, tenants::set, tenants::remove))
        .routes(routes!(tenants::usage))
        .routes(routes!(tenants::audit))
        .routes(routes!(tokens::list, tokens::add))
        .routes(routes!(tokens::remove))
        .routes(routes!(tokens::list_of_all, tokens::add_of_all))
        .routes(routes!(tokens::remove_of_all))
        .routes(routes!(workers::list))
        .routes(routes!(workers::quiet))
        .routes(routes!(workers::resume))
        .routes(routes!(workers::drain))
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

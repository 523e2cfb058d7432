//! The HTTP server: the API for programs, the console for people, and what tells of its health.
//!
//! What changes something is in `act`, what reads is in `look`; the API and the console both call these, so that no rule
//! stands twice. Nothing outside of the command line knows this room.

pub mod act;
pub mod api;
pub mod auth;
pub mod console;
mod enter;
mod fence;
mod health;
mod idempotency;
pub mod limits;
mod listen;
pub mod look;
mod metrics;
mod page;
mod past;
pub mod problem;
mod server;
pub mod site;
mod tls;
mod told;
pub mod upload;

pub use enter::Within;
pub use page::{Cursor, Page};
pub use past::Past;
pub use server::{HttpOptions, HttpServer, ServeError};
pub use tls::TlsFiles;

use axum::Router;
use axum::middleware::from_fn;
use site::Site;
use std::sync::Arc;

/// All that the server answers.
pub fn router(site: Arc<Site>) -> Router {
    let inner =
        Router::new().merge(api::router()).merge(console::router()).merge(auth::router()).merge(metrics::router());
    let inner = fence::behind(inner.fallback(no_page), &site).layer(from_fn(console::pages_for_people));
    // who asks whether the server lives is not counted and needs no token
    fence::around(inner.merge(health::router())).with_state(site)
}

async fn no_page() -> problem::Problem {
    problem::Problem::not_found("such page")
}

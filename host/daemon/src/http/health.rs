//! Whether the server lives, and whether it can do its work.

use super::site::Site;
use async_nats::connection::State as Connection;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use std::sync::Arc;

/// `/livez` says that the process answers, `/readyz` that it can serve: it is connected to the broker and knows the
/// tokens. Both are open to everyone and tell nothing else.
pub fn router() -> Router<Arc<Site>> {
    Router::new().route("/livez", get(livez)).route("/readyz", get(readyz))
}

async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(site): State<Arc<Site>>) -> (StatusCode, &'static str) {
    let not = |why| (StatusCode::SERVICE_UNAVAILABLE, why);
    match (site.nats.connection_state(), site.stop.is_cancelled()) {
        (_, true) => not("stopping\n"),
        (Connection::Connected, false) => (StatusCode::OK, "ok\n"),
        (Connection::Disconnected | Connection::Pending, false) => not("no connection to the broker\n"),
    }
}

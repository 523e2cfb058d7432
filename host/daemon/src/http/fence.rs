//! What every request passes on its way in, and every answer on its way out.

use super::auth::identify;
use super::problem::{Code, Problem};
use super::site::Site;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;

/// The largest body, but for those of uploads.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a request may take until its answer begins, where its route says nothing else.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The longest that any route says: an upload that is compiled.
pub const ANSWER_WITHIN_MAX: Duration = Duration::from_secs(180);

/// What may be loaded by a page: what this server gives, and nothing that is written into the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Puts what needs to be known of a request before it is answered.
pub fn behind(router: Router<Arc<Site>>, site: &Arc<Site>) -> Router<Arc<Site>> {
    router
        .layer(from_fn(in_time))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(site.clone(), identify))
}

/// Puts what holds for all answers.
pub fn around(router: Router<Arc<Site>>) -> Router<Arc<Site>> {
    let panicked = |_| Problem::internal("a handler panicked").into_response();
    router.layer(CatchPanicLayer::custom(panicked)).layer(from_fn(headers))
}

async fn in_time(request: Request, next: Next) -> Response {
    let waits = request.uri().path().ends_with("/wait") || request.uri().path().ends_with("/components");
    let within = if waits { ANSWER_WITHIN_MAX } else { ANSWER_WITHIN };
    match tokio::time::timeout(within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::NotInTime, "the request was not done in time; try again").into_response(),
    }
}

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let map = response.headers_mut();
    for (name, value) in HEADERS {
        map.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // what one caller sees is not for the next one; files of the console say otherwise
    map.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

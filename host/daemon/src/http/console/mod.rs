//! The console: pages for people.

use super::site::Site;
use axum::Router;
use std::sync::Arc;

/// The pages.
pub fn router() -> Router<Arc<Site>> {
    Router::new()
}

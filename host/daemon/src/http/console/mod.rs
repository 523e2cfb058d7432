//! The console: pages for people, made on the server. What it reads comes from `look`, what it changes goes through
//! `act`; a page only says it in HTML.
//!
//! Nothing from outside is markup here: templates escape whatever they are given, and a test keeps them from saying
//! otherwise. The one thing that is not escaped is a chart, which this program draws itself.

mod answer;
mod assets;
mod body;
pub mod chart;
mod depths;
pub mod form;
mod pages;
mod shell;
mod state;
mod text;
mod told;
mod visit;

pub use answer::pages_for_people;

use super::site::Site;
use axum::routing::get;
use axum::{Extension, Router};
use std::sync::Arc;

/// The pages.
pub fn router() -> Router<Arc<Site>> {
    let files = Router::new().route("/assets/{name}", get(assets::serve));
    let state = Arc::<state::State>::default();
    pages::router().merge(files).layer(Extension(state))
}

#[cfg(test)]
mod templates_tests;

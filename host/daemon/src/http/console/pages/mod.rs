//! The pages, a file each: what it reads, and what its template shows.

mod audit;
mod bulk;
mod charts;
mod dead;
mod job;
mod job_acts;
mod job_events;
mod job_life;
mod jobs;
mod overview;
mod queues;
mod rows;
mod schedules;
mod task;
mod task_acts;
mod tasks;
mod tenants;
mod workers;

use super::answer;
use crate::http::site::Site;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use std::sync::Arc;

/// The largest upload, with what a browser puts around it.
const UPLOAD_BYTES_MAX: usize = (64 << 20) + (64 << 10);

/// The routes of the pages and of what they do.
pub fn router() -> Router<Arc<Site>> {
    let uploads =
        Router::new().route("/tasks/{tenant}", post(task_acts::upload)).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX));
    Router::new()
        .route("/", get(overview::show))
        .route("/login", get(answer::login))
        .route("/jobs", get(jobs::show))
        .route("/jobs/bulk", post(bulk::jobs))
        .route("/jobs/{tenant}/{id}", get(job::show))
        .route("/jobs/{tenant}/{id}/events", get(job_events::follow))
        .route("/jobs/{tenant}/{id}/cancel", post(job_acts::cancel))
        .route("/jobs/{tenant}/{id}/replay", post(job_acts::replay))
        .route("/tasks", get(tasks::show))
        .route("/tasks/{tenant}/{task}", get(task::show))
        .route("/tasks/{tenant}/{task}/submit", post(task_acts::submit))
        .route("/tasks/{tenant}/{task}/promote", post(task_acts::promote))
        .route("/tasks/{tenant}/{task}/rollback", post(task_acts::roll_back))
        .route("/tasks/{tenant}/{task}/pause", post(task_acts::pause))
        .route("/queues", get(queues::show))
        .route("/queues/{tenant}/{queue}/pause", post(queues::pause))
        .route("/schedules", get(schedules::show))
        .route("/schedules/{tenant}", post(schedules::put))
        .route("/schedules/{tenant}/{name}/{act}", post(schedules::act))
        .route("/workers", get(workers::show))
        .route("/workers/{name}/{act}", post(workers::act))
        .route("/dead", get(dead::show))
        .route("/dead/{tenant}/bulk", post(bulk::dead))
        .route("/tenants", get(tenants::show))
        .route("/audit", get(audit::show))
        .merge(uploads)
}

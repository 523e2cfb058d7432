//! What charts show, from the history.

use super::extract::{Asked, Named};
use super::jobs::{outcome, read};
use super::refused::Reads;
use crate::clock::now;
use crate::http::auth::Caller;
use crate::http::look;
use crate::http::look::ended::{BucketView, ShareView, Stretch};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use axum::Json;
use axum::extract::State;
use lovage_history::{Dimension, SeriesFilter};
use lovage_job::name::{QueueName, TaskName, TenantName, VersionName};
use lovage_job::unit::{UnixMs, parse_span};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// The stretch where nobody says which.
const SPAN: Duration = Duration::from_secs(86_400);
/// Points of a chart where nobody says how far apart.
const POINTS: u32 = 96;
/// The smallest step.
const MINUTE: Duration = Duration::from_secs(60);

/// Which jobs, when, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct SeriesQuery {
    /// From when on, as RFC 3339; a day back where nothing is said.
    from: Option<String>,
    /// Until when; now where nothing is said.
    to: Option<String>,
    /// How far apart points are, in whole minutes, such as 5m.
    step: Option<String>,
    /// By task, version, queue, outcome or worker.
    by: Option<String>,
    /// What the jobs ran.
    #[param(value_type = Option<String>)]
    task: Option<TaskName>,
    /// Where they waited.
    #[param(value_type = Option<String>)]
    queue: Option<QueueName>,
    /// The version that ran last.
    #[param(value_type = Option<String>)]
    version: Option<VersionName>,
    /// How they ended.
    outcome: Option<String>,
}

impl SeriesQuery {
    fn stretch(&self) -> Result<Stretch, Problem> {
        let now = now();
        let to = read("to", self.to.as_deref(), UnixMs::from_rfc3339)?.unwrap_or(now);
        let day = u64::try_from(SPAN.as_millis()).unwrap_or(0);
        let from = read("from", self.from.as_deref(), UnixMs::from_rfc3339)?;
        let from = from.unwrap_or(UnixMs(to.0.saturating_sub(day)));
        match from < to {
            true => Ok(Stretch { from, to }),
            false => Err(Problem::new(Code::BadRequest, "from is not before to")),
        }
    }

    fn filter(&self) -> Result<SeriesFilter, Problem> {
        let outcomes = outcome(self.outcome.as_deref())?.into_iter().collect();
        let (task, queue, version) = (self.task.clone(), self.queue.clone(), self.version.clone());
        Ok(SeriesFilter { task, queue, version, outcomes })
    }

    fn step(&self, stretch: Stretch) -> Result<Duration, Problem> {
        if let Some(step) = read("step", self.step.as_deref(), parse_span)? {
            return Ok(step);
        }
        let even = stretch.to.since(stretch.from) / POINTS;
        Ok(MINUTE * u32::try_from(even.as_secs().div_ceil(60).max(1)).unwrap_or(u32::MAX))
    }
}

/// Jobs that ended, over time.
#[utoipa::path(get, path = "/tenants/{tenant}/series", tag = "history", params(("tenant" = String, Path), SeriesQuery),
    responses((status = 200, body = Vec<BucketView>), Reads))]
pub async fn series(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Asked(query): Asked<SeriesQuery>,
) -> Result<Json<Vec<BucketView>>, Problem> {
    let stretch = query.stretch()?;
    let asked = (&query.filter()?, stretch, query.step(stretch)?);
    look::ended::series(&site, &caller, &tenant, asked).await.map(Json)
}

/// How jobs that ended share out, by `by`.
#[utoipa::path(get, path = "/tenants/{tenant}/breakdown", tag = "history",
    params(("tenant" = String, Path), SeriesQuery), responses((status = 200, body = Vec<ShareView>), Reads))]
pub async fn breakdown(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Asked(query): Asked<SeriesQuery>,
) -> Result<Json<Vec<ShareView>>, Problem> {
    let by = match query.by.as_deref() {
        None | Some("task") => Dimension::Task,
        Some("version") => Dimension::Version,
        Some("queue") => Dimension::Queue,
        Some("outcome") => Dimension::Outcome,
        Some("worker") => Dimension::Worker,
        Some(other) => return Err(Problem::new(Code::BadRequest, format_args!("by: {other:?} is none"))),
    };
    let asked = (&query.filter()?, query.stretch()?, by);
    look::ended::breakdown(&site, &caller, &tenant, asked).await.map(Json)
}

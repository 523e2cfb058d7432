//! Jobs: submitted, listed, looked at, waited for, cancelled.

use super::extract::{Asked, Named, Sent};
use super::refused::{Changes, Reads};
use crate::http::act::jobs::{BulkBody, BulkView, CancelBody, CancelView, SubmittedView};
use crate::http::act::{self, JobBody};
use crate::http::auth::Caller;
use crate::http::idempotency::{self, Key};
use crate::http::look::jobs::{JobDetailView, JobView, JobsAsked, state_of};
use crate::http::look::logs::LogView;
use crate::http::look::{self};
use crate::http::page::Page;
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lovage_history::JobFilter;
use lovage_job::header::TRACE_PARENT;
use lovage_job::name::{Digest, JobId, QueueName, TaskName, TenantName, VersionName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::trace::TraceContext;
use lovage_job::unit::{UnixMs, parse_span};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// The longest wait of one request; ask again after it.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The wait where nobody says how long.
const WAIT: Duration = Duration::from_secs(30);

/// Which jobs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct JobsQuery {
    /// queued, delayed, waiting-retry, held or done.
    state: Option<String>,
    /// What they run.
    #[param(value_type = Option<String>)]
    task: Option<TaskName>,
    /// Where they wait or waited.
    #[param(value_type = Option<String>)]
    queue: Option<QueueName>,
    /// How they ended, such as completed.
    outcome: Option<String>,
    /// A label that they carry.
    tag: Option<String>,
    /// Of jobs that ended: the version that ran last.
    #[param(value_type = Option<String>)]
    version: Option<VersionName>,
    /// The component that ran last.
    #[param(value_type = Option<String>)]
    digest: Option<Digest>,
    /// The worker of the last attempt.
    worker: Option<String>,
    /// Whether they ended as dead letters.
    dead: Option<bool>,
    /// How their ids begin.
    id_prefix: Option<String>,
    /// A text within their error.
    error_text: Option<String>,
    /// They ended at this time or later, as RFC 3339.
    finished_from: Option<String>,
    /// They ended before this time.
    finished_to: Option<String>,
    /// Their last attempt took longer than this, such as 2s.
    slower_than: Option<String>,
    /// How many at most: 1 to 500, 50 where nothing is said.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// How long.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct WaitQuery {
    /// How long to wait, such as 30s; at most 60s.
    timeout: Option<String>,
}

/// Which attempt.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct LogsQuery {
    /// This attempt alone.
    attempt: Option<u32>,
}

/// Reads the name of an outcome.
pub(super) fn outcome(text: Option<&str>) -> Result<Option<OutcomeKind>, Problem> {
    let bad = |text: &str| Problem::new(Code::BadRequest, format_args!("outcome {text:?} is none"));
    let read = |text: &str| serde_json::from_value(text.into()).map_err(|_| bad(text));
    text.map(read).transpose()
}

/// Reads a field of a query, or says which one is wrong.
pub(super) fn read<T, E: std::fmt::Display>(
    name: &str,
    text: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    text.map(read).transpose().map_err(|error| Problem::new(Code::BadRequest, format_args!("{name}: {error}")))
}

impl JobsQuery {
    fn asked(self) -> Result<JobsAsked, Problem> {
        let state = |text: &str| state_of(text).ok_or_else(|| format!("{text:?} is none"));
        let state = read("state", self.state.as_deref(), state)?;
        let filter = JobFilter {
            outcomes: outcome(self.outcome.as_deref())?.into_iter().collect(),
            finished_from: read("finished_from", self.finished_from.as_deref(), UnixMs::from_rfc3339)?,
            finished_to: read("finished_to", self.finished_to.as_deref(), UnixMs::from_rfc3339)?,
            slower_than: read("slower_than", self.slower_than.as_deref(), parse_span)?,
            task: self.task,
            queue: self.queue,
            version: self.version,
            digest: self.digest,
            worker: self.worker,
            tag: self.tag,
            dead: self.dead,
            id_prefix: self.id_prefix,
            error_text: self.error_text,
        };
        Ok(JobsAsked { state, filter, limit: self.limit, after: self.after })
    }
}

/// Submits a job.
///
/// Sent again with the same `Idempotency-Key` within a day, it is answered as the first time and does nothing more.
#[utoipa::path(post, path = "/tenants/{tenant}/jobs", tag = "jobs", request_body = JobBody,
    params(("tenant" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = SubmittedView), (status = 200, description = "it was there before", body = SubmittedView), Changes))]
pub async fn submit(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    headers: HeaderMap,
    Sent(mut body): Sent<JobBody>,
) -> Result<Response, Problem> {
    let key = Key::of(&headers, &caller, &tenant)?;
    body.trace = trace_of(&headers);
    let submit = async {
        let submitted = act::jobs::submit(&site, &caller, &tenant, (key.as_ref(), &body)).await?;
        let status = if submitted.existing { StatusCode::OK } else { StatusCode::CREATED };
        Ok((status, submitted))
    };
    caller.may(&tenant, crate::http::auth::Role::Operator)?;
    idempotency::once(&site, &tenant, (key.as_ref(), &body), submit).await
}

/// The trace that a request is part of. What is no trace is as none.
fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    TraceContext::parse(headers.get(TRACE_PARENT)?.to_str().ok()?)
}

/// Submits many jobs; one that is refused does not stop the others.
#[utoipa::path(post, path = "/tenants/{tenant}/jobs/bulk", tag = "jobs", request_body = BulkBody,
    params(("tenant" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = BulkView), Changes))]
pub async fn submit_bulk(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    headers: HeaderMap,
    Sent(mut body): Sent<BulkBody>,
) -> Result<Response, Problem> {
    let key = Key::of(&headers, &caller, &tenant)?;
    let trace = trace_of(&headers);
    body.jobs.iter_mut().for_each(|job| job.trace = trace);
    let submit = async {
        let done = act::jobs::submit_bulk(&site, &caller, &tenant, (key.as_ref(), &body)).await?;
        Ok((StatusCode::OK, done))
    };
    caller.may(&tenant, crate::http::auth::Role::Operator)?;
    idempotency::once(&site, &tenant, (key.as_ref(), &body), submit).await
}

/// Lists jobs, newest first.
#[utoipa::path(get, path = "/tenants/{tenant}/jobs", tag = "jobs", params(("tenant" = String, Path), JobsQuery),
    responses((status = 200, body = Page<JobView>), Reads))]
pub async fn list(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Asked(query): Asked<JobsQuery>,
) -> Result<Json<Page<JobView>>, Problem> {
    look::jobs::list(&site, &caller, &tenant, &query.asked()?).await.map(Json)
}

/// Shows a job. A viewer does not see its output.
#[utoipa::path(get, path = "/tenants/{tenant}/jobs/{id}", tag = "jobs",
    params(("tenant" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = JobDetailView), Reads))]
pub async fn job(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, id)): Named<(TenantName, JobId)>,
) -> Result<Json<JobDetailView>, Problem> {
    look::jobs::job(&site, &caller, &tenant, &id).await.map(Json)
}

/// Waits for the end of a job. Where it has not ended in time, the answer says where it is.
#[utoipa::path(get, path = "/tenants/{tenant}/jobs/{id}/wait", tag = "jobs",
    params(("tenant" = String, Path), ("id" = String, Path), WaitQuery),
    responses((status = 200, body = JobDetailView), Reads))]
pub async fn wait(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, id)): Named<(TenantName, JobId)>,
    Asked(query): Asked<WaitQuery>,
) -> Result<Json<JobDetailView>, Problem> {
    let asked = query.timeout.as_deref().map(parse_span).transpose();
    let within = asked.map_err(|error| Problem::new(Code::BadRequest, format_args!("timeout: {error}")))?;
    let within = within.unwrap_or(WAIT);
    if within > WAIT_MAX {
        return Err(Problem::new(Code::BadRequest, "timeout: at most 60s; ask again after that"));
    }
    look::jobs::wait(&site, &caller, &tenant, (&id, within)).await.map(Json)
}

/// The whole output of a job that completed, as it is. Its type is not told: it comes from the guest.
#[utoipa::path(get, path = "/tenants/{tenant}/jobs/{id}/output", tag = "jobs",
    params(("tenant" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), Reads))]
pub async fn output(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, id)): Named<(TenantName, JobId)>,
) -> Result<Response, Problem> {
    let bytes = look::jobs::output(&site, &caller, &tenant, &id).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
    ];
    Ok((headers, bytes).into_response())
}

/// The logs of a job's attempts.
#[utoipa::path(get, path = "/tenants/{tenant}/jobs/{id}/logs", tag = "jobs",
    params(("tenant" = String, Path), ("id" = String, Path), LogsQuery),
    responses((status = 200, body = Vec<LogView>), Reads))]
pub async fn logs(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, id)): Named<(TenantName, JobId)>,
    Asked(query): Asked<LogsQuery>,
) -> Result<Json<Vec<LogView>>, Problem> {
    look::logs::logs(&site, &caller, &tenant, (&id, query.attempt)).await.map(Json)
}

/// Cancels a job, wherever it is. Safe to repeat.
#[utoipa::path(post, path = "/tenants/{tenant}/jobs/{id}/cancel", tag = "jobs", request_body = CancelBody,
    params(("tenant" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = CancelView), Changes))]
pub async fn cancel(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, id)): Named<(TenantName, JobId)>,
    Sent(body): Sent<CancelBody>,
) -> Result<Json<CancelView>, Problem> {
    act::jobs::cancel(&site, &caller, &tenant, (&id, &body)).await.map(Json)
}

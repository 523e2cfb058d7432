//! Submitting and cancelling jobs.

use super::JobBody;
use crate::http::auth::{Caller, Role};
use crate::http::enter::Within;
use crate::http::idempotency::Key;
use crate::http::problem::{Code, Problem, ProblemBody};
use crate::http::site::Site;
use futures::{StreamExt, stream};
use lovage_client::{CancelOptions, CancelOutcome, NewJob, Place, SubmitError, Submitted};
use lovage_job::audit::AuditKind;
use lovage_job::name::{JobId, TenantName};
use lovage_job::unit::{UnixMs, parse_span};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most jobs of one request.
pub const BULK_MAX: usize = 1_000;
/// Jobs of one request that are submitted at once.
const WINDOW: usize = 64;
/// The longest grace of a cancel: a request does not wait longer.
const GRACE_MAX_SECONDS: u64 = 20;

/// A job that the broker holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubmittedView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: JobId,
    /// Whether it was there before.
    pub existing: bool,
    /// queued, delayed, waiting-retry, held or done.
    pub state: &'static str,
    /// When it is due, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub due: Option<UnixMs>,
}

/// Jobs to be submitted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkBody {
    /// The jobs, at most 1,000.
    pub jobs: Vec<JobBody>,
}

/// What became of one of many: a job or a problem.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkItem {
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<SubmittedView>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<ProblemBody>,
}

/// What became of many jobs, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkView {
    /// How many were submitted.
    pub submitted: usize,
    /// Each.
    pub items: Vec<BulkItem>,
}

/// How a job is cancelled.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CancelBody {
    /// Why, for the record.
    pub reason: Option<String>,
    /// How long a guest that runs may go on after it was told, at most 20s.
    pub grace: Option<String>,
}

/// What became of a cancel.
#[derive(Debug, Serialize, ToSchema)]
pub struct CancelView {
    /// The job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// cancelled, requested (a worker that gets it cancels it) or already-done.
    pub outcome: &'static str,
}

impl From<Submitted> for SubmittedView {
    fn from(submitted: Submitted) -> Self {
        let Submitted { id, existing, place } = submitted;
        let due = match place {
            Place::Delayed { due } | Place::WaitingRetry { due } | Place::Held { due } => Some(due),
            Place::Queued | Place::Done(_) => None,
        };
        Self { id, existing, state: crate::http::look::jobs::state_name(place.state()), due }
    }
}

/// Submits a job.
pub async fn submit(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (key, body): (Option<&Key>, &JobBody),
) -> Result<SubmittedView, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let submitted = one(&within, key, body, 0).await?;
    let note = within.note(AuditKind::Submit, "job submit", &submitted.id);
    within.noted(note.after(serde_json::json!({"task": body.task, "existing": submitted.existing}))).await;
    Ok(submitted)
}

/// Submits many jobs. One that is refused does not stop the others.
pub async fn submit_bulk(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (key, body): (Option<&Key>, &BulkBody),
) -> Result<BulkView, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    if body.jobs.is_empty() || body.jobs.len() > BULK_MAX {
        let detail = format_args!("{} jobs are not between 1 and {BULK_MAX}", body.jobs.len());
        return Err(Problem::new(Code::BadBody, detail));
    }
    let submitting: Vec<_> = body.jobs.iter().enumerate().map(|(place, job)| one(&within, key, job, place)).collect();
    let done: Vec<_> = stream::iter(submitting).buffered(WINDOW).collect().await;
    let submitted = done.iter().filter(|one| one.is_ok()).count();
    let note = within.note(AuditKind::Submit, "job submit", format_args!("{submitted} jobs"));
    within.noted(note.after(serde_json::json!({"submitted": submitted, "refused": done.len() - submitted}))).await;
    let item = |one: Result<SubmittedView, Problem>| match one {
        Ok(job) => BulkItem { job: Some(job), problem: None },
        Err(problem) => BulkItem { job: None, problem: Some(problem.body()) },
    };
    Ok(BulkView { submitted, items: done.into_iter().map(item).collect() })
}

async fn one(within: &Within<'_>, key: Option<&Key>, body: &JobBody, place: usize) -> Result<SubmittedView, Problem> {
    let mut job = body.job()?;
    if job.id.is_none() && job.unique.is_none() {
        job.id = key.and_then(|key| key.job_id(place));
    }
    // nothing given is null, where the task takes JSON
    let null = (job.payload.is_empty() && body.input.is_none() && body.input_base64.is_none())
        .then(|| NewJob { payload: "null".into(), ..job.clone() }.content_type("application/json"));
    let submitted = match (within.client.submit(job).await, null) {
        (Err(error @ SubmitError::BadInput { .. }), Some(null)) => {
            within.client.submit(null).await.map_err(|_| error)?
        }
        (submitted, _) => submitted?,
    };
    Ok(submitted.into())
}

/// Cancels a job.
pub async fn cancel(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (id, body): (&JobId, &CancelBody),
) -> Result<CancelView, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let grace = body.grace.as_deref().map(parse_span).transpose();
    let grace = grace.map_err(|error| Problem::new(Code::BadBody, format_args!("grace: {error}")))?.unwrap_or_default();
    if grace.as_secs() > GRACE_MAX_SECONDS {
        return Err(Problem::new(Code::BadBody, format_args!("grace: at most {GRACE_MAX_SECONDS}s")));
    }
    let reason = body.reason.clone().unwrap_or_else(|| format!("cancelled by {}", caller.name));
    let done = within.client.cancel_with(id, &CancelOptions { reason: reason.clone(), grace }).await?;
    let outcome = match done {
        CancelOutcome::Cancelled => "cancelled",
        CancelOutcome::Requested => "requested",
        CancelOutcome::AlreadyDone(_) => "already-done",
    };
    let note = within.note(AuditKind::Jobs, "job cancel", id);
    within.noted(note.after(serde_json::json!({"outcome": outcome, "reason": reason}))).await;
    Ok(CancelView { id: id.clone(), outcome })
}

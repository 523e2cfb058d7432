//! Jobs that ended, from the history: searched, one of them, and as charts count them.

use super::jobs::{EndView, ErrorView, JobDetailView, JobView, state_name};
use super::payload::PayloadView;
use crate::http::auth::{Caller, Role};
use crate::http::page::{self, Page};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use lovage_client::ListState;
use lovage_history::{
    Bucket, Cursor, Dimension, JobDetail, JobFilter, JobRow, PageRequest, Scope, SeriesFilter, Share,
};
use lovage_job::name::{JobId, TenantName};
use lovage_job::unit::UnixMs;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// A point of a chart.
#[derive(Debug, Serialize, ToSchema)]
pub struct BucketView {
    /// Where it begins, in milliseconds since 1970.
    #[schema(value_type = u64)]
    pub at: UnixMs,
    /// Jobs that completed.
    pub completed: u64,
    /// Jobs that failed.
    pub failed: u64,
    /// Jobs that were cancelled, skipped or expired.
    pub other: u64,
    /// Of all these, jobs that took more than one attempt.
    pub retried: u64,
    /// Of all these, jobs that ended as dead letters.
    pub dead: u64,
    /// How long their last attempts took together, in microseconds.
    pub wall_us: u64,
    /// How long the last attempts took: half of them no longer than this; nothing where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// 95 of 100 of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_us: Option<u64>,
    /// 99 of 100 of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
}

/// The jobs of one label.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShareView {
    /// The task, version, queue, outcome or worker; empty where jobs have none.
    pub label: String,
    /// As in a chart.
    pub completed: u64,
    /// As in a chart.
    pub failed: u64,
    /// As in a chart.
    pub other: u64,
    /// As in a chart.
    pub retried: u64,
    /// As in a chart.
    pub dead: u64,
}

/// Which stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// From when on.
    pub from: UnixMs,
    /// Until when.
    pub to: UnixMs,
}

/// A page of jobs that ended, newest first. The caller has been let in.
pub(super) async fn list(
    site: &Site,
    tenant: &TenantName,
    filter: &JobFilter,
    (limit, after): (usize, Option<&str>),
) -> Result<Page<JobView>, Problem> {
    let store = site.past.store().await?;
    let bad = |_| Problem::new(Code::BadCursor, "give `next` of the page before, as it is");
    let after = after.map(str::parse::<Cursor>).transpose().map_err(bad)?;
    let limit = u32::try_from(limit).unwrap_or(page::LIMIT_MAX);
    let page = store.jobs(&Scope::Tenant(tenant.clone()), filter, &PageRequest { limit, after }).await?;
    Ok(Page { items: page.items.iter().map(view).collect(), next: page.next.map(|cursor| cursor.to_string()) })
}

/// A job that ended, whose result the broker has forgotten: all but its output. The caller has been let in.
pub(super) async fn job(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    id: &JobId,
) -> Result<Option<JobDetailView>, Problem> {
    if !site.past.is_kept() {
        return Ok(None);
    }
    let found = site.past.store().await?.job(tenant, id).await?;
    Ok(found.map(|found| detail(caller, found)))
}

fn view(row: &JobRow) -> JobView {
    JobView {
        id: row.id.clone(),
        state: state_name(ListState::Done),
        outcome: Some(row.outcome),
        task: row.task.clone(),
        queue: row.queue.clone(),
        priority: row.lane.map(|lane| lane.to_string()),
        attempt: row.attempts,
        published: Some(row.published),
        since: Some(row.finished),
        due: None,
        waits_for: None,
        tags: row.tags.clone(),
    }
}

fn detail(caller: &Caller, found: JobDetail) -> JobDetailView {
    let (job, row) = (view(&found.row), found.row);
    let error = found.error.map(|error| ErrorView { kind: error.kind, message: error.message });
    let end = EndView {
        version: row.version,
        digest: row.digest,
        worker: row.worker,
        started: row.started,
        finished: row.finished,
        wall_us: row.meter.wall_us,
        fuel_used: row.meter.fuel_used,
        memory_peak_bytes: row.meter.memory_peak_bytes,
        egress_bytes: row.meter.egress_bytes,
        error,
        attempts: serde_json::to_value(&found.trail).unwrap_or_default(),
        output: PayloadView::of(caller, b"", None),
    };
    JobDetailView { job, end: Some(end) }
}

/// Jobs over time.
pub async fn series(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (filter, stretch, step): (&SeriesFilter, Stretch, Duration),
) -> Result<Vec<BucketView>, Problem> {
    site.enter(caller, tenant, Role::Viewer).await?;
    let (store, scope) = (site.past.store().await?, Scope::Tenant(tenant.clone()));
    let buckets = store.series(&scope, filter, (stretch.from, stretch.to), step).await?;
    Ok(buckets.iter().map(bucket).collect())
}

fn bucket(bucket: &Bucket) -> BucketView {
    let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let quantile = |part: f64| bucket.latency.quantile(part).map(micros);
    BucketView {
        at: bucket.at,
        completed: bucket.completed,
        failed: bucket.failed,
        other: bucket.other,
        retried: bucket.retried,
        dead: bucket.dead,
        wall_us: bucket.wall_us_sum,
        p50_us: quantile(0.5),
        p95_us: quantile(0.95),
        p99_us: quantile(0.99),
    }
}

/// How jobs share out.
pub async fn breakdown(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (filter, stretch, by): (&SeriesFilter, Stretch, Dimension),
) -> Result<Vec<ShareView>, Problem> {
    site.enter(caller, tenant, Role::Viewer).await?;
    let (store, scope) = (site.past.store().await?, Scope::Tenant(tenant.clone()));
    let shares = store.breakdown(&scope, filter, (stretch.from, stretch.to), by).await?;
    let view = |share: Share| {
        let Share { label, completed, failed, other, retried, dead, .. } = share;
        ShareView { label, completed, failed, other, retried, dead }
    };
    Ok(shares.into_iter().map(view).collect())
}

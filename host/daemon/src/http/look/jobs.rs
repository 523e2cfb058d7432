//! Jobs: one, and lists of those that the broker holds.

use super::ended;
use super::payload::PayloadView;
use crate::http::auth::{Caller, Role};
use crate::http::page::{self, Page};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use lovage_client::{JobState, JobSummary, ListFilter, ListState, Place};
use lovage_history::JobFilter;
use lovage_job::name::{Digest, JobId, QueueName, TaskName, TenantName, VersionName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::result::JobResult;
use lovage_job::unit::UnixMs;
use serde::Serialize;
use std::collections::HashSet;
use std::time::Duration;
use utoipa::ToSchema;

/// A job in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobView {
    /// The job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// queued, delayed, waiting-retry, held or done.
    pub state: &'static str,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub outcome: Option<OutcomeKind>,
    /// What it runs; nothing where the message was no job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub task: Option<TaskName>,
    /// Its queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub queue: Option<QueueName>,
    /// high, normal or low.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// The attempt that waits, runs or was the last.
    pub attempt: u32,
    /// When it was published, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub published: Option<UnixMs>,
    /// Since when it is where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub since: Option<UnixMs>,
    /// When it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub due: Option<UnixMs>,
    /// What it waits for, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Its labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorView {
    /// The outcome that it is.
    #[schema(value_type = String)]
    pub kind: OutcomeKind,
    /// For people. It may come from the guest: never believe it.
    pub message: String,
}

/// A job that has ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndView {
    /// The version that ran last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub version: Option<VersionName>,
    /// The component that ran last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// The worker that ran it last.
    pub worker: String,
    /// When the last attempt began.
    #[schema(value_type = u64)]
    pub started: UnixMs,
    /// When it ended.
    #[schema(value_type = u64)]
    pub finished: UnixMs,
    /// Wall time of the last attempt, in microseconds.
    pub wall_us: u64,
    /// Fuel that it used.
    pub fuel_used: u64,
    /// Memory that it had at most.
    pub memory_peak_bytes: u64,
    /// Bytes to and from other hosts.
    pub egress_bytes: u64,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorView>,
    /// What the attempts came to, where there were several.
    #[schema(value_type = Vec<Object>)]
    pub attempts: serde_json::Value,
    /// The output.
    pub output: PayloadView,
}

/// One job.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobDetailView {
    /// Where it is.
    #[serde(flatten)]
    pub job: JobView,
    /// How it ended, where it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<EndView>,
}

/// Which jobs.
#[derive(Debug, Clone, Default)]
pub struct JobsAsked {
    /// Where they are.
    pub state: Option<ListState>,
    /// What they are and how they ended. What only the history knows makes it a search among jobs that ended.
    pub filter: JobFilter,
    /// How many at most.
    pub limit: Option<u32>,
    /// The cursor of the page before.
    pub after: Option<String>,
}

impl JobsAsked {
    /// Whether only the history can tell.
    fn is_search(&self) -> bool {
        let JobFilter { task: _, queue: _, tag: _, outcomes, .. } = &self.filter;
        let plain = JobFilter {
            task: self.filter.task.clone(),
            queue: self.filter.queue.clone(),
            tag: self.filter.tag.clone(),
            outcomes: outcomes.clone(),
            ..JobFilter::default()
        };
        self.after.is_some() || plain != self.filter || outcomes.len() > 1
    }

    /// Whether jobs that have not ended may be among them.
    fn wants_live(&self) -> bool {
        self.filter.outcomes.is_empty() && self.state != Some(ListState::Done)
    }

    fn of_broker(&self, state: Option<ListState>, limit: usize) -> ListFilter {
        ListFilter {
            state,
            task: self.filter.task.clone(),
            queue: self.filter.queue.clone(),
            outcome: self.filter.outcomes.first().copied(),
            tag: self.filter.tag.clone(),
            limit: Some(limit),
        }
    }
}

/// The word of a state.
pub fn state_name(state: ListState) -> &'static str {
    match state {
        ListState::Queued => "queued",
        ListState::Delayed => "delayed",
        ListState::WaitingRetry => "waiting-retry",
        ListState::Held => "held",
        ListState::Done => "done",
    }
}

/// The state of a word.
pub fn state_of(word: &str) -> Option<ListState> {
    use ListState::{Delayed, Done, Held, Queued, WaitingRetry};
    [Queued, Delayed, WaitingRetry, Held, Done].into_iter().find(|state| state_name(*state) == word)
}

/// Where jobs are that have not ended, those that are closest to running first.
const LIVE: [ListState; 4] = [ListState::Queued, ListState::Held, ListState::WaitingRetry, ListState::Delayed];

/// Jobs: those that have not ended, from the broker, and then those that have, newest first, from the history where there
/// is one. Pages after the first are of the history alone.
pub async fn list(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    asked: &JobsAsked,
) -> Result<Page<JobView>, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let limit = page::limit(asked.limit)?;
    if asked.is_search() || (site.past.is_kept() && !asked.wants_live()) {
        if asked.state.is_some_and(|state| state != ListState::Done) {
            let detail = "jobs that have not ended are not searched that way: task, queue and tag can be given";
            return Err(Problem::new(Code::BadRequest, detail));
        }
        return ended::list(site, tenant, &asked.filter, (limit, asked.after.as_deref())).await;
    }
    if asked.state.is_some() || !site.past.is_kept() {
        let page = within.client.list(&asked.of_broker(asked.state, limit)).await?;
        return Ok(Page { items: page.jobs.into_iter().map(summary).collect(), next: None });
    }
    let mut items: Vec<JobView> = Vec::new();
    for state in LIVE {
        let page = within.client.list(&asked.of_broker(Some(state), limit)).await?;
        items.extend(page.jobs.into_iter().map(summary));
    }
    items.truncate(limit);
    let room = limit.saturating_sub(items.len()).max(1);
    let past = ended::list(site, tenant, &asked.filter, (room, None)).await?;
    let seen: HashSet<JobId> = items.iter().map(|job| job.id.clone()).collect();
    items.extend(past.items.into_iter().filter(|job| !seen.contains(&job.id)));
    Ok(Page { items, next: past.next })
}

fn summary(job: JobSummary) -> JobView {
    let (due, outcome) = match job.place {
        Place::Queued => (None, None),
        Place::Delayed { due } | Place::WaitingRetry { due } | Place::Held { due } => (Some(due), None),
        Place::Done(outcome) => (None, Some(outcome)),
    };
    JobView {
        id: job.id,
        state: state_name(job.place.state()),
        outcome,
        task: job.task,
        queue: job.queue,
        priority: job.lane.map(|lane| lane.to_string()),
        attempt: job.attempt,
        published: Some(job.published),
        since: Some(job.since),
        due,
        waits_for: job.waits_for,
        tags: job.tags,
    }
}

/// One job.
pub async fn job(site: &Site, caller: &Caller, tenant: &TenantName, id: &JobId) -> Result<JobDetailView, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let scheduled = |state, due, attempt, waits_for| JobDetailView {
        job: JobView { due: Some(due), waits_for, ..bare(id, state, attempt) },
        end: None,
    };
    Ok(match within.client.find(id).await? {
        JobState::Unknown => {
            let past = ended::job(site, caller, tenant, id).await?;
            return past.ok_or_else(|| Problem::not_found(format_args!("job {id}")));
        }
        JobState::Queued { subject, stored, attempt } => {
            let (task, queue) = (Some(subject.task), Some(subject.queue));
            let priority = Some(subject.lane.to_string());
            let job = JobView { task, queue, priority, since: Some(stored), ..bare(id, ListState::Queued, attempt) };
            JobDetailView { job, end: None }
        }
        JobState::Delayed { due } => scheduled(ListState::Delayed, due, 1, None),
        JobState::WaitingRetry { due, attempt } => scheduled(ListState::WaitingRetry, due, attempt, None),
        JobState::Held { waits_for, due, attempt } => scheduled(ListState::Held, due, attempt, Some(waits_for)),
        JobState::Done(result) => ended(caller, *result),
    })
}

/// Waits for the end of a job that is there, for as long as is asked; tells where it is then.
pub async fn wait(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (id, within): (&JobId, Duration),
) -> Result<JobDetailView, Problem> {
    let found = job(site, caller, tenant, id).await?;
    if found.end.is_some() {
        return Ok(found);
    }
    match site.client_of(tenant).wait(id, Some(within)).await {
        Ok(result) => Ok(ended(caller, result)),
        Err(lovage_client::WaitError::TimedOut { .. }) => job(site, caller, tenant, id).await,
        Err(error) => Err(error.into()),
    }
}

/// The whole output of a job, for those who may see it.
pub async fn output(site: &Site, caller: &Caller, tenant: &TenantName, id: &JobId) -> Result<Vec<u8>, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    match within.client.result(id).await? {
        Some(result) if result.error.is_none() => Ok(result.body),
        Some(result) => Err(Problem::not_found(format_args!("output: job {id} ended as {}", result.record.outcome))),
        None => Err(Problem::not_found(format_args!("output of job {id} yet"))),
    }
}

fn bare(id: &JobId, state: ListState, attempt: u32) -> JobView {
    JobView {
        id: id.clone(),
        state: state_name(state),
        outcome: None,
        task: None,
        queue: None,
        priority: None,
        attempt,
        published: None,
        since: None,
        due: None,
        waits_for: None,
        tags: Vec::new(),
    }
}

fn ended(caller: &Caller, result: JobResult) -> JobDetailView {
    let JobResult { record, error, trail, content_type, body } = result;
    let end = EndView {
        version: record.version,
        digest: record.digest,
        worker: record.worker,
        started: record.started,
        finished: record.finished,
        wall_us: record.meter.wall_us,
        fuel_used: record.meter.fuel_used,
        memory_peak_bytes: record.meter.memory_peak_bytes,
        egress_bytes: record.meter.egress_bytes,
        error: error.map(|error| ErrorView { kind: error.kind, message: error.message }),
        attempts: serde_json::to_value(&trail).unwrap_or_default(),
        output: PayloadView::of(caller, &body, content_type.as_deref()),
    };
    let job = JobView {
        outcome: Some(record.outcome),
        task: record.task,
        queue: record.queue,
        priority: record.lane.map(|lane| lane.to_string()),
        published: Some(record.published),
        since: Some(record.finished),
        tags: record.tags,
        ..bare(&record.id, ListState::Done, record.attempt)
    };
    JobDetailView { job, end: Some(end) }
}

//! Dead letters.

use super::jobs::ErrorView;
use super::payload::PayloadView;
use crate::http::auth::{Caller, Role};
use crate::http::page::{self, Cursor, Page};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use lovage_client::{DeadFilter, StoredLetter};
use lovage_job::name::{JobId, QueueName, TaskName, TenantName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::unit::UnixMs;
use serde::Serialize;
use utoipa::ToSchema;

const CURSOR: Cursor = Cursor("dead");

/// A job that failed for good.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadView {
    /// The job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// What it ran; nothing where the message was no job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub task: Option<TaskName>,
    /// Where it waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub queue: Option<QueueName>,
    /// Why it is dead.
    pub error: ErrorView,
    /// When it was buried, in milliseconds since 1970.
    #[schema(value_type = u64)]
    pub buried: UnixMs,
    /// What its attempts came to.
    #[schema(value_type = Vec<Object>)]
    pub attempts: serde_json::Value,
    /// Its payload.
    pub payload: PayloadView,
}

/// Which dead letters.
#[derive(Debug, Clone, Default)]
pub struct DeadAsked {
    /// What the jobs ran.
    pub task: Option<TaskName>,
    /// Where they waited.
    pub queue: Option<QueueName>,
    /// How they ended.
    pub outcome: Option<OutcomeKind>,
    /// How many at most.
    pub limit: Option<u32>,
    /// The cursor of the page before.
    pub after: Option<String>,
}

fn view(caller: &Caller, stored: &StoredLetter) -> DeadView {
    let letter = &stored.letter;
    let (queue, task) = letter.place().unzip();
    let error = ErrorView { kind: letter.error.kind, message: letter.error.message.clone() };
    let content_type = letter.headers.get(lovage_job::header::CONTENT_TYPE);
    DeadView {
        id: letter.id.clone(),
        task,
        queue,
        error,
        buried: letter.buried,
        attempts: serde_json::to_value(&letter.trail).unwrap_or_default(),
        payload: PayloadView::of(caller, &letter.payload, content_type),
    }
}

/// Dead letters, newest first.
pub async fn list(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    asked: &DeadAsked,
) -> Result<Page<DeadView>, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let before = CURSOR.read(asked.after.as_deref())?;
    let before = before.map(|text| text.parse().map_err(|_| Problem::new(Code::BadCursor, "it names no letter")));
    let filter = DeadFilter {
        queue: asked.queue.clone(),
        task: asked.task.clone(),
        outcome: asked.outcome,
        limit: Some(page::limit(asked.limit)?),
        before: before.transpose()?,
    };
    let found = within.client.dead(&filter).await?;
    let next = found.letters.last().filter(|_| found.more).map(|last| CURSOR.text(&last.sequence.to_string()));
    Ok(Page { items: found.letters.iter().map(|stored| view(caller, stored)).collect(), next })
}

/// The dead letter of a job.
pub async fn letter(site: &Site, caller: &Caller, tenant: &TenantName, id: &JobId) -> Result<DeadView, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    Ok(view(caller, &within.client.dead_show(id).await?))
}

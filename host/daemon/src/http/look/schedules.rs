//! Schedules, with the times of their next runs.

use super::payload::PayloadView;
use crate::clock::now;
use crate::http::auth::{Caller, Role};
use crate::http::page::{Cursor, Page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use lovage_job::name::{JobId, QueueName, ScheduleName, TaskName, TenantName};
use lovage_job::schedule::ScheduleRecord;
use lovage_job::unit::{UnixMs, format_span};
use serde::Serialize;
use utoipa::ToSchema;

const CURSOR: Cursor = Cursor("schedules");
/// Ticks that are told of one schedule, and of each in a list.
const TICKS: (usize, usize) = (5, 1);

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleView {
    /// Its name.
    #[schema(value_type = String)]
    pub name: ScheduleName,
    /// When it ticks, for people.
    pub when: String,
    /// The zone whose clock counts.
    pub zone: String,
    /// What it runs.
    #[schema(value_type = String)]
    pub task: TaskName,
    /// Where its runs wait.
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// Whether it has no ticks for now.
    pub paused: bool,
    /// What becomes of missed ticks.
    pub missed: String,
    /// A tick that is not started within this span is missed.
    pub deadline: String,
    /// What becomes of runs that would overlap.
    pub overlap: String,
    /// The task whose manifest carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub owner: Option<TaskName>,
    /// The next ticks, in milliseconds since 1970.
    #[schema(value_type = Vec<u64>)]
    pub next: Vec<UnixMs>,
    /// The input of each run.
    pub input: PayloadView,
    /// The job of the last run, where one schedule is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub last_run: Option<JobId>,
}

impl ScheduleView {
    /// Shows a record with so many ticks.
    pub fn of(caller: &Caller, record: &ScheduleRecord, ticks: usize) -> Self {
        let definition = &record.definition;
        let next = match definition.timing.ready() {
            Ok(timing) if !record.paused => timing.next(now(), ticks),
            Ok(_) | Err(_) => Vec::new(),
        };
        Self {
            name: record.name.clone(),
            when: definition.timing.to_string(),
            zone: definition.timing.zone().to_owned(),
            task: definition.task.clone(),
            queue: definition.queue.clone(),
            paused: record.paused,
            missed: record.missed.to_string(),
            deadline: format_span(record.deadline),
            overlap: record.overlap.to_string(),
            owner: record.owner.clone(),
            next,
            input: PayloadView::of(caller, &definition.input.bytes().unwrap_or_default(), None),
            last_run: None,
        }
    }

    /// Shows a record as if it were asked for alone.
    pub fn one(caller: &Caller, record: &ScheduleRecord) -> Self {
        Self::of(caller, record, TICKS.0)
    }
}

/// The schedules of a tenant, by name.
pub async fn list(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    asked: (Option<u32>, Option<&str>),
) -> Result<Page<ScheduleView>, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let all = within.client.schedules().await?;
    let page = CURSOR.page(all, |record: &ScheduleRecord| record.name.to_string(), asked)?;
    let items = page.items.iter().map(|record| ScheduleView::of(caller, record, TICKS.1)).collect();
    Ok(Page { items, next: page.next })
}

/// One schedule.
pub async fn schedule(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    name: &ScheduleName,
) -> Result<ScheduleView, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let Some(record) = within.client.schedule(name).await? else {
        return Err(within.client.no_schedule(name).await.into());
    };
    Ok(ScheduleView { last_run: within.client.last_run(name).await?, ..ScheduleView::one(caller, &record) })
}

//! Tasks and versions.

use crate::http::auth::{Caller, Role};
use crate::http::page::{Cursor, Page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use lovage_job::catalog::{TaskRecord, VersionRecord};
use lovage_job::name::{TaskName, TenantName, VersionName};
use lovage_job::unit::UnixMs;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

const CURSOR: Cursor = Cursor("tasks");

/// A version of a task.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionLine {
    /// Its name.
    #[schema(value_type = String)]
    pub version: VersionName,
    /// Its component.
    pub digest: String,
    /// When it was pushed, in milliseconds since 1970.
    #[schema(value_type = u64)]
    pub pushed: UnixMs,
}

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskView {
    /// Its name.
    #[schema(value_type = String)]
    pub task: TaskName,
    /// What each alias names, such as `90%@1,10%@2`.
    pub aliases: BTreeMap<String, String>,
    /// Its versions, oldest first.
    pub versions: Vec<VersionLine>,
    /// What it is granted, without what it is configured with.
    pub grants: Vec<String>,
}

impl From<TaskRecord> for TaskView {
    fn from(record: TaskRecord) -> Self {
        let aliases = record.aliases.iter().map(|(alias, targets)| (alias.to_string(), targets.to_string()));
        let line = |entry: lovage_job::catalog::VersionEntry| VersionLine {
            version: entry.version,
            digest: entry.digest.to_string(),
            pushed: entry.pushed,
        };
        Self {
            aliases: aliases.collect(),
            grants: record.grants.told(),
            versions: record.versions.into_iter().map(line).collect(),
            task: record.task,
        }
    }
}

/// The tasks of a tenant, by name.
pub async fn list(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    asked: (Option<u32>, Option<&str>),
) -> Result<Page<TaskView>, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let tasks = within.client.tasks().await?.into_iter().map(TaskView::from).collect();
    CURSOR.page(tasks, |task: &TaskView| task.task.to_string(), asked)
}

/// One task.
pub async fn task(site: &Site, caller: &Caller, tenant: &TenantName, task: &TaskName) -> Result<TaskView, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let found = within.client.task(task).await?;
    found.map(TaskView::from).ok_or_else(|| Problem::not_found(format_args!("task {task}")))
}

/// One version, with its schemas, limits and what it imports. The environment of a program is for operators: it may
/// hold what others should not see.
pub async fn version(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (task, version): (&TaskName, &VersionName),
) -> Result<VersionRecord, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let found = within.client.version(task, version).await?;
    let mut found = found.ok_or_else(|| Problem::not_found(format_args!("version {version} of task {task}")))?;
    if !caller.sees_payloads() {
        found.env.clear();
        found.args.clear();
    }
    Ok(found)
}

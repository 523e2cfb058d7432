//! The tasks of a tenant, and the place to upload components.

use super::super::answer::{Answer, page};
use super::super::shell::Shell;
use super::super::text::{self, filters};
use super::super::visit::Visit;
use crate::http::problem::Problem;
use askama::Template;
use futures::{StreamExt, stream};
use lovage_client::Client;
use lovage_history::{Dimension, SeriesFilter, Share};
use lovage_job::catalog::TaskRecord;
use lovage_job::limit::PauseScope;
use lovage_job::name::AliasName;
use lovage_job::unit::UnixMs;
use std::collections::HashMap;

/// What is counted of each task: the last day.
const SPAN_MS: u64 = 86_400_000;
/// Versions that are asked for at once.
const AT_ONCE: usize = 16;
/// Tasks whose summaries are shown.
const SUMMARIES_MAX: usize = 200;

#[derive(Template)]
#[template(path = "tasks.html")]
struct Page {
    shell: Shell,
    upload_action: String,
    upload_open: bool,
    upload_name: String,
    rows: Vec<Row>,
    now: UnixMs,
}

struct Row {
    task: String,
    link: String,
    paused: bool,
    stable: String,
    versions: usize,
    jobs: u64,
    failed: u64,
    failed_share: String,
    mean: String,
    pushed: Option<UnixMs>,
    summary: String,
}

/// `GET /tasks`
pub async fn show(visit: Visit) -> Answer {
    let tenant = visit.one_tenant();
    let client = visit.client(&tenant);
    let records = client.tasks().await.map_err(Problem::broker)?;
    let pauses = client.pauses().await.map_err(Problem::broker)?;
    let counts = shares(&visit, Dimension::Task, SeriesFilter::default()).await;
    let summaries = summaries(&client, &records).await;
    let row = |record: &TaskRecord| {
        let share = counts.get(record.task.as_str());
        let jobs = share.map_or(0, |share| share.completed + share.failed + share.other);
        let failed = share.map_or(0, |share| share.failed);
        Row {
            link: format!("/tasks/{tenant}/{}", record.task),
            paused: pauses.iter().any(|pause| pause.scope == PauseScope::Task(record.task.clone())),
            stable: record.aliases.get(&AliasName::stable()).map(ToString::to_string).unwrap_or_default(),
            versions: record.versions.len(),
            jobs,
            failed,
            failed_share: text::share(failed, jobs),
            mean: share.filter(|_| jobs > 0).map_or_else(String::new, |share| text::micros(share.wall_us_sum / jobs)),
            pushed: record.versions.last().map(|entry| entry.pushed),
            summary: summaries.get(record.task.as_str()).cloned().unwrap_or_default(),
            task: record.task.to_string(),
        }
    };
    let template = Page {
        shell: visit.shell("tasks", "Tasks"),
        upload_action: format!("/tasks/{tenant}"),
        upload_open: false,
        upload_name: String::new(),
        rows: records.iter().map(row).collect(),
        now: visit.now,
    };
    page(&visit, &template)
}

/// How the jobs of the last day share out; nothing where the history does not say.
pub async fn shares(visit: &Visit, by: Dimension, filter: SeriesFilter) -> HashMap<String, Share> {
    let Some(store) = visit.history().await else { return HashMap::new() };
    let scope = lovage_history::Scope::Tenant(visit.one_tenant());
    let range = (UnixMs(visit.now.0.saturating_sub(SPAN_MS)), visit.now);
    let found = store.breakdown(&scope, &filter, range, by).await;
    // figures beside a list are no reason not to show the list
    let found = found.inspect_err(|error| tracing::warn!(error = %error, "the history does not answer"));
    found.unwrap_or_default().into_iter().map(|share| (share.label.clone(), share)).collect()
}

async fn summaries(client: &Client, records: &[TaskRecord]) -> HashMap<String, String> {
    let newest = records.iter().take(SUMMARIES_MAX).filter_map(|record| {
        let version = record.versions.last()?.version.clone();
        Some((record.task.clone(), version))
    });
    let asked = stream::iter(newest.collect::<Vec<_>>()).map(|(task, version)| async move {
        let summary = client.version(&task, &version).await.ok().flatten()?.export.summary?;
        Some((task.to_string(), summary))
    });
    asked.buffer_unordered(AT_ONCE).filter_map(|found| async { found }).collect().await
}

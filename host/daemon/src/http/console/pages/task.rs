//! One task: its versions and aliases, a form to submit a job, its limits and what it may do.

use super::super::answer::{Answer, page};
use super::super::body::cut;
use super::super::form::{InputForm, Item, Kind, WHOLE};
use super::super::shell::Shell;
use super::super::text::{self, filters};
use super::super::visit::Visit;
use super::jobs::running;
use super::rows;
use super::tasks::shares;
use crate::http::problem::Problem;
use askama::Template;
use axum::extract::Path;
use futures::{StreamExt, stream};
use lovage_client::{Client, ListFilter, ListState};
use lovage_history::{Dimension, JobFilter, PageRequest, SeriesFilter, Share};
use lovage_job::catalog::{BodyType, Encoding, TaskRecord, VersionRecord};
use lovage_job::limit::PauseScope;
use lovage_job::limits::Limits;
use lovage_job::name::{AliasName, TaskName, TenantName, VersionName};
use lovage_job::unit::{UnixMs, format_span};
use std::collections::{BTreeMap, HashMap};

/// Versions that are shown, newest first.
const VERSIONS_MAX: usize = 50;
/// Versions that are asked for at once.
const AT_ONCE: usize = 16;
/// Jobs that are shown.
const LATEST: usize = 10;

#[derive(Template)]
#[template(path = "task.html")]
struct Page {
    shell: Shell,
    tenant: String,
    task: String,
    path: String,
    summary: String,
    paused: bool,
    faults: Vec<String>,
    jobs_link: String,
    takes: String,
    items: Vec<Item>,
    whole_label: &'static str,
    whole: String,
    example: String,
    version_choices: Vec<(String, bool)>,
    latest: Vec<rows::Row>,
    versions: Vec<Version>,
    aliases: Vec<Alias>,
    moves: Vec<String>,
    facts: Vec<(&'static str, String)>,
    imports: Vec<String>,
    schema: String,
    upload_action: String,
    upload_open: bool,
    upload_name: String,
    now: UnixMs,
}

struct Version {
    version: String,
    digest: String,
    short: String,
    aliases: Vec<String>,
    stable: bool,
    jobs: u64,
    failed: u64,
    failed_share: String,
    pushed: UnixMs,
    size: u64,
}

struct Alias {
    name: String,
    targets: Vec<(String, String)>,
    can_roll_back: bool,
}

/// What was filled in before, and what was wrong with it.
#[derive(Debug, Default)]
pub struct Given {
    /// The fields.
    pub fields: BTreeMap<String, String>,
    /// The faults.
    pub faults: Vec<String>,
}

/// `GET /tasks/{tenant}/{task}`
pub async fn show(visit: Visit, Path((tenant, task)): Path<(String, String)>) -> Answer {
    let (visit, tenant) = visit.into_tenant(&tenant)?;
    let task: TaskName = task.parse().map_err(|_| Problem::not_found("such task"))?;
    shown(visit, &tenant, &task, Given::default()).await
}

/// The page, with a form as it was filled in.
pub async fn shown(visit: Visit, tenant: &TenantName, task: &TaskName, given: Given) -> Answer {
    let client = visit.client(tenant);
    let record = record(&client, task).await?;
    let versions = versions(&client, &record).await;
    let filter = SeriesFilter { task: Some(task.clone()), ..SeriesFilter::default() };
    let counts = shares(&visit, Dimension::Version, filter).await;
    let pauses = client.pauses().await.map_err(Problem::broker)?;
    let shown = default_version(&record).and_then(|version| versions.get(&version));
    let form = shown.map(|version| InputForm::new(&version.export.input)).unwrap_or(InputForm::Json);
    let input = shown.map(|version| &version.export.input);
    let template = Page {
        shell: visit.shell("tasks", format!("Task {task}")),
        tenant: tenant.to_string(),
        task: task.to_string(),
        path: format!("/tasks/{tenant}/{task}"),
        summary: shown.and_then(|version| version.export.summary.clone()).unwrap_or_default(),
        paused: pauses.iter().any(|pause| pause.scope == PauseScope::Task(task.clone())),
        jobs_link: format!("/jobs?tenant={tenant}&task={task}"),
        takes: takes(input),
        items: form.items(&given.fields),
        whole_label: if form == InputForm::Bytes { "Payload, as text" } else { "Payload, as JSON" },
        whole: given.fields.get(WHOLE).cloned().unwrap_or_default(),
        example: form.example(),
        version_choices: choices(&record, given.fields.get("o:version")),
        faults: given.faults,
        latest: latest(&visit, &client, task).await?,
        versions: rows_of(&record, &versions, &counts),
        aliases: aliases(&record),
        moves: moves(&record, visit.now),
        facts: shown.map(|version| facts(version, &record)).unwrap_or_default(),
        imports: shown.map(|version| version.imports.clone()).unwrap_or_default(),
        schema: schema(input),
        upload_action: format!("/tasks/{tenant}"),
        upload_open: true,
        upload_name: task.to_string(),
        now: visit.now,
    };
    page(&visit, &template)
}

/// The record of a task that is there.
pub async fn record(client: &Client, task: &TaskName) -> Result<TaskRecord, Problem> {
    let found = client.task(task).await.map_err(Problem::broker)?;
    found.ok_or_else(|| Problem::not_found(format_args!("task {task} of tenant {}", client.tenant())))
}

/// The version that a job runs which asks for none; else the newest.
pub fn default_version(record: &TaskRecord) -> Option<VersionName> {
    let stable = record.aliases.get(&AliasName::stable()).and_then(|targets| targets.0.first());
    let newest = record.versions.last().map(|entry| entry.version.clone());
    stable.map(|side| side.version.clone()).or(newest)
}

async fn versions(client: &Client, record: &TaskRecord) -> HashMap<VersionName, VersionRecord> {
    let newest: Vec<VersionName> =
        record.versions.iter().rev().take(VERSIONS_MAX).map(|entry| entry.version.clone()).collect();
    let named = default_version(record).filter(|version| !newest.contains(version));
    let asked = stream::iter(newest.into_iter().chain(named)).map(|version| async move {
        // one that was removed meanwhile is left out
        let found = client.version(&record.task, &version).await.ok().flatten()?;
        Some((version, found))
    });
    asked.buffer_unordered(AT_ONCE).filter_map(|found| async { found }).collect().await
}

fn choices(record: &TaskRecord, wanted: Option<&String>) -> Vec<(String, bool)> {
    let aliases = record.aliases.keys().filter(|alias| **alias != AliasName::stable()).map(ToString::to_string);
    let versions = record.versions.iter().rev().take(VERSIONS_MAX).map(|entry| entry.version.to_string());
    aliases.chain(versions).map(|name| (name.clone(), wanted == Some(&name))).collect()
}

fn rows_of(
    record: &TaskRecord,
    versions: &HashMap<VersionName, VersionRecord>,
    counts: &HashMap<String, Share>,
) -> Vec<Version> {
    let row = |entry: &lovage_job::catalog::VersionEntry| {
        let share = counts.get(&format!("{}@{}", record.task, entry.version));
        let jobs = share.map_or(0, |share| share.completed + share.failed + share.other);
        let failed = share.map_or(0, |share| share.failed);
        let names = |(alias, targets): (&AliasName, &lovage_job::catalog::AliasTargets)| {
            targets.0.iter().any(|side| side.version == entry.version).then(|| alias.to_string())
        };
        let aliases: Vec<String> = record.aliases.iter().filter_map(names).collect();
        let stable = record.aliases.get(&AliasName::stable());
        Version {
            version: entry.version.to_string(),
            digest: entry.digest.to_string(),
            short: entry.digest.short().to_string(),
            stable: stable.is_some_and(|targets| targets.0.iter().all(|side| side.version == entry.version)),
            aliases,
            jobs,
            failed,
            failed_share: text::share(failed, jobs),
            pushed: entry.pushed,
            size: versions.get(&entry.version).map_or(0, |version| version.size_bytes),
        }
    };
    record.versions.iter().rev().take(VERSIONS_MAX).map(row).collect()
}

fn aliases(record: &TaskRecord) -> Vec<Alias> {
    let alias = |(name, targets): (&AliasName, &lovage_job::catalog::AliasTargets)| {
        let sum: u32 = targets.0.iter().map(|side| side.weight).sum();
        let side = |side: &lovage_job::catalog::AliasTarget| {
            (side.version.to_string(), format!("{}", u64::from(side.weight) * 100 / u64::from(sum.max(1))))
        };
        Alias {
            name: name.to_string(),
            targets: targets.0.iter().map(side).collect(),
            can_roll_back: record.clone().roll_back(name).is_ok(),
        }
    };
    record.aliases.iter().map(alias).collect()
}

fn moves(record: &TaskRecord, now: UnixMs) -> Vec<String> {
    let told = |one: &lovage_job::catalog::AliasMove| {
        let from = one.from.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        format!("{}: {from} → {}, {}", one.alias, one.to, text::ago(one.at, now))
    };
    record.moves.iter().rev().map(told).collect()
}

fn takes(input: Option<&BodyType>) -> String {
    match input.map(|input| (input.encoding, input.schema.is_some())) {
        Some((Encoding::Bytes, _)) => "bytes".to_owned(),
        Some((Encoding::Json, true)) => "JSON by a schema".to_owned(),
        Some((Encoding::Json, false)) => "JSON".to_owned(),
        None => String::new(),
    }
}

fn schema(input: Option<&BodyType>) -> String {
    let schema = input.and_then(|input| input.schema.as_ref());
    schema.and_then(|schema| serde_json::to_string_pretty(schema).ok()).map(|text| cut(&text)).unwrap_or_default()
}

fn facts(version: &VersionRecord, record: &TaskRecord) -> Vec<(&'static str, String)> {
    let limits = Limits::default().with(&version.export.limits).with(&version.limits);
    let granted = record.grants.told();
    vec![
        ("shape", version.export.entry.shape().to_string()),
        ("fuel", text::fuel(limits.fuel)),
        ("memory", limits.memory.to_string()),
        ("time", format_span(limits.timeout)),
        ("output", limits.output.to_string()),
        ("log", limits.log.to_string()),
        ("attempts", format!("{}, {}", version.retry.attempts_max, version.retry.backoff)),
        ("granted", if granted.is_empty() { "nothing".to_owned() } else { granted.join(", ") }),
        ("signed by", version.signatures.len().to_string()),
    ]
}

async fn latest(visit: &Visit, client: &Client, task: &TaskName) -> Result<Vec<rows::Row>, Problem> {
    let runs = running(visit).await;
    let (filter, tenant) =
        (ListFilter { task: Some(task.clone()), limit: Some(LATEST), ..ListFilter::default() }, client.tenant());
    let Some(store) = visit.history().await else {
        let found = client.list(&filter).await.map_err(Problem::broker)?;
        return Ok(found.jobs.iter().map(|job| rows::Row::of(tenant, job, &runs)).collect());
    };
    let mut found = Vec::new();
    for state in [ListState::Queued, ListState::WaitingRetry, ListState::Held, ListState::Delayed] {
        let page = client.list(&ListFilter { state: Some(state), ..filter.clone() }).await.map_err(Problem::broker)?;
        found.extend(page.jobs.iter().map(|job| rows::Row::of(tenant, job, &runs)));
    }
    found.truncate(LATEST);
    let scope = lovage_history::Scope::Tenant(tenant.clone());
    let ended = JobFilter { task: Some(task.clone()), ..JobFilter::default() };
    let limit = u32::try_from(LATEST).unwrap_or(10);
    match store.jobs(&scope, &ended, &PageRequest { limit, after: None }).await {
        Ok(page) => found.extend(page.items.iter().map(rows::Row::ended)),
        Err(error) => tracing::warn!(error = %error, "the history does not answer"),
    }
    found.truncate(LATEST);
    Ok(found)
}

//! `lovage task`: what tasks there are, which version each alias names, and what each is granted.

pub(super) mod allow;
mod deaths;
mod export;
mod signed;

use super::audit::Trail;
use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::{Exit, Failure, Output};
use crate::nats::store::{Catalog, Components};
use crate::registry::ready::{LimitPolicy, limits_of};
use crate::steer::tasks::Tasks;
use crate::steer::{Changed, SteerError};
use async_nats::jetstream::Context;
use clap::Subcommand;
use lovage_job::audit::AuditKind;
use lovage_job::capability::{Capability, Denial};
use lovage_job::catalog::{AliasTargets, CatalogError, TaskRecord, VersionRecord};
use lovage_job::name::{AliasName, TaskName, TenantName, VersionName};
use lovage_job::retry::RetryPolicy;
use lovage_job::unit::{UnixMs, format_span};
use signed::Standing;
use std::time::Duration;

/// See and steer tasks, their versions and aliases.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// List the tasks.
    #[command(visible_alias = "ls")]
    List,
    /// Show a task: versions, aliases, limits, schemas, and the delays of its retries.
    Show {
        /// The task.
        task: TaskName,
        /// Which version [default: what stable names].
        #[arg(long = "version", value_name = "V")]
        version: Option<VersionName>,
    },
    /// Make an alias name a version, or several with shares such as 90%@1,10%@2.
    Promote {
        /// The task.
        task: TaskName,
        /// VERSION, ALIAS=VERSION or ALIAS=90%@A,10%@B; the alias is stable where none is given.
        target: String,
    },
    /// Make an alias name again what it named before.
    Rollback {
        /// The task.
        task: TaskName,
        /// The alias.
        #[arg(default_value = "stable")]
        alias: AliasName,
    },
    /// Grant a task more beyond its sandbox, for all its versions and at once.
    Allow {
        /// The task.
        task: TaskName,
        /// submit, http=HOST, keyvalue=BUCKET, blobstore=CONTAINER, config=KEY=VALUE, secret=NAME, scratch=SIZE or
        /// deterministic.
        #[arg(required = true, value_name = "CAPABILITY")]
        capabilities: Vec<Capability>,
    },
    /// Take from a task what it is granted, at once.
    Deny {
        /// The task.
        task: TaskName,
        /// A kind such as http, for all of it; or one, such as http=HOST or config=KEY.
        #[arg(required = true, value_name = "CAPABILITY")]
        capabilities: Vec<Denial>,
    },
    /// Let jobs of a task run again whose components were quarantined, because runners died of them.
    Unquarantine {
        /// The task.
        task: TaskName,
    },
    /// Bring a version to a registry, as an artefact of the common layout for WebAssembly.
    Export(export::ExportArgs),
    /// Remove a version that no alias names, or a whole task.
    Rm {
        /// The task.
        task: TaskName,
        /// The version.
        version: Option<VersionName>,
        /// Remove the task with all its versions and aliases.
        #[arg(long, conflicts_with = "version")]
        all: bool,
    },
}

pub(super) async fn main(command: TaskCommand, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let client = connection.connect().await?;
    let js = async_nats::jetstream::new(client.clone());
    let catalog = Catalog::open(&js).await.map_err(|error| {
        Failure::new(Exit::Broker, error).hint("nothing was ever pushed to this broker; `lovage push FILE` does that")
    })?;
    let tenant = connection.tenant();
    let trail = Trail { client: &client, tenant, output };
    let tasks = Tasks { js: &js, catalog: &catalog, tenant };
    match command {
        TaskCommand::List => list(&catalog, tenant, output).await,
        TaskCommand::Show { task, version } => show(&catalog, &js, tenant, &task, version, output).await,
        TaskCommand::Promote { task, target } => promote(&tasks, &trail, &task, &target).await,
        TaskCommand::Rollback { task, alias } => {
            let changed = tasks.roll_back(&task, &alias).await;
            let Changed { before, after } = steered(&tasks, changed).await?;
            trail.changed(AuditKind::Catalog, "task rollback", format!("{task} {alias}"), (before, &after)).await;
            told(output, &task, &alias, &after)
        }
        TaskCommand::Allow { task, capabilities } => allow::allow(&tasks, &trail, &task, &capabilities).await,
        TaskCommand::Deny { task, capabilities } => allow::deny(&tasks, &trail, &task, &capabilities).await,
        TaskCommand::Unquarantine { task } => deaths::lift(&js, &catalog, tenant, &task, output).await,
        TaskCommand::Export(args) => export::main(&args, &catalog, &Components::new(js.clone()), tenant, output).await,
        TaskCommand::Rm { task, version, all } => remove(&tasks, &trail, &task, version, all).await,
    }
}

async fn known(catalog: &Catalog, tenant: &TenantName, task: &TaskName) -> Result<TaskRecord, Failure> {
    match catalog.task(tenant, task).await.or_exit(Exit::Broker)? {
        Some(record) => Ok(record),
        None => Err(no_task(catalog, tenant, task).await),
    }
}

fn no_version(task: &TaskName, version: &VersionName) -> Failure {
    Failure::new(Exit::NotFound, format!("task {task} has no version {version}"))
}

/// Names the nearest tasks: most unknown names are typing errors.
async fn no_task(catalog: &Catalog, tenant: &TenantName, task: &TaskName) -> Failure {
    let failure = Failure::new(Exit::NotFound, format!("there is no task {task} of tenant {tenant}"));
    let names: Vec<String> = match catalog.tasks(tenant).await {
        Ok(tasks) => tasks.iter().map(|record| record.task.to_string()).collect(),
        Err(_) => return failure,
    };
    if names.is_empty() {
        failure.hint("there are no tasks yet")
    } else {
        failure.hint(format!("there are {}", names.join(", ")))
    }
}

/// Passes on what was changed, or tells why nothing was.
async fn steered<T>(tasks: &Tasks<'_>, changed: Result<T, SteerError>) -> Result<T, Failure> {
    let error = match changed {
        Ok(changed) => return Ok(changed),
        Err(SteerError::NoTask { task, .. }) => return Err(no_task(tasks.catalog, tasks.tenant, &task).await),
        Err(error) => error,
    };
    let exit = match &error {
        SteerError::Catalog(CatalogError::UnknownVersion { .. }) | SteerError::NoTask { .. } => Exit::NotFound,
        SteerError::Catalog(_)
        | SteerError::Signature(_)
        | SteerError::AboveCeiling(_)
        | SteerError::Quota(_)
        | SteerError::Reserved(_)
        | SteerError::Stays(_) => Exit::Usage,
        SteerError::Record(_) | SteerError::Topology(_) | SteerError::Broker(_) => Exit::Broker,
    };
    let failure = Failure::new(exit, &error);
    Err(match error {
        SteerError::Signature(_) => {
            failure.hint("push the same file again under that version with --sign-key or --signature")
        }
        _ => failure,
    })
}

async fn list(catalog: &Catalog, tenant: &TenantName, output: Output) -> Result<Exit, Failure> {
    let tasks = catalog.tasks(tenant).await.or_exit(Exit::Broker)?;
    if output.json {
        output.value(&tasks)?;
        return Ok(Exit::Done);
    }
    if tasks.is_empty() {
        output.note(&format!("tenant {tenant} has no tasks yet; `lovage push FILE` makes one"));
        return Ok(Exit::Done);
    }
    let rows = tasks.iter().map(|record| {
        let aliases: Vec<_> = record.aliases.iter().map(|(alias, targets)| format!("{alias}={targets}")).collect();
        let newest = record.versions.last();
        vec![
            record.task.to_string(),
            aliases.join(" "),
            record.versions.len().to_string(),
            newest.map(|entry| entry.version.to_string()).unwrap_or_default(),
            newest.map(|entry| when(entry.pushed)).unwrap_or_default(),
        ]
    });
    output.table(&["TASK", "ALIASES", "VERSIONS", "NEWEST", "PUSHED"], rows.collect())?;
    Ok(Exit::Done)
}

/// A time for people, to the second, in UTC.
pub(super) fn when(time: UnixMs) -> String {
    let text = time.to_rfc3339();
    format!("{}Z", text.get(..19).unwrap_or(&text).replace('T', " "))
}

async fn show(
    catalog: &Catalog,
    js: &Context,
    tenant: &TenantName,
    task: &TaskName,
    version: Option<VersionName>,
    output: Output,
) -> Result<Exit, Failure> {
    let record = known(catalog, tenant, task).await?;
    let stable = record.aliases.get(&AliasName::stable()).and_then(|targets| targets.0.first());
    let newest = record.versions.last().map(|entry| entry.version.clone());
    let wanted = version.clone().or(stable.map(|side| side.version.clone())).or(newest);
    let shown = match &wanted {
        Some(version) => catalog.version(tenant, task, version).await.or_exit(Exit::Broker)?,
        None => None,
    };
    if let (None, Some(version)) = (&shown, version) {
        return Err(no_version(task, &version));
    }
    let standing = match &shown {
        Some(shown) => Some(Standing::of(js, tenant, task, shown).await?),
        None => None,
    };
    let died = deaths::of(js, tenant, &record).await?;
    if output.json {
        let preview = shown.as_ref().map(|shown| shown.retry.preview().collect::<Vec<_>>());
        let retry_on = shown.as_ref().map(|shown| shown.retry.retry_on);
        output.value(&serde_json::json!({
            "task": record, "version": shown, "retry_on": retry_on, "retry_preview": preview,
            "signatures": standing.map(|standing| standing.json()),
            "runner_deaths": died.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        }))?;
        return Ok(Exit::Done);
    }
    output.line(&format!("task      {task}"))?;
    for (alias, targets) in &record.aliases {
        output.line(&format!("alias     {alias} -> {targets}"))?;
    }
    for entry in &record.versions {
        output.line(&format!("version   {}  {}  {}", entry.version, entry.digest.short(), when(entry.pushed)))?;
    }
    allow::show(&record.grants, output)?;
    deaths::show(&died, output)?;
    match shown {
        Some(shown) => show_version(&shown, standing.as_ref(), output),
        None => Ok(Exit::Done),
    }
}

fn show_version(shown: &VersionRecord, standing: Option<&Standing>, output: Output) -> Result<Exit, Failure> {
    let limits =
        limits_of(shown, &LimitPolicy { ceiling: lovage_job::limits::Limits::ceiling(), ..LimitPolicy::default() });
    output.line(&format!("\nversion {} ({})", shown.version, shown.digest))?;
    if let Some(summary) = &shown.export.summary {
        output.line(&format!("about     {}", super::output::printable(summary)))?;
    }
    if let Some(provenance) = &shown.provenance {
        signed::show_provenance(provenance, output)?;
    }
    if let Some(standing) = standing {
        standing.show(shown, output)?;
    }
    output.line(&format!("shape     {}", shown.export.entry.shape()))?;
    output.line(&format!(
        "limits    fuel {} · memory {} · time {} · output {} · log {}",
        limits.fuel,
        limits.memory,
        format_span(limits.timeout),
        limits.output,
        limits.log
    ))?;
    output.line(&format!("retries   {} attempts, {}", shown.retry.attempts_max, shown.retry.backoff))?;
    output.line(&format!("retry on  {}", shown.retry.retry_on))?;
    for line in preview(&shown.retry) {
        output.line(&format!("attempt   {line}"))?;
    }
    if !shown.args.is_empty() {
        output.line(&format!("arguments {}", super::output::printable(&shown.args.join(" "))))?;
    }
    output.line(&format!("imports   {}", shown.imports.join(", ")))?;
    for (name, body) in [("input", &shown.export.input), ("output", &shown.export.output)] {
        let schema = body.schema.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string);
        output.line(&format!("{name:<9} {:?} {}", body.encoding, super::output::printable(&schema)).to_string())?;
    }
    Ok(Exit::Done)
}

/// When each further attempt comes, a line each; those that wait as long as each other are told in one.
fn preview(retry: &RetryPolicy) -> Vec<String> {
    let lines: Vec<_> = retry.preview().collect();
    let alike = lines.chunk_by(|a, b| (a.earliest, a.latest) == (b.earliest, b.latest));
    let told = alike.filter_map(|lines| {
        let (first, last) = (lines.first()?, lines.last()?);
        let (earliest, latest) = (wait_of(first.earliest), wait_of(first.latest));
        let after = if earliest == latest { latest } else { format!("{earliest}-{latest}") };
        let (attempts, each) = match lines.len() {
            1 => (first.attempt.to_string(), ""),
            _ => (format!("{}-{}", first.attempt, last.attempt), "each "),
        };
        Some(format!("{attempts}: {each}after {after}, in all up to {}", wait_of(last.in_all)))
    });
    told.collect()
}

/// A wait for people: exact while it is short.
fn wait_of(wait: Duration) -> String {
    if wait < Duration::from_secs(60) { format_span(wait) } else { super::ended::span(wait) }
}

async fn promote(tasks: &Tasks<'_>, trail: &Trail<'_>, task: &TaskName, target: &str) -> Result<Exit, Failure> {
    let (alias, targets) = match target.split_once('=') {
        Some((alias, targets)) => (alias.parse().or_exit(Exit::Usage)?, targets),
        None => (AliasName::stable(), target),
    };
    let targets: AliasTargets = targets.parse().or_exit(Exit::Usage)?;
    let changed = tasks.promote(task, &alias, &targets).await;
    let Changed { before, after } = steered(tasks, changed).await?;
    trail.changed(AuditKind::Catalog, "task promote", format!("{task} {alias}"), (before, &after)).await;
    told(trail.output, task, &alias, &after)
}

fn told(output: Output, task: &TaskName, alias: &AliasName, targets: &AliasTargets) -> Result<Exit, Failure> {
    if output.json {
        output.value(&serde_json::json!({ "task": task, "alias": alias, "targets": targets }))?;
    } else {
        output.line(&format!("{task}: {alias} -> {targets}"))?;
    }
    Ok(Exit::Done)
}

async fn remove(
    tasks: &Tasks<'_>,
    trail: &Trail<'_>,
    task: &TaskName,
    version: Option<VersionName>,
    all: bool,
) -> Result<Exit, Failure> {
    let output = trail.output;
    let removed = match (version, all) {
        (Some(version), _) => tasks.remove_version(task, &version).await.map(|entry| vec![entry]),
        (None, true) => tasks.remove(task).await,
        (None, false) => {
            let record = known(tasks.catalog, tasks.tenant, task).await?;
            let message = format!("task {task} has {} versions; name the one to remove", record.versions.len());
            return Err(Failure::new(Exit::Usage, message).hint("--all removes the task with all its versions"));
        }
    };
    let removed = steered(tasks, removed).await?;
    let names: Vec<_> = removed.iter().map(|entry| entry.version.as_str()).collect();
    trail.changed(AuditKind::Catalog, "task rm", task, (&names, ())).await;
    if output.json {
        output.value(&serde_json::json!({ "task": task, "removed": names }))?;
    } else {
        output.line(&format!("{task}: removed {}", names.join(", ")))?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_told_before_they_happen() {
        let policy = |attempts_max, backoff: &str| RetryPolicy {
            attempts_max,
            backoff: backoff.parse().unwrap(),
            ..RetryPolicy::default()
        };
        assert_eq!(
            preview(&policy(4, "exponential:2s..5s")),
            [
                "2: after 250ms-2s, in all up to 2s",
                "3: after 250ms-4s, in all up to 6s",
                "4: after 250ms-5s, in all up to 11s"
            ]
        );
        assert_eq!(
            preview(&policy(100, "list:1s,1m")),
            ["2: after 1s, in all up to 1s", "3-100: each after 1m0s, in all up to 1h38m"]
        );
        assert!(preview(&policy(1, "fixed:1s")).is_empty());
    }
}

//! The quarantine of a component that killed its runners: shown, and lifted.

use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use super::{known, when};
use crate::nats::deaths::DeathNotes;
use crate::nats::store::Catalog;
use async_nats::jetstream::Context;
use lovage_job::catalog::TaskRecord;
use lovage_job::deaths::Deaths;
use lovage_job::name::{TaskName, TenantName, VersionName};
use lovage_job::subject::asset;

/// What is noted of the versions of a task, of those of which anything is.
pub(super) async fn of(
    js: &Context,
    tenant: &TenantName,
    record: &TaskRecord,
) -> Result<Vec<(VersionName, Deaths)>, Failure> {
    // before the first worker there is no such bucket, and nothing to show
    let Ok(bucket) = js.get_key_value(asset::CONTROL).await else { return Ok(Vec::new()) };
    let notes = DeathNotes::new(bucket);
    let mut found = Vec::new();
    for entry in &record.versions {
        let deaths = notes.get(tenant, &entry.digest).await.or_exit(Exit::Broker)?;
        if !deaths.0.is_empty() {
            found.push((entry.version.clone(), deaths));
        }
    }
    Ok(found)
}

/// Prints them.
pub(super) fn show(all: &[(VersionName, Deaths)], output: Output) -> Result<(), Failure> {
    for (version, deaths) in all {
        let word = if deaths.is_quarantine() { "quarantined" } else { "runner died" };
        for note in &deaths.0 {
            output.line(&format!("{word:<11} {version}  {}  {}  {}", when(note.at), note.worker, note.how))?;
        }
    }
    Ok(())
}

/// Lets the jobs of a task run again.
pub(super) async fn lift(
    js: &Context,
    catalog: &Catalog,
    tenant: &TenantName,
    task: &TaskName,
    output: Output,
) -> Result<Exit, Failure> {
    let record = known(catalog, tenant, task).await?;
    let notes = DeathNotes::new(js.get_key_value(asset::CONTROL).await.or_exit(Exit::Broker)?);
    let mut lifted = Vec::new();
    for entry in &record.versions {
        if notes.lift(tenant, &entry.digest).await.or_exit(Exit::Broker)? {
            lifted.push(entry.version.to_string());
        }
    }
    if output.json {
        output.value(&serde_json::json!({ "task": task, "lifted": lifted }))?;
    } else if lifted.is_empty() {
        output.note(&format!("nothing is noted of task {task}: no runner died of it"));
    } else {
        output.line(&format!("{task}: versions {} run again", lifted.join(" ")))?;
    }
    Ok(Exit::Done)
}

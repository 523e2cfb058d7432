//! What a task is granted: shown, added to within the ceiling of its tenant, and taken away.

use super::changed;
use crate::cli::audit::{self, Trail};
use crate::cli::exit::OrExit;
use crate::cli::{Exit, Failure, Output};
use crate::nats::records::Records;
use crate::nats::store::Catalog;
use async_nats::jetstream::Context;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::capability::{Capability, Denial, Grants};
use lovage_job::catalog::{CatalogError, TaskRecord};
use lovage_job::name::TaskName;

/// What the task is granted, a line each.
pub(super) fn show(grants: &Grants, output: Output) -> Result<(), Failure> {
    for capability in grants.list() {
        output.line(&format!("allowed   {}", crate::cli::output::printable(&capability.to_string())))?;
    }
    if grants.is_empty() {
        output.line("allowed   nothing beyond its sandbox")?;
    }
    Ok(())
}

pub(super) async fn allow(
    catalog: &Catalog,
    js: &Context,
    trail: &Trail<'_>,
    task: &TaskName,
    capabilities: &[Capability],
) -> Result<Exit, Failure> {
    let (tenant, output) = (trail.tenant, trail.output);
    let records = Records::open(js).await.or_exit(Exit::Broker)?;
    // a tenant that nobody noted has every default
    let ceiling =
        records.get(tenant).await.or_exit(Exit::Broker)?.map(|(record, _)| record.ceiling).unwrap_or_default();
    let added: Grants = capabilities.iter().cloned().collect();
    if let Err(above) = added.within(&ceiling) {
        let refused = AuditNote::new(tenant, AuditKind::Grants, "task allow", task).after(added.told()).refused(&above);
        audit::note(trail.client, refused, output).await;
        let failure = Failure::new(Exit::Usage, format!("task {task}: {above}"));
        return Err(failure.hint("`lovage tenant set` raises the ceiling of a tenant"));
    }
    let change = |mut record: TaskRecord| -> Result<_, CatalogError> {
        let before = record.grants.clone();
        record.allow(added.list())?;
        let grants = record.grants.clone();
        Ok((record, (before, grants)))
    };
    let (before, grants) = changed(catalog, tenant, task, change).await?;
    trail.changed(AuditKind::Grants, "task allow", task, (before.told(), grants.told())).await;
    told(task, &grants, output)
}

pub(super) async fn deny(
    catalog: &Catalog,
    trail: &Trail<'_>,
    task: &TaskName,
    denials: &[Denial],
) -> Result<Exit, Failure> {
    let (tenant, output) = (trail.tenant, trail.output);
    let change = |mut record: TaskRecord| -> Result<_, CatalogError> {
        let before = record.grants.clone();
        let idle: Vec<_> = denials.iter().filter(|denial| !record.grants.deny(denial)).cloned().collect();
        let grants = record.grants.clone();
        Ok((record, (before, grants, idle)))
    };
    let (before, grants, idle) = changed(catalog, tenant, task, change).await?;
    trail.changed(AuditKind::Grants, "task deny", task, (before.told(), grants.told())).await;
    idle.iter().for_each(|denial| output.note(&format!("task {task} was not granted {denial}")));
    told(task, &grants, output)
}

fn told(task: &TaskName, grants: &Grants, output: Output) -> Result<Exit, Failure> {
    if output.json {
        output.value(&serde_json::json!({ "task": task, "grants": grants }))?;
    } else {
        output.line(&format!("task      {task}"))?;
        show(grants, output)?;
    }
    Ok(Exit::Done)
}

//! What a task is granted: shown, added to within the ceiling of its tenant, and taken away.

use super::steered;
use crate::cli::audit::{self, Trail};
use crate::cli::{Exit, Failure, Output};
use crate::steer::SteerError;
use crate::steer::tasks::Tasks;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::capability::{Capability, Denial, Grants};
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
    tasks: &Tasks<'_>,
    trail: &Trail<'_>,
    task: &TaskName,
    capabilities: &[Capability],
) -> Result<Exit, Failure> {
    let changed = match tasks.allow(task, capabilities).await {
        Err(SteerError::AboveCeiling(above)) => {
            let added: Grants = capabilities.iter().cloned().collect();
            let note = AuditNote::new(trail.tenant, AuditKind::Grants, "task allow", task);
            audit::note(trail.client, note.after(added.told()).refused(&above), trail.output).await;
            let failure = Failure::new(Exit::Usage, format!("task {task}: {above}"));
            return Err(failure.hint("`lovage tenant set` raises the ceiling of a tenant"));
        }
        changed => steered(tasks, changed).await?,
    };
    let before = changed.before.unwrap_or_default();
    trail.changed(AuditKind::Grants, "task allow", task, (before.told(), changed.after.told())).await;
    told(task, &changed.after, trail.output)
}

pub(super) async fn deny(
    tasks: &Tasks<'_>,
    trail: &Trail<'_>,
    task: &TaskName,
    denials: &[Denial],
) -> Result<Exit, Failure> {
    let denied = tasks.deny(task, denials).await;
    let (changed, idle) = steered(tasks, denied).await?;
    let (before, output) = (changed.before.unwrap_or_default(), trail.output);
    trail.changed(AuditKind::Grants, "task deny", task, (before.told(), changed.after.told())).await;
    idle.iter().for_each(|denial| output.note(&format!("task {task} was not granted {denial}")));
    told(task, &changed.after, output)
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

//! Adding, pausing, running and removing schedules.

use super::ScheduleBody;
use crate::http::auth::{Caller, Role};
use crate::http::problem::Problem;
use crate::http::site::Site;
use lovage_client::Put;
use lovage_job::audit::AuditKind;
use lovage_job::name::{JobId, ScheduleName, TenantName};
use lovage_job::schedule::ScheduleRecord;
use serde::Serialize;
use utoipa::ToSchema;

/// A run that was started by hand.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunView {
    /// Its job.
    #[schema(value_type = String)]
    pub id: JobId,
}

/// Stores a schedule, in the place of one of its name. Tells whether there was none.
pub async fn put(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (name, body): (&ScheduleName, &ScheduleBody),
) -> Result<(ScheduleRecord, bool), Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let schedule = body.schedule(name.clone())?;
    let (record, put) = within.client.put_schedule(schedule).await?;
    let (action, added) = match put {
        Put::Added => ("schedule add", true),
        Put::Changed => ("schedule set", false),
        Put::Same => return Ok((record, false)),
    };
    let after = serde_json::json!({"when": record.definition.timing.to_string(), "task": record.definition.task});
    within.noted(within.note(AuditKind::Schedules, action, name).after(after)).await;
    Ok((record, added))
}

/// Removes a schedule; its runs that wait stay.
pub async fn remove(site: &Site, caller: &Caller, tenant: &TenantName, name: &ScheduleName) -> Result<(), Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let record = within.client.remove_schedule(name).await?;
    let before = serde_json::json!({"when": record.definition.timing.to_string(), "task": record.definition.task});
    within.noted(within.note(AuditKind::Schedules, "schedule rm", name).before(before)).await;
    Ok(())
}

/// Pauses a schedule, or resumes it.
pub async fn set_paused(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (name, paused): (&ScheduleName, bool),
) -> Result<ScheduleRecord, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let record = within.client.pause_schedule(name, paused).await?;
    let action = if paused { "schedule pause" } else { "schedule resume" };
    within.noted(within.note(AuditKind::Schedules, action, name)).await;
    Ok(record)
}

/// Runs a schedule's job now, whatever its times.
pub async fn run(site: &Site, caller: &Caller, tenant: &TenantName, name: &ScheduleName) -> Result<RunView, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let id = within.client.run_schedule(name).await?;
    within.noted(within.note(AuditKind::Schedules, "schedule run", name).after(&id)).await;
    Ok(RunView { id })
}

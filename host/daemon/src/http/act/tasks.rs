//! Moving aliases, removing versions and tasks, and what tasks are granted.

use crate::http::auth::{Caller, Role};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use lovage_job::audit::AuditKind;
use lovage_job::capability::{Capability, Denial};
use lovage_job::catalog::AliasTargets;
use lovage_job::name::{AliasName, TaskName, TenantName, VersionName};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use utoipa::ToSchema;

/// What an alias is to name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteBody {
    /// A version, or several with shares such as `90%@1,10%@2`.
    pub targets: String,
}

/// What an alias names.
#[derive(Debug, Serialize, ToSchema)]
pub struct AliasView {
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskName,
    /// The alias.
    #[schema(value_type = String)]
    pub alias: AliasName,
    /// What it names now, such as `90%@1,10%@2`.
    pub targets: String,
    /// What it named before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// What a task is granted, and what is taken from it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrantsBody {
    /// `submit`, `http=HOST`, `keyvalue=BUCKET`, `blobstore=CONTAINER`, `config=KEY=VALUE`, `secret=NAME`, `scratch=SIZE`
    /// or `deterministic`.
    pub allow: Vec<String>,
    /// A kind such as `http`, for all of it; or one, such as `http=HOST` or `config=KEY`.
    pub deny: Vec<String>,
}

/// What a task is granted now.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantsView {
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskName,
    /// Without what it is configured with.
    pub grants: Vec<String>,
}

/// Makes an alias name other versions.
pub async fn promote(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (task, alias, body): (&TaskName, &AliasName, &PromoteBody),
) -> Result<AliasView, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let targets: AliasTargets =
        body.targets.parse().map_err(|error| Problem::new(Code::BadBody, format_args!("targets: {error}")))?;
    let catalog = within.catalog().await?;
    let note = within.note(AuditKind::Catalog, "task promote", format_args!("{task} {alias}"));
    let changed = within.tasks(&catalog).promote(task, alias, &targets).await;
    let changed = within.or_refused(changed, note.clone()).await?;
    within.noted(note.before(&changed.before).after(&changed.after)).await;
    let before = changed.before.map(|targets| targets.to_string());
    Ok(AliasView { task: task.clone(), alias: alias.clone(), targets: changed.after.to_string(), before })
}

/// Makes an alias name again what it named before.
pub async fn roll_back(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (task, alias): (&TaskName, &AliasName),
) -> Result<AliasView, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let catalog = within.catalog().await?;
    let note = within.note(AuditKind::Catalog, "task rollback", format_args!("{task} {alias}"));
    let changed = within.tasks(&catalog).roll_back(task, alias).await;
    let changed = within.or_refused(changed, note.clone()).await?;
    within.noted(note.before(&changed.before).after(&changed.after)).await;
    let before = changed.before.map(|targets| targets.to_string());
    Ok(AliasView { task: task.clone(), alias: alias.clone(), targets: changed.after.to_string(), before })
}

/// Removes a version that no alias names.
pub async fn remove_version(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (task, version): (&TaskName, &VersionName),
) -> Result<(), Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let catalog = within.catalog().await?;
    let removed = within.tasks(&catalog).remove_version(task, version).await?;
    within.noted(within.note(AuditKind::Catalog, "task rm", task).before([removed.version])).await;
    Ok(())
}

/// Removes a task with all its versions.
pub async fn remove(site: &Site, caller: &Caller, tenant: &TenantName, task: &TaskName) -> Result<(), Problem> {
    let within = site.enter(caller, tenant, Role::Admin).await?;
    let catalog = within.catalog().await?;
    let removed = within.tasks(&catalog).remove(task).await?;
    let names: Vec<_> = removed.into_iter().map(|entry| entry.version).collect();
    within.noted(within.note(AuditKind::Catalog, "task rm", task).before(names)).await;
    Ok(())
}

/// Grants a task more, and takes from it what it is granted.
pub async fn grant(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (task, body): (&TaskName, &GrantsBody),
) -> Result<GrantsView, Problem> {
    let within = site.enter(caller, tenant, Role::Admin).await?;
    let (allow, deny): (Vec<Capability>, Vec<Denial>) = (read("allow", &body.allow)?, read("deny", &body.deny)?);
    let catalog = within.catalog().await?;
    let tasks = within.tasks(&catalog);
    let mut granted = tasks.known(task).await?.grants;
    if !deny.is_empty() {
        let (changed, _idle) = tasks.deny(task, &deny).await?;
        let note = within.note(AuditKind::Grants, "task deny", task);
        within.noted(note.before(changed.before.map(|grants| grants.told())).after(changed.after.told())).await;
        granted = changed.after;
    }
    if !allow.is_empty() {
        let note = within.note(AuditKind::Grants, "task allow", task);
        let changed = within.or_refused(tasks.allow(task, &allow).await, note.clone()).await?;
        within.noted(note.before(changed.before.map(|grants| grants.told())).after(changed.after.told())).await;
        granted = changed.after;
    }
    Ok(GrantsView { task: task.clone(), grants: granted.told() })
}

fn read<T: FromStr<Err: std::fmt::Display>>(name: &str, texts: &[String]) -> Result<Vec<T>, Problem> {
    let one =
        |text: &String| text.parse().map_err(|error| Problem::new(Code::BadBody, format_args!("{name}: {error}")));
    texts.iter().map(one).collect()
}

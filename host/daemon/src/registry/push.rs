//! Pushing: inspect, compile within limits, store, and only then move the alias. Nothing is stored of a component that
//! could not run.

mod refusal;
mod version;

pub use refusal::PushError;

use super::signing::Signing;
use crate::clock::now;
use crate::nats::store::{Catalog, Components};
use lovage_job::capability::{Capability, Ceiling, Grants};
use lovage_job::catalog::{AliasTargets, Export, Provenance, Shape, TaskRecord, VersionEntry, VersionRecord};
use lovage_job::limits::{Limits, LimitsWish, soft_below};
use lovage_job::name::{AliasName, Digest, TaskName, TenantName, VersionName};
use lovage_job::retry::RetryPolicy;
use lovage_job::retry_on::RetryOn;
use lovage_job::tenant::Quota;
use lovage_sandbox::{Compiler, InspectOptions, Inspection, Sandbox, inspect};
use std::collections::{BTreeMap, BTreeSet};
use version::{claim_of, claim_version, next_version, signatures};

/// What to push, and how.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// The task's name, where the component has one task or `export` chooses one.
    pub name: Option<TaskName>,
    /// The name of a program or an HTTP handler that is given none: their exports are called alike in all components.
    pub file_name: Option<TaskName>,
    /// The version's name; the next number where none is given.
    pub version: Option<VersionName>,
    /// Which of the component's tasks; all of them where none is given.
    pub export: Option<String>,
    /// How the component is called, where it can be called in several ways.
    pub shape: Option<Shape>,
    /// The alias that moves to the new version; none where the version shall only be there.
    pub alias: Option<AliasName>,
    /// Limits over those that the author asks for.
    pub limits: LimitsWish,
    /// What its tasks are granted beside what they have.
    pub grants: Vec<Capability>,
    /// What they may be granted at most.
    pub ceiling: Ceiling,
    /// Retries in place of the default.
    pub retry: Option<RetryPolicy>,
    /// Which outcomes are tried again; the usual ones where nothing is said.
    pub retry_on: Option<RetryOn>,
    /// The program's arguments.
    pub args: Vec<String>,
    /// The program's environment.
    pub env: BTreeMap<String, String>,
    /// How long results are kept, in seconds.
    pub result_ttl_seconds: Option<u64>,
    /// The largest component, in bytes.
    pub size_max: usize,
    /// What the tenant may store.
    pub quota: Quota,
    /// What is signed with, and what must be signed.
    pub signing: Signing,
    /// Where the component came from.
    pub provenance: Option<Provenance>,
}

/// What was pushed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Pushed {
    /// The version's record.
    #[serde(flatten)]
    pub record: VersionRecord,
    /// The alias that names it now.
    pub alias: Option<AliasName>,
    /// What its task is granted now, without what it is configured with.
    pub granted: Vec<String>,
    /// Whether this version was there already.
    pub existing: bool,
    /// Whether the component was made from a core module of WASI preview 1.
    pub adapted: bool,
}

/// A component that was inspected, compiled and linked, with the tasks it has.
#[derive(Debug)]
pub struct Checked {
    /// What inspection found.
    pub inspection: Inspection,
    /// The digest of the component's bytes.
    pub digest: Digest,
    /// Its tasks.
    pub exports: Vec<Export>,
    /// The compiled component.
    pub artifact: lovage_sandbox::ArtifactPath,
}

/// Checks a component to the end, short of storing it.
pub async fn check(
    bytes: &[u8],
    options: &InspectOptions,
    sandbox: &Sandbox,
    compiler: &Compiler,
) -> Result<Checked, PushError> {
    let inspection = inspect(bytes, options)?;
    let digest = Digest::of(&inspection.component);
    let artifact = compiler.compile(&digest, &inspection.component).await?;
    let exports = match inspection.shape {
        Shape::Handler => sandbox.describe(&artifact, &Limits::default()).await?,
        Shape::Http | Shape::Command | Shape::Function => inspection.exports.clone(),
    };
    for export in &exports {
        sandbox.load(&artifact, &export.entry).map_err(|error| PushError::Link(error.to_string()))?;
        let schema = lovage_job::schema::InputCheck::new(&export.input);
        schema.map_err(|error| PushError::Schema { task: export.name.clone(), reason: error.to_string() })?;
    }
    Ok(Checked { inspection, digest, exports, artifact })
}

/// Chooses what to push of a component, under which names.
pub fn choose(exports: &[Export], options: &PushOptions) -> Result<Vec<Export>, PushError> {
    let names = || exports.iter().map(|export| export.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut chosen: Vec<Export> = match &options.export {
        None => exports.to_vec(),
        Some(wanted) => exports.iter().filter(|export| export.name.as_str() == wanted).cloned().collect(),
    };
    if let (true, Some(wanted)) = (chosen.is_empty(), &options.export) {
        return Err(PushError::NoExport { wanted: wanted.clone(), names: names() });
    }
    if let Some(name) = &options.name {
        match chosen.as_mut_slice() {
            [one] => one.name = name.clone(),
            many => return Err(PushError::NameForMany { count: many.len(), names: names() }),
        }
    }
    if let (None, Some(file_name), [one]) = (&options.name, &options.file_name, chosen.as_mut_slice())
        && matches!(one.entry.shape(), Shape::Command | Shape::Http)
    {
        one.name = file_name.clone();
    }
    if let Some(reserved) = chosen.iter().find(|export| lovage_job::flow::is_webhook(&export.name)) {
        return Err(PushError::Reserved(reserved.name.clone()));
    }
    let program_only = !options.args.is_empty() || !options.env.is_empty();
    match chosen.iter().find(|export| program_only && export.entry.shape() != Shape::Command) {
        Some(export) => Err(PushError::NotAProgram { task: export.name.clone(), shape: export.entry.shape() }),
        None => Ok(chosen),
    }
}

/// Stores a checked component and its tasks, and moves the alias.
pub async fn store(
    catalog: &Catalog,
    components: &Components,
    tenant: &TenantName,
    checked: &Checked,
    options: &PushOptions,
) -> Result<Vec<Pushed>, PushError> {
    let chosen = choose(&checked.exports, options)?;
    check_timeouts(&chosen, options)?;
    // a refusal must come before anything is written, and one task's refusal before another task is
    let mut claims = Vec::with_capacity(chosen.len());
    for export in &chosen {
        let known = catalog.task(tenant, &export.name).await?;
        let mut known = known.unwrap_or_else(|| TaskRecord::new(export.name.clone()));
        let entry = next_version(&known, checked, options, 0);
        known.add(entry.clone())?;
        granted(&mut known, checked, options)?;
        let claim = claim_of(tenant, &export.name, &entry, checked);
        signatures(catalog, &claim, options).await?;
        claims.push(claim);
    }
    options.signing.check_given(&claims)?;
    check_quota(catalog, tenant, checked, &options.quota).await?;
    components.put(tenant, &checked.digest, &checked.inspection.component).await?;
    let mut pushed = Vec::with_capacity(chosen.len());
    for export in chosen {
        pushed.push(store_one(catalog, tenant, checked, export, options).await?);
    }
    Ok(pushed)
}

/// Refuses a component that is larger than the tenant's may be, and one more than it may have.
async fn check_quota(
    catalog: &Catalog,
    tenant: &TenantName,
    checked: &Checked,
    quota: &Quota,
) -> Result<(), PushError> {
    let size = u64::try_from(checked.inspection.component.len()).unwrap_or(u64::MAX);
    if let Some(most) = quota.component_size.filter(|most| size > most.0) {
        return Err(PushError::OverComponentSize { tenant: tenant.clone(), size, most });
    }
    let Some(most) = quota.components else { return Ok(()) };
    let tasks = catalog.tasks(tenant).await?;
    let digests: BTreeSet<&Digest> = tasks.iter().flat_map(|task| &task.versions).map(|entry| &entry.digest).collect();
    let count = u64::try_from(digests.len()).unwrap_or(u64::MAX);
    if count >= most && !digests.contains(&checked.digest) {
        return Err(PushError::TooManyComponents { tenant: tenant.clone(), most });
    }
    Ok(())
}

/// Adds what the task is granted. Refuses what is above the tenant's ceiling, and a component that imports what the
/// task is not granted then.
fn granted(task: &mut TaskRecord, checked: &Checked, options: &PushOptions) -> Result<(), PushError> {
    let added: Grants = options.grants.iter().cloned().collect();
    added.within(&options.ceiling)?;
    task.allow(added.list())?;
    let imports = &checked.inspection.imports;
    if let Some(missing) = task.grants.missing(imports) {
        return Err(PushError::NotGranted { task: task.task.clone(), missing });
    }
    // what it was granted before may be above a ceiling that was lowered since
    if task.grants.under(&options.ceiling).0.missing(imports).is_some() {
        task.grants.within(&options.ceiling)?;
    }
    Ok(())
}

/// Refuses a soft timeout that the timeout beside it would never let pass. One that only the operator's timeout does not
/// let pass has no effect.
fn check_timeouts(chosen: &[Export], options: &PushOptions) -> Result<(), PushError> {
    for export in chosen {
        let wish = export.limits.overlaid(&options.limits);
        if let (Some(soft), Some(hard)) = (wish.soft_timeout, wish.timeout) {
            let told = |reason| PushError::SoftTimeout { task: export.name.clone(), reason };
            soft_below(soft, hard).map_err(told)?;
        }
    }
    Ok(())
}

async fn store_one(
    catalog: &Catalog,
    tenant: &TenantName,
    checked: &Checked,
    export: Export,
    options: &PushOptions,
) -> Result<Pushed, PushError> {
    let task = export.name.clone();
    let (record, existing) = claim_version(catalog, tenant, checked, &export, options).await?;
    let entry = VersionEntry { version: record.version.clone(), digest: record.digest.clone(), pushed: record.pushed };
    let alias = options.alias.clone();
    let change = |before: Option<TaskRecord>| -> Result<(TaskRecord, ()), PushError> {
        let mut after = before.unwrap_or_else(|| TaskRecord::new(task.clone()));
        after.add(entry.clone())?;
        granted(&mut after, checked, options)?;
        if let Some(alias) = &alias {
            after.promote(alias.clone(), AliasTargets::all(entry.version.clone()), now())?;
        }
        Ok((after, ()))
    };
    let (task, ()) = catalog.change(tenant, &task, change).await?;
    Ok(Pushed { record, alias, granted: task.grants.told(), existing, adapted: checked.inspection.adapted })
}

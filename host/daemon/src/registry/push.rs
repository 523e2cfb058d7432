//! Pushing: inspect, compile within limits, store, and only then move the alias. Nothing is stored of a component that
//! could not run.

use super::signing::{Signing, UnsignedError};
use crate::clock::now;
use crate::nats::store::{Catalog, Components};
use crate::ports::BrokerError;
use lovage_job::capability::{AboveCeiling, Capability, Ceiling, Grants, Missing};
use lovage_job::catalog::{
    AliasError, AliasTargets, CatalogError, Export, Provenance, Shape, TaskRecord, VersionEntry, VersionRecord,
};
use lovage_job::limits::{Limits, LimitsWish, soft_below};
use lovage_job::name::{AliasName, Digest, TaskName, TenantName, VersionName};
use lovage_job::retry::RetryPolicy;
use lovage_job::retry_on::RetryOn;
use lovage_job::signature::{Claim, Signature};
use lovage_job::tenant::Quota;
use lovage_job::unit::ByteSize;
use lovage_sandbox::{
    CompileError, Compiler, DescribeError, InspectError, InspectOptions, Inspection, Sandbox, SandboxError, inspect,
};
use std::collections::BTreeMap;

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

/// A push that was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The file is not a component that can run.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// It does not compile, or not within limits.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It does not describe its tasks.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// It cannot be linked.
    #[error("the component cannot be linked: {0}")]
    Link(String),
    /// The engine does not start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Several tasks and one name.
    #[error("the component has {count} tasks ({names}), so a name alone is not enough: choose one with --export")]
    NameForMany {
        /// How many.
        count: usize,
        /// Their names.
        names: String,
    },
    /// A name that workers keep for themselves.
    #[error("task name {0} is that of the task which delivers webhooks; choose another with --name")]
    Reserved(TaskName),
    /// No such task in the component.
    #[error("the component has no task {wanted:?}; it has {names}")]
    NoExport {
        /// What was asked for.
        wanted: String,
        /// What there is.
        names: String,
    },
    /// Arguments for something that is no program.
    #[error("arguments and environment are for programs (wasi:cli), and {task} is a {shape}")]
    NotAProgram {
        /// The task.
        task: TaskName,
        /// Its shape.
        shape: Shape,
    },
    /// It needs a grant.
    #[error(
        "the component imports {}, and task {task} is not granted {}: if it may do that, push it with --allow {}",
        .missing.interface, .missing.kind, .missing.kind.form()
    )]
    NotGranted {
        /// The task.
        task: TaskName,
        /// What is missing.
        missing: Missing,
    },
    /// It would be granted more than its tenant may have.
    #[error(transparent)]
    AboveCeiling(#[from] AboveCeiling),
    /// A soft timeout without effect.
    #[error("task {task}: {reason}")]
    SoftTimeout {
        /// The task.
        task: TaskName,
        /// What is wrong.
        reason: String,
    },
    /// The schema of the input cannot be used.
    #[error("task {task}: {reason}")]
    Schema {
        /// The task.
        task: TaskName,
        /// What is wrong.
        reason: String,
    },
    /// It is not signed as the tenant's policy asks.
    #[error(transparent)]
    Unsigned(#[from] UnsignedError),
    /// The component is larger than the tenant's may be.
    #[error(
        "the component has {size} bytes, and those of tenant {tenant} may have {most}: make it smaller, or have the quota raised"
    )]
    OverComponentSize {
        /// The tenant.
        tenant: TenantName,
        /// Its size in bytes.
        size: u64,
        /// The most.
        most: ByteSize,
    },
    /// The tenant has as many components as it may.
    #[error(
        "tenant {tenant} has {most} components, as many as it may: remove versions with `lovage task`, or have the quota raised"
    )]
    TooManyComponents {
        /// The tenant.
        tenant: TenantName,
        /// The most.
        most: u64,
    },
    /// The catalogue refuses.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The alias makes no sense.
    #[error(transparent)]
    Alias(#[from] AliasError),
    /// The broker failed; a retry is useful.
    #[error(transparent)]
    Broker(#[from] BrokerError),
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
    let digests: std::collections::BTreeSet<&Digest> =
        tasks.iter().flat_map(|task| &task.versions).map(|entry| &entry.digest).collect();
    let count = u64::try_from(digests.len()).unwrap_or(u64::MAX);
    if count >= most && !digests.contains(&checked.digest) {
        return Err(PushError::TooManyComponents { tenant: tenant.clone(), most });
    }
    Ok(())
}

fn claim_of(tenant: &TenantName, task: &TaskName, entry: &VersionEntry, checked: &Checked) -> Claim {
    let digest = checked.digest.clone();
    Claim { tenant: tenant.clone(), task: task.clone(), version: entry.version.clone(), digest }
}

/// The signatures that a version is stored with, those that it has already included.
async fn signatures(catalog: &Catalog, claim: &Claim, options: &PushOptions) -> Result<Vec<Signature>, PushError> {
    let there = catalog.version(&claim.tenant, &claim.task, &claim.version).await?;
    let there = there.filter(|there| there.digest == claim.digest).map(|there| there.signatures);
    Ok(options.signing.of(claim, &there.unwrap_or_default())?)
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

/// How many numbers are tried for a version without a name, when others push at the same time.
const NUMBERS_TRIED: u64 = 100;

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

/// Takes the version's name by creating its record: of several pushes at once, one gets it. Tells whether the version
/// was there before.
async fn claim_version(
    catalog: &Catalog,
    tenant: &TenantName,
    checked: &Checked,
    export: &Export,
    options: &PushOptions,
) -> Result<(VersionRecord, bool), PushError> {
    let task = &export.name;
    for skipped in 0..NUMBERS_TRIED {
        let known = catalog.task(tenant, task).await?.unwrap_or_else(|| TaskRecord::new(task.clone()));
        let entry = next_version(&known, checked, options, skipped);
        let listed = known.version(&entry.version).is_some();
        // a refusal must come before anything is written
        known.clone().add(entry.clone())?;
        let signatures = signatures(catalog, &claim_of(tenant, task, &entry, checked), options).await?;
        let record = VersionRecord { signatures, ..record_of(entry, checked, export, options) };
        let mut there = catalog.create_version(tenant, &record).await?;
        if there.digest == checked.digest {
            if there.signatures != record.signatures {
                there = catalog.sign_version(tenant, &there, record.signatures).await?;
            }
            return Ok((there, listed));
        }
        if options.version.is_some() {
            let (task, version, digest) = (task.clone(), there.version, there.digest);
            return Err(CatalogError::VersionTaken { task, version, digest }.into());
        }
    }
    Err(BrokerError(format!("task {task}: no free version number; name one with --version")).into())
}

fn record_of(entry: VersionEntry, checked: &Checked, export: &Export, options: &PushOptions) -> VersionRecord {
    let mut retry = options.retry.clone().unwrap_or_default();
    retry.retry_on = options.retry_on.unwrap_or(retry.retry_on);
    if let (None, Some(attempts)) = (&options.retry, export.attempts_max) {
        retry.attempts_max = attempts.clamp(1, lovage_job::retry::ATTEMPTS_MAX);
    }
    VersionRecord {
        task: export.name.clone(),
        version: entry.version,
        digest: checked.digest.clone(),
        size_bytes: u64::try_from(checked.inspection.component.len()).unwrap_or(u64::MAX),
        pushed: entry.pushed,
        export: export.clone(),
        limits: options.limits.clone(),
        retry,
        args: options.args.clone(),
        env: options.env.clone(),
        imports: checked.inspection.imports.clone(),
        result_ttl_seconds: options.result_ttl_seconds,
        signatures: Vec::new(),
        provenance: options.provenance.clone(),
    }
}

/// The version's name: as given, or that of the same component, or the next number but `skipped`.
fn next_version(known: &TaskRecord, checked: &Checked, options: &PushOptions, skipped: u64) -> VersionEntry {
    let same = known.versions.iter().rev().find(|entry| entry.digest == checked.digest);
    let new = |version| VersionEntry { version, digest: checked.digest.clone(), pushed: now() };
    match (&options.version, same) {
        (None, Some(same)) => same.clone(),
        (None, None) => {
            let first = known.pushed_count.saturating_add(1).saturating_add(skipped);
            let free = (first..).map(VersionName::numbered).find(|name| known.version(name).is_none());
            new(free.unwrap_or_else(|| VersionName::numbered(first)))
        }
        (Some(version), _) => new(version.clone()),
    }
}

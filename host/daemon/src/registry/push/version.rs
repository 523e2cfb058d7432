//! The version that a push makes: its name, its signatures and its record.

use super::{Checked, PushError, PushOptions};
use crate::clock::now;
use crate::nats::store::Catalog;
use crate::ports::BrokerError;
use lovage_job::catalog::{CatalogError, Export, TaskRecord, VersionEntry, VersionRecord};
use lovage_job::name::{TaskName, TenantName, VersionName};
use lovage_job::signature::{Claim, Signature};

/// How many numbers are tried for a version without a name, when others push at the same time.
const NUMBERS_TRIED: u64 = 100;

pub(super) fn claim_of(tenant: &TenantName, task: &TaskName, entry: &VersionEntry, checked: &Checked) -> Claim {
    let digest = checked.digest.clone();
    Claim { tenant: tenant.clone(), task: task.clone(), version: entry.version.clone(), digest }
}

/// The signatures that a version is stored with, those that it has already included.
pub(super) async fn signatures(
    catalog: &Catalog,
    claim: &Claim,
    options: &PushOptions,
) -> Result<Vec<Signature>, PushError> {
    let there = catalog.version(&claim.tenant, &claim.task, &claim.version).await?;
    let there = there.filter(|there| there.digest == claim.digest).map(|there| there.signatures);
    Ok(options.signing.of(claim, &there.unwrap_or_default())?)
}

/// Takes the version's name by creating its record: of several pushes at once, one gets it. Tells whether the version
/// was there before.
pub(super) async fn claim_version(
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
pub(super) fn next_version(known: &TaskRecord, checked: &Checked, options: &PushOptions, skipped: u64) -> VersionEntry {
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

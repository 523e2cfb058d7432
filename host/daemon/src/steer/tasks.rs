//! Moving aliases, and removing versions.

use super::{Changed, SteerError};
use crate::clock::now;
use crate::nats::records::{RecordError, Records};
use crate::nats::store::{Catalog, Components};
use async_nats::jetstream::Context;
use lovage_job::catalog::{AliasTargets, CatalogError, TaskRecord, VersionEntry, VersionRecord};
use lovage_job::name::{AliasName, TaskName, TenantName, VersionName};
use lovage_job::signature::{Claim, SignatureFault, verify};
use lovage_job::tenant::SignaturePolicy;

/// The tasks of one tenant.
#[derive(Debug, Clone, Copy)]
pub struct Tasks<'a> {
    /// The broker.
    pub js: &'a Context,
    /// The catalogue.
    pub catalog: &'a Catalog,
    /// Whose.
    pub tenant: &'a TenantName,
}

/// What a version claims of itself, to be signed.
pub fn claim(tenant: &TenantName, task: &TaskName, version: &VersionRecord) -> Claim {
    let (version, digest) = (version.version.clone(), version.digest.clone());
    Claim { tenant: tenant.clone(), task: task.clone(), version, digest }
}

/// Whose signatures the tenant needs; a fault where that cannot be told, which lets nothing run.
pub async fn policy(js: &Context, tenant: &TenantName) -> Result<Result<SignaturePolicy, SignatureFault>, SteerError> {
    let records = Records::open(js).await?;
    match records.known(tenant).await {
        Ok(record) => Ok(Ok(record.signatures)),
        Err(RecordError::Broker(error)) => Err(error.into()),
        Err(error) => Ok(Err(SignatureFault::NoPolicy { tenant: tenant.clone(), reason: error.to_string() })),
    }
}

impl Tasks<'_> {
    /// The record of a task that is there.
    pub async fn known(&self, task: &TaskName) -> Result<TaskRecord, SteerError> {
        let found = self.catalog.task(self.tenant, task).await?;
        found.ok_or_else(|| self.no_task(task))
    }

    fn no_task(&self, task: &TaskName) -> SteerError {
        SteerError::NoTask { tenant: self.tenant.clone(), task: task.clone() }
    }

    /// Changes a task that is there.
    pub async fn change<R>(
        &self,
        task: &TaskName,
        change: impl Fn(TaskRecord) -> Result<(TaskRecord, R), CatalogError>,
    ) -> Result<R, SteerError> {
        let apply = |record: Option<TaskRecord>| match record {
            None => Err(self.no_task(task)),
            Some(record) => change(record).map_err(SteerError::from),
        };
        self.catalog.change(self.tenant, task, apply).await.map(|(_, answer)| answer)
    }

    /// Makes an alias name these versions.
    pub async fn promote(
        &self,
        task: &TaskName,
        alias: &AliasName,
        targets: &AliasTargets,
    ) -> Result<Changed<AliasTargets>, SteerError> {
        self.check(task, targets).await?;
        let change = |mut record: TaskRecord| {
            let before = record.aliases.get(alias).cloned();
            record.promote(alias.clone(), targets.clone(), now()).map(|()| (record, before))
        };
        let before = self.change(task, change).await?;
        Ok(Changed { before, after: targets.clone() })
    }

    /// Makes an alias name again what it named before.
    pub async fn roll_back(&self, task: &TaskName, alias: &AliasName) -> Result<Changed<AliasTargets>, SteerError> {
        if let Ok(targets) = &self.known(task).await?.roll_back(alias) {
            self.check(task, targets).await?;
        }
        let change = |mut record: TaskRecord| {
            let before = record.aliases.get(alias).cloned();
            record.roll_back(alias).map(|after| (record, Changed { before, after }))
        };
        self.change(task, change).await
    }

    /// Removes a version that no alias names, and its component where nothing else uses it.
    pub async fn remove_version(&self, task: &TaskName, version: &VersionName) -> Result<VersionEntry, SteerError> {
        let change = |mut record: TaskRecord| record.remove(version).map(|entry| (record, entry));
        let entry = self.change(task, change).await?;
        self.forget(task, std::slice::from_ref(&entry)).await?;
        Ok(entry)
    }

    /// Removes a task with all its versions.
    pub async fn remove(&self, task: &TaskName) -> Result<Vec<VersionEntry>, SteerError> {
        let record = self.known(task).await?;
        self.catalog.remove_task(self.tenant, task).await?;
        self.forget(task, &record.versions).await?;
        Ok(record.versions)
    }

    async fn forget(&self, task: &TaskName, removed: &[VersionEntry]) -> Result<(), SteerError> {
        let components = Components::new(self.js.clone());
        let left = self.catalog.tasks(self.tenant).await?;
        for entry in removed {
            self.catalog.remove_version(self.tenant, task, &entry.version).await?;
            // several tasks and versions may share one component
            let used = left.iter().flat_map(|record| &record.versions).any(|other| other.digest == entry.digest);
            if !used {
                components.remove(self.tenant, &entry.digest).await?;
            }
        }
        Ok(())
    }

    /// Refuses to make an alias name what the tenant's policy does not let run.
    async fn check(&self, task: &TaskName, targets: &AliasTargets) -> Result<(), SteerError> {
        let policy = policy(self.js, self.tenant).await??;
        if !policy.required {
            return Ok(());
        }
        for side in &targets.0 {
            // what is not there is told of by whoever moves the alias
            let Some(version) = self.catalog.version(self.tenant, task, &side.version).await? else { continue };
            verify(&policy, &claim(self.tenant, task, &version), &version.signatures)?;
        }
        Ok(())
    }
}

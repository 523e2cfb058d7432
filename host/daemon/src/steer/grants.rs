//! What a task may do beyond its sandbox: added to within the ceiling of its tenant, and taken away.

use super::tasks::Tasks;
use super::{Changed, SteerError};
use crate::nats::records::Records;
use lovage_job::capability::{Capability, Denial, Grants};
use lovage_job::catalog::TaskRecord;
use lovage_job::name::TaskName;

impl Tasks<'_> {
    /// Grants a task more, unless the tenant's ceiling is lower.
    pub async fn allow(&self, task: &TaskName, capabilities: &[Capability]) -> Result<Changed<Grants>, SteerError> {
        let records = Records::open(self.js).await?;
        // a tenant that nobody noted has every default
        let ceiling = records.get(self.tenant).await?.map(|(record, _)| record.ceiling).unwrap_or_default();
        let added: Grants = capabilities.iter().cloned().collect();
        added.within(&ceiling)?;
        let change = |mut record: TaskRecord| {
            let before = record.grants.clone();
            record.allow(added.list())?;
            let after = record.grants.clone();
            Ok((record, Changed { before: Some(before), after }))
        };
        self.change(task, change).await
    }

    /// Takes from a task what it is granted; tells what it was not granted.
    pub async fn deny(
        &self,
        task: &TaskName,
        denials: &[Denial],
    ) -> Result<(Changed<Grants>, Vec<Denial>), SteerError> {
        let change = |mut record: TaskRecord| {
            let before = record.grants.clone();
            let idle: Vec<_> = denials.iter().filter(|denial| !record.grants.deny(denial)).cloned().collect();
            let after = record.grants.clone();
            Ok((record, (Changed { before: Some(before), after }, idle)))
        };
        self.change(task, change).await
    }
}

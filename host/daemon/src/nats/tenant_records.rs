//! The records of tenants on the broker, read and changed one at a time.

use crate::ports::BrokerError;
use async_nats::jetstream::{Context, kv};
use bytes::Bytes;
use lovage_job::name::TenantName;
use lovage_job::subject::asset;
use lovage_job::tenant::TenantRecord;

/// How often a change is tried again that someone else was quicker with.
const TRIES: usize = 20;

/// Why there is no record to go by.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TenantRecordError {
    /// There is none.
    #[error("there is no tenant {0}")]
    Missing(TenantName),
    /// It is not what a record is.
    #[error("the record of tenant {tenant} cannot be read: {reason}")]
    Unreadable {
        /// Whose.
        tenant: TenantName,
        /// What is wrong.
        reason: String,
    },
    /// The broker failed; a retry is useful.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// The records of tenants.
#[derive(Debug, Clone)]
pub struct TenantRecords {
    bucket: kv::Store,
}

fn fault(error: &dyn std::fmt::Display) -> BrokerError {
    BrokerError(format!("tenants: {error}"))
}

impl TenantRecords {
    /// Opens the records.
    pub async fn open(js: &Context) -> Result<Self, BrokerError> {
        let bucket = js.get_key_value(asset::TENANTS).await.map_err(|error| fault(&error))?;
        Ok(Self { bucket })
    }

    /// The record of a tenant.
    pub async fn get(&self, tenant: &TenantName) -> Result<TenantRecord, TenantRecordError> {
        self.with_revision(tenant).await.map(|(record, _)| record)
    }

    async fn with_revision(&self, tenant: &TenantName) -> Result<(TenantRecord, u64), TenantRecordError> {
        let entry = self.bucket.entry(tenant.as_str()).await.map_err(|error| fault(&error))?;
        let entry = entry.filter(|entry| entry.operation == kv::Operation::Put);
        let entry = entry.ok_or_else(|| TenantRecordError::Missing(tenant.clone()))?;
        let unreadable = |reason| TenantRecordError::Unreadable { tenant: tenant.clone(), reason };
        let record: TenantRecord =
            serde_json::from_slice(&entry.value).map_err(|error| unreadable(error.to_string()))?;
        if record.tenant != *tenant {
            return Err(unreadable(format!("it is of tenant {}", record.tenant)));
        }
        Ok((record, entry.revision))
    }

    /// Changes a record that is there; again where someone else changed it meanwhile. Returns it as it is then.
    pub async fn change<E: From<TenantRecordError>, R>(
        &self,
        tenant: &TenantName,
        change: impl Fn(&mut TenantRecord) -> Result<R, E>,
    ) -> Result<(TenantRecord, R), E> {
        let mut last = BrokerError("tenants: they are changed by others all the time".to_owned());
        for _ in 0..TRIES {
            let (mut record, revision) = self.with_revision(tenant).await?;
            let answer = change(&mut record)?;
            let value = serde_json::to_vec(&record).map_err(|error| TenantRecordError::from(fault(&error)))?;
            match self.bucket.update(tenant.as_str(), Bytes::from(value), revision).await {
                Ok(_) => return Ok((record, answer)),
                Err(error) => last = fault(&error),
            }
        }
        Err(TenantRecordError::from(last).into())
    }
}

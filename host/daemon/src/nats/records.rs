//! The records of tenants, written under conditions: of two operators at once one waits for the other.

use crate::ports::BrokerError;
use async_nats::jetstream::{Context, kv};
use futures::TryStreamExt;
use lovage_job::name::TenantName;
use lovage_job::subject::asset;
use lovage_job::tenant::TenantRecord;
use std::time::Duration;

/// How often a change is tried again while others change the record.
const TRIES_MAX: u32 = 20;
/// How long the marker of a removed record stays: workers that are away for less learn of it when they are back.
const MARKER_KEPT: Duration = Duration::from_secs(60);

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is one already.
    #[error("there is a tenant {0} already")]
    Exists(TenantName),
    /// There is none.
    #[error("there is no tenant {0}")]
    Unknown(TenantName),
    /// Others change it without end.
    #[error("others change tenant {0} all the time; try again")]
    Contended(TenantName),
    /// It is not a record.
    #[error("the record of tenant {tenant} cannot be read: {reason}")]
    Damaged {
        /// Whose.
        tenant: String,
        /// What is wrong.
        reason: String,
    },
    /// The broker failed; a retry is useful.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

fn broker(error: impl std::fmt::Display) -> RecordError {
    BrokerError(format!("the bucket of tenants: {error}")).into()
}

/// The bucket of records.
#[derive(Debug, Clone)]
pub struct Records {
    bucket: kv::Store,
}

impl Records {
    /// Opens the bucket.
    pub async fn open(js: &Context) -> Result<Self, RecordError> {
        Ok(Self { bucket: js.get_key_value(asset::TENANTS).await.map_err(broker)? })
    }

    /// The record of a tenant with its revision.
    pub async fn get(&self, tenant: &TenantName) -> Result<Option<(TenantRecord, u64)>, RecordError> {
        let entry = self.bucket.entry(tenant.as_str()).await.map_err(broker)?;
        let Some(entry) = entry.filter(|entry| entry.operation == kv::Operation::Put) else { return Ok(None) };
        Ok(Some((parse(tenant.as_str(), &entry.value)?, entry.revision)))
    }

    /// The record of a tenant.
    pub async fn known(&self, tenant: &TenantName) -> Result<TenantRecord, RecordError> {
        let found = self.get(tenant).await?;
        found.map(|(record, _)| record).ok_or_else(|| RecordError::Unknown(tenant.clone()))
    }

    /// Every record, by name. One that cannot be read is left out, and said so in the log.
    pub async fn all(&self) -> Result<Vec<TenantRecord>, RecordError> {
        let mut names: Vec<String> = self.bucket.keys().await.map_err(broker)?.try_collect().await.map_err(broker)?;
        names.sort();
        let mut records = Vec::with_capacity(names.len());
        for name in names {
            match self.bucket.get(&name).await.map_err(broker)?.map(|value| parse(&name, &value)) {
                Some(Ok(record)) => records.push(record),
                Some(Err(error)) => tracing::warn!(tenant = %name, error = %error, "a record is left out"),
                // removed meanwhile
                None => {}
            }
        }
        Ok(records)
    }

    /// Notes a tenant that has no record.
    pub async fn create(&self, record: &TenantRecord) -> Result<(), RecordError> {
        match self.bucket.create(record.tenant.as_str(), encode(record)?).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == kv::CreateErrorKind::AlreadyExists => {
                Err(RecordError::Exists(record.tenant.clone()))
            }
            Err(error) => Err(broker(error)),
        }
    }

    /// Notes a tenant with what one has by default, unless it is noted.
    pub async fn register(&self, tenant: &TenantName) -> Result<(), RecordError> {
        if self.bucket.get(tenant.as_str()).await.map_err(broker)?.is_some() {
            return Ok(());
        }
        match self.create(&TenantRecord::new(tenant.clone(), crate::clock::now())).await {
            // someone else noted it at the same moment
            Ok(()) | Err(RecordError::Exists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Changes a tenant's record; `change` may run more than once. Returns the record before and after.
    pub async fn change(
        &self,
        tenant: &TenantName,
        mut change: impl FnMut(&mut TenantRecord),
    ) -> Result<(TenantRecord, TenantRecord), RecordError> {
        let change = |record: &mut TenantRecord| {
            change(record);
            Ok(())
        };
        self.try_change(tenant, change).await
    }

    /// Changes a tenant's record unless `change` refuses, as [`Self::change`] does.
    pub async fn try_change<E: From<RecordError>>(
        &self,
        tenant: &TenantName,
        mut change: impl FnMut(&mut TenantRecord) -> Result<(), E>,
    ) -> Result<(TenantRecord, TenantRecord), E> {
        for _ in 0..TRIES_MAX {
            let found = self.get(tenant).await?;
            let (before, revision) = found.ok_or_else(|| RecordError::Unknown(tenant.clone()))?;
            let mut after = before.clone();
            change(&mut after)?;
            if after == before {
                return Ok((before, after));
            }
            match self.bucket.update(tenant.as_str(), encode(&after)?, revision).await {
                Ok(_) => return Ok((before, after)),
                Err(error) if error.kind() == kv::UpdateErrorKind::WrongLastRevision => {}
                Err(error) => return Err(broker(error).into()),
            }
        }
        Err(RecordError::Contended(tenant.clone()).into())
    }

    /// Removes a tenant's record. A marker without content tells those who watch, and goes by itself.
    pub async fn remove(&self, tenant: &TenantName) -> Result<(), RecordError> {
        self.bucket.purge_with_ttl(tenant.as_str(), MARKER_KEPT).await.map_err(broker)
    }
}

fn parse(name: &str, value: &[u8]) -> Result<TenantRecord, RecordError> {
    let damaged = |reason: String| RecordError::Damaged { tenant: name.to_owned(), reason };
    let record: TenantRecord = serde_json::from_slice(value).map_err(|error| damaged(error.to_string()))?;
    if record.tenant.as_str() != name {
        return Err(damaged(format!("it says tenant {}", record.tenant)));
    }
    Ok(record)
}

fn encode(record: &TenantRecord) -> Result<bytes::Bytes, RecordError> {
    serde_json::to_vec(record).map(Into::into).map_err(broker)
}

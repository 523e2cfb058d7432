//! The bucket of sealed secrets. What lies here is of no use without a key.

use super::topology::{TopologyConfig, TopologyError};
use crate::ports::BrokerError;
use crate::secrets::SealedSecret;
use async_nats::jetstream::{Context, kv};
use bytes::Bytes;
use futures::StreamExt;
use lovage_job::name::{SecretName, TenantName};
use lovage_job::subject::asset;

/// The sealed secrets of all tenants.
#[derive(Debug, Clone)]
pub struct SecretStore {
    bucket: kv::Store,
}

impl SecretStore {
    /// Opens the bucket, which is made where it is not there.
    pub async fn open(js: &Context, config: TopologyConfig) -> Result<Self, TopologyError> {
        let wanted = kv::Config {
            bucket: asset::SECRETS.to_owned(),
            description: "sealed secrets".to_owned(),
            history: 1,
            num_replicas: config.replicas,
            limit_markers: Some(std::time::Duration::from_secs(60)),
            ..kv::Config::default()
        };
        super::topology::bucket_of(js, wanted).await.map(|bucket| Self { bucket })
    }

    /// A secret and the revision that a change of it names.
    pub async fn get(
        &self,
        tenant: &TenantName,
        name: &SecretName,
    ) -> Result<Option<(SealedSecret, u64)>, BrokerError> {
        let entry = self.bucket.entry(asset::secret_key(tenant, name)).await.map_err(fault)?;
        let Some(entry) = entry.filter(|entry| entry.operation == kv::Operation::Put) else { return Ok(None) };
        let record = serde_json::from_slice(&entry.value);
        let record = record.map_err(|_| fault(format_args!("the record of {name} is damaged")))?;
        Ok(Some((record, entry.revision)))
    }

    /// Puts a secret in place of the one that is there.
    pub async fn put(&self, tenant: &TenantName, name: &SecretName, record: &SealedSecret) -> Result<(), BrokerError> {
        let value: Bytes = serde_json::to_vec(record).map_err(fault)?.into();
        self.bucket.put(asset::secret_key(tenant, name), value).await.map(|_| ()).map_err(fault)
    }

    /// Puts a secret in place of exactly this revision; false where someone else changed it meanwhile.
    pub async fn replace(
        &self,
        tenant: &TenantName,
        name: &SecretName,
        record: &SealedSecret,
        revision: u64,
    ) -> Result<bool, BrokerError> {
        let value: Bytes = serde_json::to_vec(record).map_err(fault)?.into();
        match self.bucket.update(asset::secret_key(tenant, name), value, revision).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == kv::UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(fault(error)),
        }
    }

    /// Removes a secret; false where there was none.
    pub async fn remove(&self, tenant: &TenantName, name: &SecretName) -> Result<bool, BrokerError> {
        if self.get(tenant, name).await?.is_none() {
            return Ok(false);
        }
        self.bucket.purge(asset::secret_key(tenant, name)).await.map(|()| true).map_err(fault)
    }

    /// Every secret of a tenant, or of all where none is named.
    pub async fn list(
        &self,
        tenant: Option<&TenantName>,
    ) -> Result<Vec<(TenantName, SecretName, SealedSecret)>, BrokerError> {
        let mut keys = self.bucket.keys().await.map_err(fault)?;
        let mut found = Vec::new();
        while let Some(key) = keys.next().await {
            let key = key.map_err(fault)?;
            let Some((owner, name)) = key.split_once('.') else { continue };
            let (Ok(owner), Ok(name)) = (owner.parse::<TenantName>(), name.parse::<SecretName>()) else { continue };
            if tenant.is_some_and(|tenant| *tenant != owner) {
                continue;
            }
            found.extend(self.get(&owner, &name).await?.map(|(record, _)| (owner, name, record)));
        }
        found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        Ok(found)
    }
}

fn fault(error: impl std::fmt::Display) -> BrokerError {
    BrokerError(format!("secrets: {error}"))
}

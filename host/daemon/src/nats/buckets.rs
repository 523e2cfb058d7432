//! Keys with values: one bucket for each tenant, whose subjects are `<bucket>.<encoded key>`.
//!
//! Changes name the revision that they were made from, so those of all workers are one after another.

use super::api::WRONG_LAST_SEQUENCE;
use super::keys::{self, KeyError};
use super::lots;
use super::storage::{StorageLimits, unavailable};
use super::topology;
use crate::storage::{Key, Page, Revised, StorageFault};
use async_nats::HeaderMap;
use async_nats::jetstream::{Context, kv};
use bytes::Bytes;
use lovage_job::name::{BucketName, TenantName};
use lovage_job::storage::{PAGE_KEYS_MAX, decoded};
use lovage_job::subject::asset;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The stream has no room for more.
const FULL: [u32; 3] = [10_047, 10_077, 10_122];

/// The buckets of all tenants.
#[derive(Debug)]
pub(super) struct Buckets {
    js: Context,
    limits: StorageLimits,
    /// The tenants whose bucket is there.
    made: Mutex<HashSet<TenantName>>,
}

impl Buckets {
    pub(super) fn new(js: Context, limits: StorageLimits) -> Self {
        Self { js, limits, made: Mutex::default() }
    }

    pub(super) async fn value(&self, key: Key<'_>) -> Result<Revised, StorageFault> {
        let subject = asset::keyvalue_subject(key.tenant, key.bucket, key.key);
        keys::get(&self.js.client(), &asset::keyvalue(key.tenant), &subject).await.map_err(fault)
    }

    pub(super) async fn put(&self, key: Key<'_>, value: Bytes, expected: Option<u64>) -> Result<bool, StorageFault> {
        self.limits.take(key.tenant, value.len())?;
        let mut headers = HeaderMap::new();
        if let Some(revision) = expected {
            headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string());
        }
        self.publish(key, headers, value).await
    }

    pub(super) async fn remove(&self, key: Key<'_>) -> Result<(), StorageFault> {
        if let (None, _) = self.value(key).await? {
            return Ok(());
        }
        self.publish(key, keys::removal(), Bytes::new()).await.map(|_| ())
    }

    /// Whether the message was stored; not where the key has another revision than the headers name.
    async fn publish(&self, key: Key<'_>, headers: HeaderMap, value: Bytes) -> Result<bool, StorageFault> {
        self.ensure(key.tenant).await?;
        let subject = asset::keyvalue_subject(key.tenant, key.bucket, key.key);
        match keys::put(&self.js.client(), subject, headers, value).await {
            Ok(()) => Ok(true),
            Err(KeyError::Refused(WRONG_LAST_SEQUENCE, _)) => Ok(false),
            Err(KeyError::Refused(code, _)) if FULL.contains(&code) => {
                let most = self.limits.keyvalue(key.tenant);
                Err(StorageFault::Limit(format!("the tenant's buckets are full: they hold {most} at most")))
            }
            Err(error) => {
                // the bucket may have been removed with its tenant; the next call makes it again, where there is one
                self.made().remove(key.tenant);
                Err(fault(error))
            }
        }
    }

    /// The keys from a place in the stream on, in the order in which they were last changed.
    pub(super) async fn keys(&self, tenant: &TenantName, bucket: &BucketName, from: u64) -> Result<Page, StorageFault> {
        self.ensure(tenant).await?;
        let (stream, filter) = (format!("KV_{}", asset::keyvalue(tenant)), asset::keyvalue_filter(tenant, bucket));
        let stored = lots::read(&self.js.client(), &stream, &filter, from.max(1), PAGE_KEYS_MAX).await;
        let stored = stored.map_err(|error| fault(error.0))?;
        let next = stored.last().filter(|last| !last.is_last()).map(|last| last.sequence + 1);
        let keys = stored.iter().filter(|stored| !stored.is_tombstone());
        let keys = keys.filter_map(|stored| decoded(stored.subject.rsplit('.').next()?));
        Ok((keys.collect(), next))
    }

    /// Makes the tenant's bucket, unless it is there: its limit follows the tenant's record by itself then.
    async fn ensure(&self, tenant: &TenantName) -> Result<(), StorageFault> {
        if self.made().contains(tenant) {
            return Ok(());
        }
        let config = kv::Config {
            bucket: asset::keyvalue(tenant),
            description: format!("what tasks of {tenant} keep under keys"),
            history: 1,
            max_bytes: i64::try_from(self.limits.keyvalue(tenant).0).unwrap_or(i64::MAX),
            num_replicas: self.limits.topology.replicas,
            limit_markers: Some(keys::MARK_KEPT),
            ..kv::Config::default()
        };
        topology::bucket_of(&self.js, config).await.map_err(fault)?;
        self.made().insert(tenant.clone());
        Ok(())
    }

    fn made(&self) -> std::sync::MutexGuard<'_, HashSet<TenantName>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fault(error: impl std::fmt::Display) -> StorageFault {
    unavailable("key-value storage")(error)
}

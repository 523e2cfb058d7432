//! Keys with values: one bucket for each tenant, whose subjects are `<bucket>.<encoded key>`.
//!
//! Changes name the revision that they were made from, so those of all workers are one after another.

use super::api::{PublishReply, WRONG_LAST_SEQUENCE};
use super::lots;
use super::storage::{StorageQuota, unavailable};
use crate::storage::{Key, Page, Revised, StorageFault};
use async_nats::jetstream::{Context, kv};
use async_nats::{HeaderMap, RequestErrorKind};
use bytes::Bytes;
use lovage_job::name::{BucketName, TenantName};
use lovage_job::storage::{PAGE_KEYS_MAX, decoded};
use lovage_job::subject::asset;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long the mark of a removed key stays, so that others see the removal.
const MARK_KEPT: Duration = Duration::from_secs(60);
/// The stream has no room for more.
const FULL: [u32; 3] = [10_047, 10_077, 10_122];

/// The buckets of all tenants.
#[derive(Debug)]
pub(super) struct Buckets {
    js: Context,
    quota: StorageQuota,
    /// The tenants whose bucket is there, with the quota of this worker.
    made: Mutex<HashSet<TenantName>>,
}

impl Buckets {
    pub(super) fn new(js: Context, quota: StorageQuota) -> Self {
        Self { js, quota, made: Mutex::default() }
    }

    pub(super) async fn value(&self, key: Key<'_>) -> Result<Revised, StorageFault> {
        let stream = asset::keyvalue(key.tenant);
        let subject = asset::keyvalue_subject(key.tenant, key.bucket, key.key);
        let client = self.js.client();
        let asked = client.request(format!("$JS.API.DIRECT.GET.KV_{stream}.{subject}"), Bytes::new());
        let reply = match tokio::time::timeout(ANSWER_WITHIN, asked).await.map_err(fault)? {
            Ok(reply) => reply,
            // nothing was ever put
            Err(error) if error.kind() == RequestErrorKind::NoResponders => return Ok((None, 0)),
            Err(error) => return Err(fault(error)),
        };
        match reply.status.map(|status| status.as_u16()) {
            Some(404) => return Ok((None, 0)),
            Some(status) => return Err(fault(format_args!("the broker answered {status}"))),
            None => {}
        }
        let headers = reply.headers.unwrap_or_default();
        let revision = headers.get("Nats-Sequence").and_then(|text| text.as_str().parse().ok());
        let revision = revision.ok_or_else(|| fault("the answer names no sequence"))?;
        let gone = headers.get("KV-Operation").is_some() || headers.get("Nats-Marker-Reason").is_some();
        Ok(((!gone).then_some(reply.payload), revision))
    }

    pub(super) async fn put(&self, key: Key<'_>, value: Bytes, expected: Option<u64>) -> Result<bool, StorageFault> {
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
        let mut headers = HeaderMap::new();
        headers.insert("KV-Operation", "PURGE");
        headers.insert("Nats-Rollup", "sub");
        headers.insert("Nats-TTL", format!("{}s", MARK_KEPT.as_secs()));
        self.publish(key, headers, Bytes::new()).await.map(|_| ())
    }

    /// Whether the message was stored; not where the key has another revision than the headers name.
    async fn publish(&self, key: Key<'_>, headers: HeaderMap, value: Bytes) -> Result<bool, StorageFault> {
        self.ensure(key.tenant).await?;
        let subject = asset::keyvalue_subject(key.tenant, key.bucket, key.key);
        let request = async_nats::Request::new().headers(headers).payload(value).timeout(Some(ANSWER_WITHIN));
        let reply = self.js.client().send_request(subject, request).await.map_err(|error| {
            // the bucket may have been removed with its tenant; the next call makes it again, where there is one
            self.made().remove(key.tenant);
            fault(error)
        })?;
        let reply: PublishReply = serde_json::from_slice(&reply.payload).map_err(fault)?;
        match reply.error {
            None => Ok(true),
            Some(error) if error.err_code == WRONG_LAST_SEQUENCE => Ok(false),
            Some(error) if FULL.contains(&error.err_code) => {
                let text = format!("the tenant's buckets are full: they hold {} at most", self.quota.keyvalue);
                Err(StorageFault::Limit(text))
            }
            Some(error) => Err(fault(error.description)),
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

    /// Makes the tenant's bucket, or puts this worker's quota on it.
    async fn ensure(&self, tenant: &TenantName) -> Result<(), StorageFault> {
        if self.made().contains(tenant) {
            return Ok(());
        }
        let config = kv::Config {
            bucket: asset::keyvalue(tenant),
            description: format!("what tasks of {tenant} keep under keys"),
            history: 1,
            max_bytes: i64::try_from(self.quota.keyvalue.0).unwrap_or(i64::MAX),
            num_replicas: self.quota.replicas,
            limit_markers: Some(MARK_KEPT),
            ..kv::Config::default()
        };
        self.js.create_or_update_key_value(config).await.map_err(fault)?;
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

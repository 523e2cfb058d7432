//! What tasks keep, on the broker: for each tenant a bucket of keys and an object store of blobs, both made when first
//! used, with a limit in bytes that the broker keeps; and one bucket of sealed secrets for all.

use super::blobs::Blobs;
use super::buckets::Buckets;
use super::headroom::Headroom;
use super::secrets::SecretStore;
use super::topology::TopologyConfig;
use crate::secrets::{KEY_VARIABLE, KeyRing, open};
use crate::storage::{Blob, BlobInfo, Key, Page, Revised, Storage, StorageFault, Stored};
use crate::tenant_book::TenantBook;
use async_nats::jetstream::Context;
use bytes::Bytes;
use futures::FutureExt;
use lovage_job::name::{BucketName, ContainerName, SecretName, TenantName};
use lovage_job::secret::SecretBytes;
use lovage_job::unit::{ByteSize, UnixMs};
use std::fmt::Display;
use std::sync::Arc;

/// How much each tenant's tasks may keep.
#[derive(Debug, Clone)]
pub struct StorageLimits {
    /// The limits of tenants whose records name none.
    pub topology: TopologyConfig,
    /// The records.
    pub book: Arc<TenantBook>,
    /// What is left of each tenant's quota of storage, by this worker's count.
    pub headroom: Arc<Headroom>,
}

impl StorageLimits {
    /// Bytes of the tenant's keys and values.
    pub(super) fn keyvalue(&self, tenant: &TenantName) -> ByteSize {
        self.book.get(tenant).and_then(|record| record.quota.keyvalue).unwrap_or(self.topology.keyvalue)
    }

    /// Bytes of the tenant's blobs.
    pub(super) fn blobstore(&self, tenant: &TenantName) -> ByteSize {
        self.book.get(tenant).and_then(|record| record.quota.blobstore).unwrap_or(self.topology.blobstore)
    }

    /// Takes room in the tenant's storage.
    pub(super) fn take(&self, tenant: &TenantName, bytes: usize) -> Result<(), StorageFault> {
        let Some(record) = self.book.get(tenant) else { return Ok(()) };
        match (self.headroom.take(tenant, &record.quota, bytes), record.quota.storage) {
            (false, Some(most)) => Err(StorageFault::Limit(format!(
                "the tenant stores nearly as much as it may, with its jobs, results and all else: {most}"
            ))),
            _ => Ok(()),
        }
    }
}

/// Keeps what tasks store on the broker.
#[derive(Debug)]
pub struct NatsStorage {
    buckets: Buckets,
    blobs: Blobs,
    secrets: SecretStore,
    keys: Option<KeyRing>,
}

impl NatsStorage {
    /// Stores over a connection. Secrets need keys.
    pub fn new(js: Context, limits: StorageLimits, secrets: SecretStore, keys: Option<KeyRing>) -> Self {
        Self { buckets: Buckets::new(js.clone(), limits.clone()), blobs: Blobs::new(js, limits), secrets, keys }
    }

    async fn open_secret(&self, tenant: &TenantName, name: &SecretName) -> Result<Option<SecretBytes>, StorageFault> {
        let Some(keys) = &self.keys else {
            let text = format!(
                "this worker has no key for secrets; its operator gives it one: [secrets] key_file, or {KEY_VARIABLE}"
            );
            return Err(StorageFault::Unavailable(text));
        };
        let record = self.secrets.get(tenant, name).await.map_err(unavailable("secrets"))?;
        let Some((record, _)) = record else { return Ok(None) };
        open(keys, tenant, name, &record).map(Some).map_err(|error| {
            tracing::warn!(tenant = %tenant, secret = %name, error = %error, "a secret does not open");
            StorageFault::Unavailable(format!("secret {name} does not open: {error}"))
        })
    }
}

/// Says that the broker did not do what was asked of `what`.
pub(super) fn unavailable<E: Display>(what: &str) -> impl Fn(E) -> StorageFault {
    move |error| StorageFault::Unavailable(format!("{what}: {error}"))
}

impl Storage for NatsStorage {
    fn value<'a>(&'a self, key: Key<'a>) -> Stored<'a, Revised> {
        self.buckets.value(key).boxed()
    }

    fn put<'a>(&'a self, key: Key<'a>, value: Bytes, expected: Option<u64>) -> Stored<'a, bool> {
        self.buckets.put(key, value, expected).boxed()
    }

    fn remove<'a>(&'a self, key: Key<'a>) -> Stored<'a, ()> {
        self.buckets.remove(key).boxed()
    }

    fn keys<'a>(&'a self, tenant: &'a TenantName, bucket: &'a BucketName, from: u64) -> Stored<'a, Page> {
        self.buckets.keys(tenant, bucket, from).boxed()
    }

    fn containers_made<'a>(&'a self, tenant: &'a TenantName) -> Stored<'a, UnixMs> {
        self.blobs.made(tenant).boxed()
    }

    fn blob<'a>(&'a self, blob: Blob<'a>, first: u64, last: u64) -> Stored<'a, Option<Vec<u8>>> {
        self.blobs.get(blob, first, last).boxed()
    }

    fn put_blob<'a>(&'a self, blob: Blob<'a>, bytes: Vec<u8>) -> Stored<'a, ()> {
        self.blobs.put(blob, bytes).boxed()
    }

    fn remove_blob<'a>(&'a self, blob: Blob<'a>) -> Stored<'a, ()> {
        self.blobs.remove(blob).boxed()
    }

    fn blob_info<'a>(&'a self, blob: Blob<'a>) -> Stored<'a, Option<BlobInfo>> {
        self.blobs.info(blob).boxed()
    }

    fn blobs<'a>(&'a self, tenant: &'a TenantName, container: &'a ContainerName) -> Stored<'a, Vec<String>> {
        self.blobs.list(tenant, container).boxed()
    }

    fn secret<'a>(&'a self, tenant: &'a TenantName, name: &'a SecretName) -> Stored<'a, Option<SecretBytes>> {
        self.open_secret(tenant, name).boxed()
    }
}

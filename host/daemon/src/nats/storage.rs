//! What tasks keep, on the broker: for each tenant a bucket of keys and an object store of blobs, both made when first
//! used, with a quota in bytes that the broker keeps; and one bucket of sealed secrets for all.

use super::blobs::Blobs;
use super::buckets::Buckets;
use super::secrets::SecretStore;
use crate::secrets::{KEY_VARIABLE, KeyRing, open};
use crate::storage::{Blob, BlobInfo, Key, Page, Revised, Storage, StorageFault, Stored};
use async_nats::jetstream::Context;
use bytes::Bytes;
use futures::FutureExt;
use lovage_job::name::{BucketName, ContainerName, SecretName, TenantName};
use lovage_job::secret::SecretBytes;
use lovage_job::unit::{ByteSize, UnixMs};
use std::fmt::Display;

/// How much a tenant may keep, and how many copies are kept of it.
#[derive(Debug, Clone, Copy)]
pub struct StorageQuota {
    /// Keys and values.
    pub keyvalue: ByteSize,
    /// Blobs.
    pub blobstore: ByteSize,
    /// Copies.
    pub replicas: usize,
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
    pub fn new(js: Context, quota: StorageQuota, secrets: SecretStore, keys: Option<KeyRing>) -> Self {
        Self { buckets: Buckets::new(js.clone(), quota), blobs: Blobs::new(js, quota), secrets, keys }
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

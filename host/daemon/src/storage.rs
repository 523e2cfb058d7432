//! What the broker keeps for tasks: keys with values, blobs and secrets. A port beside those of the pipeline, since it is
//! used while an attempt runs; the `nats` room implements it.
//!
//! Everything is of one tenant, which is that of the job. Names are checked before they come here, keys are not: they are
//! the guest's own.

use bytes::Bytes;
use futures::future::BoxFuture;
use lovage_job::name::{BucketName, ContainerName, SecretName, TenantName};
use lovage_job::secret::SecretBytes;
use lovage_job::unit::UnixMs;
use std::fmt::Debug;

/// Something that was not stored or not found out. The texts are fit for guests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageFault {
    /// A limit is reached; the text names it.
    #[error("{0}")]
    Limit(String),
    /// The broker did not answer, or not as it should; or the worker lacks what it needs.
    #[error("{0}")]
    Unavailable(String),
}

/// A value, where there is one, and the revision of its key; 0 where it was never there.
pub type Revised = (Option<Bytes>, u64);

/// A page of keys, and where the next one begins.
pub type Page = (Vec<String>, Option<u64>);

/// What a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its size, in bytes.
    pub size: u64,
    /// When it was put.
    pub put: UnixMs,
}

/// A key of a tenant's bucket.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// Whose it is.
    pub tenant: &'a TenantName,
    /// In which bucket.
    pub bucket: &'a BucketName,
    /// The guest's own text.
    pub key: &'a str,
}

/// A blob of a tenant's container.
#[derive(Debug, Clone, Copy)]
pub struct Blob<'a> {
    /// Whose it is.
    pub tenant: &'a TenantName,
    /// In which container.
    pub container: &'a ContainerName,
    /// The guest's own text.
    pub name: &'a str,
}

/// What an answer of the store is.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, StorageFault>>;

/// Keeps what tasks store.
pub trait Storage: Send + Sync + Debug {
    /// The value of a key.
    fn value<'a>(&'a self, key: Key<'a>) -> Stored<'a, Revised>;
    /// Puts a value; where a revision is given, only while the key still has it. Whether it was put.
    fn put<'a>(&'a self, key: Key<'a>, value: Bytes, expected: Option<u64>) -> Stored<'a, bool>;
    /// Removes a key.
    fn remove<'a>(&'a self, key: Key<'a>) -> Stored<'a, ()>;
    /// The keys of a bucket from a place on.
    fn keys<'a>(&'a self, tenant: &'a TenantName, bucket: &'a BucketName, from: u64) -> Stored<'a, Page>;

    /// When the place of a tenant's containers was made, which it is where it is not there.
    fn containers_made<'a>(&'a self, tenant: &'a TenantName) -> Stored<'a, UnixMs>;
    /// The bytes of a blob from a first to a last one, as far as there are any.
    fn blob<'a>(&'a self, blob: Blob<'a>, first: u64, last: u64) -> Stored<'a, Option<Vec<u8>>>;
    /// Puts a blob.
    fn put_blob<'a>(&'a self, blob: Blob<'a>, bytes: Vec<u8>) -> Stored<'a, ()>;
    /// Removes a blob.
    fn remove_blob<'a>(&'a self, blob: Blob<'a>) -> Stored<'a, ()>;
    /// What a blob is.
    fn blob_info<'a>(&'a self, blob: Blob<'a>) -> Stored<'a, Option<BlobInfo>>;
    /// The names of all blobs of a container.
    fn blobs<'a>(&'a self, tenant: &'a TenantName, container: &'a ContainerName) -> Stored<'a, Vec<String>>;

    /// The value of a secret.
    fn secret<'a>(&'a self, tenant: &'a TenantName, name: &'a SecretName) -> Stored<'a, Option<SecretBytes>>;
}

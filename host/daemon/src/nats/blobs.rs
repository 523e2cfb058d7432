//! Blobs: one object store for each tenant, whose objects are `<container>/<encoded name>`.

use super::storage::{StorageLimits, unavailable};
use crate::storage::{Blob, BlobInfo, StorageFault};
use async_nats::jetstream::Context;
use async_nats::jetstream::object_store::{self, ObjectInfo, ObjectMetadata, ObjectStore};
use async_nats::jetstream::stream::StorageType;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use futures::StreamExt;
use lovage_job::name::{ContainerName, TenantName};
use lovage_job::storage::{BLOB_BYTES_MAX, BLOBS_LISTED_MAX, decoded};
use lovage_job::subject::asset;
use lovage_job::unit::UnixMs;
use tokio::io::AsyncReadExt;

/// Chunks of objects: large enough to be few, small enough for one message of a server with the usual limit.
const CHUNK_BYTES: usize = 256 << 10;
/// What a blob takes on the broker beside its bytes, at most: its record, and the headers and subjects of its chunks.
const BESIDE_BYTES: u64 = 16 << 10;
/// Bytes of one read.
const READ_BYTES: usize = 64 << 10;

/// The blobs of all tenants.
#[derive(Debug)]
pub(super) struct Blobs {
    js: Context,
    limits: StorageLimits,
}

impl Blobs {
    pub(super) fn new(js: Context, limits: StorageLimits) -> Self {
        Self { js, limits }
    }

    async fn open(&self, tenant: &TenantName) -> Result<ObjectStore, StorageFault> {
        let bucket = asset::blobs(tenant);
        if let Ok(store) = self.js.get_object_store(&bucket).await {
            return Ok(store);
        }
        let config = object_store::Config {
            bucket: bucket.clone(),
            description: Some(format!("blobs of tasks of {tenant}")),
            max_bytes: i64::try_from(self.limits.blobstore(tenant).0).unwrap_or(i64::MAX),
            storage: StorageType::File,
            num_replicas: self.limits.topology.replicas,
            ..object_store::Config::default()
        };
        match self.js.create_object_store(config).await {
            Ok(store) => Ok(store),
            Err(error) => self.js.get_object_store(&bucket).await.map_err(|_| fault(error)),
        }
    }

    pub(super) async fn made(&self, tenant: &TenantName) -> Result<UnixMs, StorageFault> {
        self.open(tenant).await?;
        let stream = self.js.get_stream(format!("OBJ_{}", asset::blobs(tenant))).await.map_err(fault)?;
        let created = stream.cached_info().created.unix_timestamp_nanos() / 1_000_000;
        Ok(UnixMs(u64::try_from(created).unwrap_or(0)))
    }

    pub(super) async fn info(&self, blob: Blob<'_>) -> Result<Option<BlobInfo>, StorageFault> {
        let store = self.open(blob.tenant).await?;
        Ok(find(&store, blob).await?.map(|info| told(&info)))
    }

    /// Reads to the last byte that is asked for. A range costs the reading of all before it.
    pub(super) async fn get(&self, blob: Blob<'_>, first: u64, last: u64) -> Result<Option<Vec<u8>>, StorageFault> {
        let store = self.open(blob.tenant).await?;
        let Some(info) = find(&store, blob).await? else { return Ok(None) };
        let size = u64::try_from(info.size).unwrap_or(u64::MAX);
        let end = size.min(last.saturating_add(1));
        let mut bytes = Vec::new();
        if first >= end {
            return Ok(Some(bytes));
        }
        let mut object = store.get(object(blob)).await.map_err(fault)?;
        let (mut at, mut buffer) = (0u64, vec![0; READ_BYTES]);
        while at < end {
            let read = object.read(&mut buffer).await.map_err(fault)?;
            if read == 0 {
                return Err(fault(format_args!("it ends after {at} of {size} bytes")));
            }
            let next = at + u64::try_from(read).unwrap_or(0);
            let place = |offset: u64| usize::try_from(offset.clamp(at, next) - at).unwrap_or(0);
            bytes.extend_from_slice(buffer.get(place(first)..place(end)).unwrap_or_default());
            at = next;
        }
        Ok(Some(bytes))
    }

    pub(super) async fn put(&self, blob: Blob<'_>, bytes: Vec<u8>) -> Result<(), StorageFault> {
        self.limits.take(blob.tenant, bytes.len())?;
        let store = self.open(blob.tenant).await?;
        self.fits(blob.tenant, bytes.len()).await?;
        let message_max = self.js.client().max_payload();
        let metadata = ObjectMetadata {
            name: object(blob),
            chunk_size: Some(CHUNK_BYTES.min(message_max / 4 * 3).max(1)),
            ..ObjectMetadata::default()
        };
        let mut reader = bytes.as_slice();
        let put = store.put(metadata, &mut reader).await;
        put.map(|_| ()).map_err(|error| {
            let text = chain(&error);
            if text.contains("maximum bytes exceeded") || text.contains("insufficient") {
                return self.full(blob.tenant);
            }
            fault(text)
        })
    }

    /// Refuses a blob that will not fit before any of it is put: the chunks of one that is refused half-way stay.
    async fn fits(&self, tenant: &TenantName, bytes: usize) -> Result<(), StorageFault> {
        let stream = self.js.get_stream(format!("OBJ_{}", asset::blobs(tenant))).await.map_err(fault)?;
        let (held, most) = (stream.cached_info().state.bytes, stream.cached_info().config.max_bytes);
        let after = held.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)).saturating_add(BESIDE_BYTES);
        match u64::try_from(most) {
            Ok(most @ 1..) if after > most => Err(self.full(tenant)),
            _ => Ok(()),
        }
    }

    fn full(&self, tenant: &TenantName) -> StorageFault {
        let most = self.limits.blobstore(tenant);
        StorageFault::Limit(format!("the tenant's containers are full: they hold {most} at most"))
    }

    /// Removes a blob, and the mark that the store leaves in its place.
    pub(super) async fn remove(&self, blob: Blob<'_>) -> Result<(), StorageFault> {
        let store = self.open(blob.tenant).await?;
        if find(&store, blob).await?.is_none() {
            return Ok(());
        }
        store.delete(object(blob)).await.map_err(fault)?;
        let bucket = asset::blobs(blob.tenant);
        let stream = self.js.get_stream(format!("OBJ_{bucket}")).await.map_err(fault)?;
        let mark = format!("$O.{bucket}.M.{}", URL_SAFE.encode(object(blob)));
        stream.purge().filter(mark).await.map(|_| ()).map_err(fault)
    }

    pub(super) async fn list(
        &self,
        tenant: &TenantName,
        container: &ContainerName,
    ) -> Result<Vec<String>, StorageFault> {
        let store = self.open(tenant).await?;
        let mut listed = store.list().await.map_err(fault)?;
        let prefix = format!("{container}/");
        let (mut names, mut count) = (Vec::new(), 0);
        while let Some(info) = listed.next().await {
            count += 1;
            if count > BLOBS_LISTED_MAX {
                let text = format!("the tenant has more than {BLOBS_LISTED_MAX} blobs, which are not listed");
                return Err(StorageFault::Limit(text));
            }
            let info = info.map_err(fault)?;
            names.extend(info.name.strip_prefix(&prefix).and_then(decoded));
        }
        names.sort();
        Ok(names)
    }
}

fn object(blob: Blob<'_>) -> String {
    asset::blob_object(blob.container, blob.name)
}

/// A blob that is there. A link to somewhere else is none: nobody but a worker writes here, and workers make no links.
async fn find(store: &ObjectStore, blob: Blob<'_>) -> Result<Option<ObjectInfo>, StorageFault> {
    let info = match store.info(object(blob)).await {
        Ok(info) => info,
        Err(error) if error.kind() == object_store::InfoErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let link = info.options.as_ref().is_some_and(|options| options.link.is_some());
    if info.deleted || link {
        return Ok(None);
    }
    if info.size > BLOB_BYTES_MAX {
        return Err(StorageFault::Limit(format!("a blob of {} bytes is larger than {BLOB_BYTES_MAX}", info.size)));
    }
    Ok(Some(info))
}

fn told(info: &ObjectInfo) -> BlobInfo {
    let put = info.modified.map_or(0, |at| at.unix_timestamp_nanos() / 1_000_000);
    BlobInfo { size: u64::try_from(info.size).unwrap_or(u64::MAX), put: UnixMs(u64::try_from(put).unwrap_or(0)) }
}

fn fault(error: impl std::fmt::Display) -> StorageFault {
    unavailable("blob storage")(error)
}

/// An error with all of its causes: the library names the broker's in the last one.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

//! The stores: results, catalogue, components and payloads, read and written one thing at a time.

use crate::ports::BrokerError;
use async_nats::Client;
use async_nats::jetstream::object_store::{self, ObjectMetadata, ObjectStore};
use async_nats::jetstream::stream::StorageType;
use async_nats::jetstream::{Context, kv};
use bytes::Bytes;
use futures::StreamExt;
use lovage_client::wire;
use lovage_job::catalog::{TaskRecord, VersionRecord};
use lovage_job::name::{Digest, JobId, TaskName, TenantName, VersionName};
use lovage_job::result::JobResult;
use lovage_job::signature::Signature;
use lovage_job::subject::asset;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Chunks of objects: large enough to be few, small enough for one message of a server with the usual limit.
const CHUNK_BYTES: usize = 900_000;
/// How long payloads and outputs in the object store are kept.
const PAYLOADS_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// The largest object that is read: nobody may make a worker read without end.
const OBJECT_BYTES_MAX: usize = 96 << 20;

fn fault(what: &str) -> impl Fn(&dyn std::fmt::Display) -> BrokerError {
    let what = what.to_owned();
    move |error| BrokerError(format!("{what}: {error}"))
}

/// The results of all tenants.
#[derive(Debug, Clone)]
pub struct Results {
    client: Client,
}

impl Results {
    /// Reads over a connection.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The result of a job, by direct get.
    pub async fn get(&self, tenant: &TenantName, id: &JobId) -> Result<Option<JobResult>, BrokerError> {
        let (stream, subject) = (asset::results(tenant), asset::result_subject(tenant, id));
        let subject = format!("$JS.API.DIRECT.GET.KV_{stream}.{subject}");
        let reply = self.client.request(subject, Bytes::new()).await.map_err(|error| fault("result")(&error))?;
        match reply.status.map(|status| status.as_u16()) {
            Some(404) => return Ok(None),
            Some(status) => return Err(BrokerError(format!("result: the broker answered {status}"))),
            None => {}
        }
        let headers = reply.headers.as_ref().map(wire::from_nats).unwrap_or_default();
        if headers.get("KV-Operation").is_some() || headers.get("Nats-Marker-Reason").is_some() {
            return Ok(None);
        }
        JobResult::from_message(&headers, reply.payload.to_vec()).map(Some).map_err(|error| fault("result")(&error))
    }
}

/// The catalogue.
#[derive(Debug, Clone)]
pub struct Catalog {
    bucket: kv::Store,
}

impl Catalog {
    /// Opens the catalogue.
    pub async fn open(js: &Context) -> Result<Self, BrokerError> {
        let bucket = js.get_key_value(asset::CATALOG).await.map_err(|error| fault("catalogue")(&error))?;
        Ok(Self { bucket })
    }

    /// The bucket, to be watched.
    pub fn bucket(&self) -> &kv::Store {
        &self.bucket
    }

    /// A task.
    pub async fn task(&self, tenant: &TenantName, task: &TaskName) -> Result<Option<TaskRecord>, BrokerError> {
        Ok(self.task_with_revision(tenant, task).await?.map(|(record, _)| record))
    }

    /// A task and the revision that a change of it must name.
    pub async fn task_with_revision(
        &self,
        tenant: &TenantName,
        task: &TaskName,
    ) -> Result<Option<(TaskRecord, u64)>, BrokerError> {
        let key = asset::task_key(tenant, task);
        let entry = self.bucket.entry(key).await.map_err(|error| fault("catalogue")(&error))?;
        let Some(entry) = entry.filter(|entry| entry.operation == kv::Operation::Put) else { return Ok(None) };
        let record = serde_json::from_slice(&entry.value).map_err(|error| fault("catalogue")(&error))?;
        Ok(Some((record, entry.revision)))
    }

    /// A version.
    pub async fn version(
        &self,
        tenant: &TenantName,
        task: &TaskName,
        version: &VersionName,
    ) -> Result<Option<VersionRecord>, BrokerError> {
        let key = asset::version_key(tenant, task, version);
        let value = self.bucket.get(key).await.map_err(|error| fault("catalogue")(&error))?;
        value.map(|value| serde_json::from_slice(&value).map_err(|error| fault("catalogue")(&error))).transpose()
    }

    /// Writes a version, unless there is one of that name; returns what is there then.
    pub async fn create_version(
        &self,
        tenant: &TenantName,
        record: &VersionRecord,
    ) -> Result<VersionRecord, BrokerError> {
        let key = asset::version_key(tenant, &record.task, &record.version);
        let value = serde_json::to_vec(record).map_err(|error| fault("catalogue")(&error))?;
        match self.bucket.create(key, value.into()).await {
            Ok(_) => Ok(record.clone()),
            Err(error) => {
                let there = self.version(tenant, &record.task, &record.version).await?;
                there.ok_or_else(|| fault("catalogue")(&error))
            }
        }
    }

    /// Puts signatures in place of those of a version; all else of it never changes.
    pub async fn sign_version(
        &self,
        tenant: &TenantName,
        record: &VersionRecord,
        signatures: Vec<Signature>,
    ) -> Result<VersionRecord, BrokerError> {
        let failed = fault("catalogue");
        let key = asset::version_key(tenant, &record.task, &record.version);
        let entry = self.bucket.entry(&key).await.map_err(|error| failed(&error))?;
        let there = entry.as_ref().filter(|entry| entry.operation == kv::Operation::Put);
        let there = there.ok_or_else(|| failed(&format!("version {} was removed", record.version)))?;
        let signed: VersionRecord = serde_json::from_slice(&there.value).map_err(|error| failed(&error))?;
        if signed.digest != record.digest {
            return Err(failed(&format!("version {} is another component now", record.version)));
        }
        let signed = VersionRecord { signatures, ..signed };
        let value = serde_json::to_vec(&signed).map_err(|error| failed(&error))?;
        self.bucket.update(&key, value.into(), there.revision).await.map_err(|error| failed(&error))?;
        Ok(signed)
    }

    /// Removes a version's record.
    pub async fn remove_version(
        &self,
        tenant: &TenantName,
        task: &TaskName,
        version: &VersionName,
    ) -> Result<(), BrokerError> {
        let key = asset::version_key(tenant, task, version);
        self.bucket.purge(key).await.map_err(|error| fault("catalogue")(&error))
    }

    /// Removes a task's record.
    pub async fn remove_task(&self, tenant: &TenantName, task: &TaskName) -> Result<(), BrokerError> {
        let key = asset::task_key(tenant, task);
        self.bucket.purge(key).await.map_err(|error| fault("catalogue")(&error))
    }

    /// Changes a task, or makes it; again where someone else changed it meanwhile.
    pub async fn change<E: From<BrokerError>, R>(
        &self,
        tenant: &TenantName,
        task: &TaskName,
        change: impl Fn(Option<TaskRecord>) -> Result<(TaskRecord, R), E>,
    ) -> Result<(TaskRecord, R), E> {
        const TRIES: usize = 20;
        let key = asset::task_key(tenant, task);
        let mut last = BrokerError("catalogue: it is changed by others all the time".to_owned());
        for _ in 0..TRIES {
            let (before, revision) = match self.task_with_revision(tenant, task).await? {
                Some((record, revision)) => (Some(record), Some(revision)),
                None => (None, None),
            };
            let (record, answer) = change(before)?;
            let value: Bytes = serde_json::to_vec(&record).map_err(|error| fault("catalogue")(&error))?.into();
            let written = match revision {
                Some(revision) => {
                    self.bucket.update(&key, value, revision).await.map_err(|error| fault("catalogue")(&error))
                }
                None => self.bucket.create(&key, value).await.map_err(|error| fault("catalogue")(&error)),
            };
            match written {
                Ok(_) => return Ok((record, answer)),
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }

    /// Every task of a tenant.
    pub async fn tasks(&self, tenant: &TenantName) -> Result<Vec<TaskRecord>, BrokerError> {
        let failed = fault("catalogue");
        let mut keys = self.bucket.keys().await.map_err(|error| failed(&error))?;
        let prefix = format!("{tenant}.task.");
        let mut tasks = Vec::new();
        while let Some(key) = keys.next().await {
            let key = key.map_err(|error| failed(&error))?;
            let Some(name) = key.strip_prefix(&prefix).and_then(|name| name.parse().ok()) else { continue };
            tasks.extend(self.task(tenant, &name).await?);
        }
        tasks.sort_by(|a, b| a.task.cmp(&b.task));
        Ok(tasks)
    }
}

/// Objects by digest.
#[derive(Debug, Clone)]
struct Objects {
    js: Context,
}

impl Objects {
    async fn open(&self, bucket: &str) -> Option<ObjectStore> {
        self.js.get_object_store(bucket).await.ok()
    }

    async fn open_or_make(&self, bucket: &str, about: &str, kept: Duration) -> Result<ObjectStore, BrokerError> {
        if let Some(store) = self.open(bucket).await {
            return Ok(store);
        }
        let config = object_store::Config {
            bucket: bucket.to_owned(),
            description: Some(about.to_owned()),
            max_age: kept,
            storage: StorageType::File,
            ..object_store::Config::default()
        };
        match self.js.create_object_store(config).await {
            Ok(store) => Ok(store),
            Err(error) => self.open(bucket).await.ok_or_else(|| fault(bucket)(&error)),
        }
    }

    async fn get(&self, bucket: &str, digest: &Digest) -> Result<Option<Bytes>, BrokerError> {
        let Some(store) = self.open(bucket).await else { return Ok(None) };
        let object = match store.get(digest.hex()).await {
            Ok(object) => object,
            Err(error) if error.kind() == object_store::GetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(bucket)(&error)),
        };
        if object.info.size > OBJECT_BYTES_MAX {
            return Err(BrokerError(format!("{bucket}: object {digest} has {} bytes", object.info.size)));
        }
        let mut bytes = Vec::with_capacity(object.info.size);
        let limit = u64::try_from(OBJECT_BYTES_MAX).unwrap_or(u64::MAX);
        let read = object.take(limit).read_to_end(&mut bytes).await;
        match read {
            Ok(_) => Ok(Some(bytes.into())),
            // the library checks the object's own digest at its end: damaged bytes are the caller's to judge
            Err(error) if error.to_string().contains("digest") => Ok(Some(bytes.into())),
            Err(error) => Err(fault(bucket)(&error)),
        }
    }

    async fn put(&self, store: &ObjectStore, digest: &Digest, bytes: &[u8]) -> Result<(), BrokerError> {
        if store.info(digest.hex()).await.is_ok_and(|info| !info.deleted && info.size == bytes.len()) {
            return Ok(());
        }
        let message_max = self.js.client().max_payload();
        let metadata = ObjectMetadata {
            name: digest.hex().to_owned(),
            chunk_size: Some(CHUNK_BYTES.min(message_max / 4 * 3).max(1)),
            ..ObjectMetadata::default()
        };
        let mut reader = bytes;
        store.put(metadata, &mut reader).await.map(|_| ()).map_err(|error| fault("object store")(&error))
    }
}

/// The components of all tenants.
#[derive(Debug, Clone)]
pub struct Components {
    objects: Objects,
}

impl Components {
    /// Reads and writes over a connection.
    pub fn new(js: Context) -> Self {
        Self { objects: Objects { js } }
    }

    /// The bytes that are stored under a digest; the caller checks them.
    pub async fn get(&self, tenant: &TenantName, digest: &Digest) -> Result<Option<Bytes>, BrokerError> {
        self.objects.get(&asset::components(tenant), digest).await
    }

    /// Stores a component.
    pub async fn put(&self, tenant: &TenantName, digest: &Digest, bytes: &[u8]) -> Result<(), BrokerError> {
        let about = format!("components of {tenant}");
        let store = self.objects.open_or_make(&asset::components(tenant), &about, Duration::ZERO).await?;
        self.objects.put(&store, digest, bytes).await
    }

    /// Removes a component.
    pub async fn remove(&self, tenant: &TenantName, digest: &Digest) -> Result<(), BrokerError> {
        let Some(store) = self.objects.open(&asset::components(tenant)).await else { return Ok(()) };
        store.delete(digest.hex()).await.map_err(|error| fault("components")(&error))
    }
}

/// The large payloads and outputs of all tenants.
#[derive(Debug, Clone)]
pub struct Payloads {
    objects: Objects,
}

impl Payloads {
    /// Reads and writes over a connection.
    pub fn new(js: Context) -> Self {
        Self { objects: Objects { js } }
    }

    /// The bytes that are stored under a digest; the caller checks them.
    pub async fn get(&self, tenant: &TenantName, digest: &Digest) -> Result<Option<Bytes>, BrokerError> {
        self.objects.get(&asset::payloads(tenant), digest).await
    }

    /// Stores bytes under their digest.
    pub async fn put(&self, tenant: &TenantName, bytes: &[u8]) -> Result<Digest, BrokerError> {
        let about = format!("large payloads and outputs of {tenant}");
        let store = self.objects.open_or_make(&asset::payloads(tenant), &about, PAYLOADS_KEPT).await?;
        let digest = Digest::of(bytes);
        self.objects.put(&store, &digest, bytes).await?;
        Ok(digest)
    }
}

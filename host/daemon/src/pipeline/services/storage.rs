//! What a guest may ask of the stores: its grants and every size are checked here once more, whatever its sandbox says.

use super::GuestServices;
use crate::storage::{Blob, Key, StorageFault};
use lovage_job::name::{BucketName, ContainerName, NameError, SecretName};
use lovage_job::storage::{ASKS_MAX, StorageLimit, check_blob, check_key, check_value, sum};
use lovage_sandbox::{Answer, Ask, BlobAsk, KeyValueAsk, Refusal};
use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often an addition is tried while others change the same key.
const TRIES: u64 = 60;
/// The longest pause after someone else was first.
const PAUSE_MAX_MS: u64 = 60;

impl GuestServices {
    /// Uses a capability.
    pub(super) async fn ask_for(&self, ask: Ask) -> Result<Answer, Refusal> {
        if self.asks.fetch_add(1, Ordering::Relaxed) >= ASKS_MAX {
            return Err(limit(StorageLimit::Asks));
        }
        match ask {
            Ask::KeyValue { bucket, ask } => {
                let bucket: BucketName = bucket.parse().map_err(invalid)?;
                self.grants.keyvalue.contains(&bucket).then_some(()).ok_or_else(|| denied("bucket", &bucket))?;
                self.key_value(&bucket, ask).await
            }
            Ask::Blob { container, ask } => {
                let container: ContainerName = container.parse().map_err(invalid)?;
                let granted = self.grants.blobstore.contains(&container);
                granted.then_some(()).ok_or_else(|| denied("container", &container))?;
                self.blob(&container, ask).await
            }
            Ask::Secret(name) => {
                let name: SecretName = name.parse().map_err(invalid)?;
                self.grants.secrets.contains(&name).then_some(()).ok_or_else(|| denied("secret", &name))?;
                Ok(Answer::Secret(self.storage.secret(&self.tenant, &name).await.map_err(refused)?))
            }
            Ask::Http(ask) => Ok(self.egress.ask(ask, &self.grants).await),
        }
    }

    async fn key_value(&self, bucket: &BucketName, ask: KeyValueAsk) -> Result<Answer, Refusal> {
        let key = |key| Key { tenant: &self.tenant, bucket, key };
        match ask {
            KeyValueAsk::Open => Ok(Answer::Done),
            KeyValueAsk::Get(name) => {
                check_key(&name).map_err(limit)?;
                let (value, revision) = self.storage.value(key(&name)).await.map_err(refused)?;
                Ok(Answer::Revision(value.map(Into::into), revision))
            }
            KeyValueAsk::Set(name, value) => {
                check_key(&name).and_then(|()| check_value(value.len())).map_err(limit)?;
                self.storage.put(key(&name), value.into(), None).await.map_err(refused)?;
                Ok(Answer::Done)
            }
            KeyValueAsk::Swap(name, value, revision) => {
                check_key(&name).and_then(|()| check_value(value.len())).map_err(limit)?;
                let put = self.storage.put(key(&name), value.into(), Some(revision)).await;
                put.map(Answer::Whether).map_err(refused)
            }
            KeyValueAsk::Delete(name) => {
                check_key(&name).map_err(limit)?;
                self.storage.remove(key(&name)).await.map_err(refused)?;
                Ok(Answer::Done)
            }
            KeyValueAsk::Keys(cursor) => {
                let bad = || Refusal::Invalid("the cursor is none that was given".to_owned());
                let from = cursor.map_or(Ok(0), |cursor| cursor.parse().map_err(|_| bad()))?;
                let (keys, next) = self.storage.keys(&self.tenant, bucket, from).await.map_err(refused)?;
                Ok(Answer::Names(keys, next.map(|next| next.to_string())))
            }
            KeyValueAsk::Increment(name, delta) => {
                check_key(&name).map_err(limit)?;
                self.increment(key(&name), delta).await
            }
        }
    }

    /// Adds to a number, again where someone else changed it meanwhile.
    async fn increment(&self, key: Key<'_>, delta: i64) -> Result<Answer, Refusal> {
        for round in 0..TRIES {
            let (value, revision) = self.storage.value(key).await.map_err(refused)?;
            let sum = sum(value.as_deref(), delta).map_err(Refusal::Invalid)?;
            if self.storage.put(key, sum.to_string().into(), Some(revision)).await.map_err(refused)? {
                return Ok(Answer::Number(sum));
            }
            let longest = (2 + round * 4).min(PAUSE_MAX_MS);
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..=longest))).await;
        }
        Err(Refusal::Unavailable(format!("key {:?} is changed by others all the time", key.key)))
    }

    async fn blob(&self, container: &ContainerName, ask: BlobAsk) -> Result<Answer, Refusal> {
        let blob = |name| Blob { tenant: &self.tenant, container, name };
        match ask {
            BlobAsk::Open => {
                let made = self.storage.containers_made(&self.tenant).await.map_err(refused)?;
                Ok(Answer::Info(Some((0, made.0))))
            }
            BlobAsk::Get(name, first, last) => {
                check_key(&name).map_err(limit)?;
                self.storage.blob(blob(&name), first, last).await.map(Answer::Bytes).map_err(refused)
            }
            BlobAsk::Put(name, bytes) => {
                check_key(&name).and_then(|()| check_blob(bytes.len())).map_err(limit)?;
                self.storage.put_blob(blob(&name), bytes).await.map(|()| Answer::Done).map_err(refused)
            }
            BlobAsk::Delete(name) => {
                check_key(&name).map_err(limit)?;
                self.storage.remove_blob(blob(&name)).await.map(|()| Answer::Done).map_err(refused)
            }
            BlobAsk::Info(name) => {
                check_key(&name).map_err(limit)?;
                let info = self.storage.blob_info(blob(&name)).await.map_err(refused)?;
                Ok(Answer::Info(info.map(|info| (info.size, info.put.0))))
            }
            BlobAsk::List => {
                let names = self.storage.blobs(&self.tenant, container).await.map_err(refused)?;
                Ok(Answer::Names(names, None))
            }
            BlobAsk::Clear => {
                for name in self.storage.blobs(&self.tenant, container).await.map_err(refused)? {
                    let blob = Blob { tenant: &self.tenant, container, name: &name };
                    self.storage.remove_blob(blob).await.map_err(refused)?;
                }
                Ok(Answer::Done)
            }
        }
    }
}

fn limit(limit: StorageLimit) -> Refusal {
    Refusal::Limit(limit.to_string())
}

fn invalid(error: NameError) -> Refusal {
    Refusal::Invalid(error.to_string())
}

fn denied(what: &str, name: &dyn Display) -> Refusal {
    Refusal::Denied(format!("the task was not granted {what} {name}"))
}

fn refused(fault: StorageFault) -> Refusal {
    match fault {
        StorageFault::Limit(text) => Refusal::Limit(text),
        StorageFault::Unavailable(text) => Refusal::Unavailable(text),
    }
}

#[cfg(test)]
#[path = "storage_tests.rs"]
pub(in crate::pipeline) mod tests;

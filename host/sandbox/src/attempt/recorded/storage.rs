//! Buckets, containers and secrets in memory: for a run without a broker, and for tests of tasks.

use super::Recorded;
use crate::attempt::services::{Answer, Ask, BlobAsk, KeyValueAsk, Refusal};
use lovage_job::secret::SecretBytes;
use lovage_job::storage::{PAGE_KEYS_MAX, StorageLimit, check_blob, check_key, check_value, sum};
use std::collections::BTreeMap;
use std::ops::Bound;

/// What is stored, by bucket or container, and by key.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    values: BTreeMap<(String, String), (Vec<u8>, u64)>,
    blobs: BTreeMap<(String, String), Vec<u8>>,
    secrets: BTreeMap<String, SecretBytes>,
    revision: u64,
}

impl Recorded {
    /// Puts a value into a bucket, as an earlier job would have.
    pub fn put_value(&self, bucket: &str, key: &str, value: Vec<u8>) {
        self.book().shelves.put(bucket, key, value);
    }

    /// Puts a blob into a container, as an earlier job would have.
    pub fn put_blob(&self, container: &str, name: &str, bytes: Vec<u8>) {
        self.book().shelves.blobs.insert((container.to_owned(), name.to_owned()), bytes);
    }

    /// The tenant has this secret.
    pub fn put_secret(&self, name: &str, value: Vec<u8>) {
        self.book().shelves.secrets.insert(name.to_owned(), SecretBytes::new(value));
    }

    /// What lies in all buckets, by bucket and key.
    pub fn values(&self) -> BTreeMap<(String, String), Vec<u8>> {
        self.book().shelves.values.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    /// What lies in all containers, by container and name.
    pub fn blobs(&self) -> BTreeMap<(String, String), Vec<u8>> {
        self.book().shelves.blobs.clone()
    }

    pub(super) fn answer(&self, ask: Ask) -> Result<Answer, Refusal> {
        let shelves = &mut self.book().shelves;
        match ask {
            Ask::KeyValue { bucket, ask } => shelves.key_value(&bucket, ask),
            Ask::Blob { container, ask } => shelves.blob(container, ask),
            Ask::Secret(name) => Ok(Answer::Secret(shelves.secrets.get(&name).cloned())),
            Ask::Http(_) => Err(Refusal::Unavailable("nothing is sent without a worker".to_owned())),
        }
    }
}

fn limit(limit: StorageLimit) -> Refusal {
    Refusal::Limit(limit.to_string())
}

impl Shelves {
    fn put(&mut self, bucket: &str, key: &str, value: Vec<u8>) {
        self.revision += 1;
        self.values.insert((bucket.to_owned(), key.to_owned()), (value, self.revision));
    }

    fn key_value(&mut self, bucket: &str, ask: KeyValueAsk) -> Result<Answer, Refusal> {
        let at = |key: &str| (bucket.to_owned(), key.to_owned());
        match ask {
            KeyValueAsk::Open => Ok(Answer::Done),
            KeyValueAsk::Get(key) => {
                check_key(&key).map_err(limit)?;
                let found = self.values.get(&at(&key)).cloned();
                let revision = found.as_ref().map_or(0, |(_, revision)| *revision);
                Ok(Answer::Revision(found.map(|(value, _)| value), revision))
            }
            KeyValueAsk::Set(key, value) => {
                check_key(&key).and_then(|()| check_value(value.len())).map_err(limit)?;
                self.put(bucket, &key, value);
                Ok(Answer::Done)
            }
            KeyValueAsk::Swap(key, value, expected) => {
                check_key(&key).and_then(|()| check_value(value.len())).map_err(limit)?;
                let same = self.values.get(&at(&key)).map_or(0, |(_, revision)| *revision) == expected;
                if same {
                    self.put(bucket, &key, value);
                }
                Ok(Answer::Whether(same))
            }
            KeyValueAsk::Delete(key) => {
                self.values.remove(&at(&key));
                Ok(Answer::Done)
            }
            KeyValueAsk::Keys(cursor) => Ok(self.page(bucket, cursor)),
            KeyValueAsk::Increment(key, delta) => {
                check_key(&key).map_err(limit)?;
                let stored = self.values.get(&at(&key)).map(|(value, _)| value.as_slice());
                let sum = sum(stored, delta).map_err(Refusal::Invalid)?;
                self.put(bucket, &key, sum.to_string().into_bytes());
                Ok(Answer::Number(sum))
            }
        }
    }

    fn page(&self, bucket: &str, cursor: Option<String>) -> Answer {
        let from = (bucket.to_owned(), cursor.unwrap_or_default());
        let rest = self.values.range((Bound::Excluded(from), Bound::Unbounded));
        let mut keys = rest.map(|(key, _)| key).take_while(|(of, _)| of == bucket).map(|(_, key)| key.clone());
        let page: Vec<_> = keys.by_ref().take(PAGE_KEYS_MAX).collect();
        let next = keys.next().and_then(|_| page.last().cloned());
        Answer::Names(page, next)
    }

    fn blob(&mut self, container: String, ask: BlobAsk) -> Result<Answer, Refusal> {
        let at = |name: String| (container.clone(), name);
        match ask {
            BlobAsk::Open => Ok(Answer::Info(None)),
            BlobAsk::Get(name, first, last) => {
                let found = self.blobs.get(&at(name)).map(|bytes| {
                    let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                    bytes.get(place(first)..place(last.saturating_add(1))).unwrap_or_default().to_vec()
                });
                Ok(Answer::Bytes(found))
            }
            BlobAsk::Put(name, bytes) => {
                check_key(&name).and_then(|()| check_blob(bytes.len())).map_err(limit)?;
                self.blobs.insert(at(name), bytes);
                Ok(Answer::Done)
            }
            BlobAsk::Delete(name) => {
                self.blobs.remove(&at(name));
                Ok(Answer::Done)
            }
            BlobAsk::Info(name) => {
                let size = self.blobs.get(&at(name)).map(|bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                Ok(Answer::Info(size.map(|size| (size, 0))))
            }
            BlobAsk::List => {
                let names = self.blobs.keys().filter(|(of, _)| *of == container).map(|(_, name)| name.clone());
                Ok(Answer::Names(names.collect(), None))
            }
            BlobAsk::Clear => {
                self.blobs.retain(|(of, _), _| *of != container);
                Ok(Answer::Done)
            }
        }
    }
}

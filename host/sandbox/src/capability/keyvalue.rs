//! `wasi:keyvalue`: buckets of the tenant that the task was granted.

use super::bindings::keyvalue::atomics::{self, CasError};
use super::bindings::keyvalue::batch;
use super::bindings::keyvalue::store::{self, Error, KeyResponse};
use super::prepared::mixed_up;
use crate::attempt::cell::Cell;
use crate::attempt::host_memory::Hold;
use crate::attempt::services::{Answer, Ask, KeyValueAsk, Refusal};
use lovage_job::name::BucketName;
use lovage_job::storage::{check_batch, check_key, check_value};
use std::fmt::Display;
use wasmtime::component::{HasSelf, Linker, Resource};

/// An open bucket: its name, which the task was granted.
#[derive(Clone)]
pub struct Bucket(String);

/// A key as it was at one moment.
pub struct Cas {
    bucket: Bucket,
    key: String,
    value: Option<Vec<u8>>,
    revision: u64,
    /// The memory of the value.
    _hold: Hold,
}

pub(super) fn init(linker: &mut Linker<Cell>) -> wasmtime::Result<()> {
    store::add_to_linker::<Cell, HasSelf<Cell>>(linker, |cell| cell)?;
    atomics::add_to_linker::<Cell, HasSelf<Cell>>(linker, |cell| cell)?;
    batch::add_to_linker::<Cell, HasSelf<Cell>>(linker, |cell| cell)
}

fn limit(limit: impl Display) -> Refusal {
    Refusal::Limit(limit.to_string())
}

fn error(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Denied(_) => Error::AccessDenied,
        Refusal::Invalid(text) | Refusal::Limit(text) | Refusal::Unavailable(text) => Error::Other(text),
    }
}

impl Cell {
    async fn key_value(&mut self, bucket: &Bucket, ask: KeyValueAsk) -> Result<Answer, Refusal> {
        self.capable.ask(Ask::KeyValue { bucket: bucket.0.clone(), ask }).await
    }

    async fn open_bucket(&mut self, name: String) -> Result<Bucket, Error> {
        if name.parse::<BucketName>().is_err() {
            return Err(Error::NoSuchStore);
        }
        if !self.capable.grants().keyvalue.iter().any(|granted| granted.as_str() == name) {
            return Err(Error::AccessDenied);
        }
        let bucket = Bucket(name);
        self.key_value(&bucket, KeyValueAsk::Open).await.map_err(error)?;
        Ok(bucket)
    }

    async fn value(&mut self, bucket: &Bucket, key: String) -> Result<(Option<Vec<u8>>, u64), Refusal> {
        check_key(&key).map_err(limit)?;
        match self.key_value(bucket, KeyValueAsk::Get(key)).await? {
            Answer::Revision(value, revision) => Ok((value, revision)),
            _ => Err(mixed_up()),
        }
    }

    async fn put_value(&mut self, bucket: &Bucket, key: String, value: Vec<u8>) -> Result<(), Refusal> {
        self.check_put(&key, &value)?;
        self.key_value(bucket, KeyValueAsk::Set(key, value)).await.map(|_| ())
    }

    fn check_put(&self, key: &str, value: &[u8]) -> Result<(), Refusal> {
        check_key(key).map_err(limit)?;
        check_value(value.len()).map_err(limit)?;
        self.capable.check_stored(key.as_bytes())?;
        self.capable.check_stored(value)
    }

    async fn remove_key(&mut self, bucket: &Bucket, key: String) -> Result<(), Refusal> {
        check_key(&key).map_err(limit)?;
        self.key_value(bucket, KeyValueAsk::Delete(key)).await.map(|_| ())
    }

    async fn page(&mut self, bucket: &Bucket, cursor: Option<String>) -> Result<KeyResponse, Refusal> {
        if let Some(cursor) = &cursor {
            check_key(cursor).map_err(|_| Refusal::Invalid("the cursor is none that was given".to_owned()))?;
        }
        match self.key_value(bucket, KeyValueAsk::Keys(cursor)).await? {
            Answer::Names(keys, cursor) => Ok(KeyResponse { keys, cursor }),
            _ => Err(mixed_up()),
        }
    }

    async fn remember(&mut self, bucket: Bucket, key: String) -> Result<Cas, Refusal> {
        let (value, revision) = self.value(&bucket, key.clone()).await?;
        let hold = self.capable.hold(value.as_ref().map_or(0, Vec::len))?;
        Ok(Cas { bucket, key, value, revision, _hold: hold })
    }

    /// Whether the key was still as it is remembered, and now has the value.
    async fn swap_value(&mut self, cas: &Cas, value: Vec<u8>) -> Result<bool, Refusal> {
        self.check_put(&cas.key, &value)?;
        match self.key_value(&cas.bucket, KeyValueAsk::Swap(cas.key.clone(), value, cas.revision)).await? {
            Answer::Whether(done) => Ok(done),
            _ => Err(mixed_up()),
        }
    }

    async fn add(&mut self, bucket: &Bucket, key: String, delta: i64) -> Result<i64, Refusal> {
        self.check_put(&key, &[])?;
        match self.key_value(bucket, KeyValueAsk::Increment(key, delta)).await? {
            Answer::Number(sum) => Ok(sum),
            _ => Err(mixed_up()),
        }
    }
}

impl store::Host for Cell {
    async fn open(&mut self, identifier: String) -> wasmtime::Result<Result<Resource<Bucket>, Error>> {
        Ok(match self.open_bucket(identifier).await {
            Ok(bucket) => Ok(self.table.push(bucket)?),
            Err(error) => Err(error),
        })
    }
}

impl store::HostBucket for Cell {
    async fn get(&mut self, this: Resource<Bucket>, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let bucket = self.table.get(&this)?.clone();
        Ok(self.value(&bucket, key).await.map(|(value, _)| value).map_err(error))
    }

    async fn set(
        &mut self,
        this: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let bucket = self.table.get(&this)?.clone();
        Ok(self.put_value(&bucket, key, value).await.map_err(error))
    }

    async fn delete(&mut self, this: Resource<Bucket>, key: String) -> wasmtime::Result<Result<(), Error>> {
        let bucket = self.table.get(&this)?.clone();
        Ok(self.remove_key(&bucket, key).await.map_err(error))
    }

    async fn exists(&mut self, this: Resource<Bucket>, key: String) -> wasmtime::Result<Result<bool, Error>> {
        let bucket = self.table.get(&this)?.clone();
        Ok(self.value(&bucket, key).await.map(|(value, _)| value.is_some()).map_err(error))
    }

    async fn list_keys(
        &mut self,
        this: Resource<Bucket>,
        cursor: Option<String>,
    ) -> wasmtime::Result<Result<KeyResponse, Error>> {
        let bucket = self.table.get(&this)?.clone();
        Ok(self.page(&bucket, cursor).await.map_err(error))
    }

    async fn drop(&mut self, this: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl atomics::Host for Cell {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, Error>> {
        let bucket = self.table.get(&bucket)?.clone();
        Ok(self.add(&bucket, key, delta).await.map_err(error))
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> wasmtime::Result<Result<(), CasError>> {
        let cas = self.table.delete(cas)?;
        let failed = |refusal| CasError::StoreError(error(refusal));
        match self.swap_value(&cas, value).await {
            Ok(true) => Ok(Ok(())),
            Ok(false) => match self.remember(cas.bucket, cas.key).await {
                Ok(now) => Ok(Err(CasError::CasFailed(self.table.push(now)?))),
                Err(refusal) => Ok(Err(failed(refusal))),
            },
            Err(refusal) => Ok(Err(failed(refusal))),
        }
    }
}

impl atomics::HostCas for Cell {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<Resource<Cas>, Error>> {
        let bucket = self.table.get(&bucket)?.clone();
        Ok(match self.remember(bucket, key).await {
            Ok(cas) => Ok(self.table.push(cas)?),
            Err(refusal) => Err(error(refusal)),
        })
    }

    async fn current(&mut self, this: Resource<Cas>) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(Ok(self.table.get(&this)?.value.clone()))
    }

    async fn drop(&mut self, this: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl batch::Host for Cell {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<(String, Option<Vec<u8>>)>, Error>> {
        let bucket = self.table.get(&bucket)?.clone();
        Ok(self.values(&bucket, keys).await.map_err(error))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let bucket = self.table.get(&bucket)?.clone();
        if let Err(much) = check_batch(key_values.len()) {
            return Ok(Err(error(limit(much))));
        }
        for (key, value) in key_values {
            if let Err(refusal) = self.put_value(&bucket, key, value).await {
                return Ok(Err(error(refusal)));
            }
        }
        Ok(Ok(()))
    }

    async fn delete_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let bucket = self.table.get(&bucket)?.clone();
        if let Err(much) = check_batch(keys.len()) {
            return Ok(Err(error(limit(much))));
        }
        for key in keys {
            if let Err(refusal) = self.remove_key(&bucket, key).await {
                return Ok(Err(error(refusal)));
            }
        }
        Ok(Ok(()))
    }
}

impl Cell {
    /// Values of many keys. All of them are held at once until the guest has them, so they are counted.
    async fn values(&mut self, bucket: &Bucket, keys: Vec<String>) -> Result<Vec<(String, Option<Vec<u8>>)>, Refusal> {
        check_batch(keys.len()).map_err(limit)?;
        let mut hold = self.capable.hold(0)?;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let (value, _) = self.value(bucket, key.clone()).await?;
            if !hold.grow(value.as_ref().map_or(0, Vec::len)) {
                return Err(Refusal::Limit("the values are more than the attempt has room for at once".to_owned()));
            }
            values.push((key, value));
        }
        Ok(values)
    }
}

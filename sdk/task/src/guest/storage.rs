//! The worker's side of [`crate::kv`], [`crate::blobs`], [`crate::config`] and [`crate::secrets`].

/// The worker's side of [`crate::kv`].
pub(crate) mod kv {
    use super::super::bindings::wasi::keyvalue::{atomics, store};
    use crate::kv::KvError;

    #[derive(Debug)]
    pub(crate) struct Bucket(store::Bucket);

    pub(crate) struct Cas(atomics::Cas);

    fn error(error: store::Error) -> KvError {
        match error {
            store::Error::NoSuchStore => KvError::NoSuchBucket,
            store::Error::AccessDenied => KvError::Denied,
            store::Error::Other(text) => KvError::Other(text),
        }
    }

    impl Bucket {
        pub(crate) fn open(name: &str) -> Result<Self, KvError> {
            store::open(name).map(Self).map_err(error)
        }

        pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
            self.0.get(key).map_err(error)
        }

        pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
            self.0.set(key, value).map_err(error)
        }

        pub(crate) fn delete(&self, key: &str) -> Result<(), KvError> {
            self.0.delete(key).map_err(error)
        }

        pub(crate) fn exists(&self, key: &str) -> Result<bool, KvError> {
            self.0.exists(key).map_err(error)
        }

        pub(crate) fn keys(&self, cursor: Option<&str>) -> Result<(Vec<String>, Option<String>), KvError> {
            self.0.list_keys(cursor).map(|page| (page.keys, page.cursor)).map_err(error)
        }

        pub(crate) fn increment(&self, key: &str, delta: i64) -> Result<i64, KvError> {
            atomics::increment(&self.0, key, delta).map_err(error)
        }

        pub(crate) fn remember(&self, key: &str) -> Result<Cas, KvError> {
            atomics::Cas::new(&self.0, key).map(Cas).map_err(error)
        }
    }

    impl Cas {
        pub(crate) fn current(&self) -> Result<Option<Vec<u8>>, KvError> {
            self.0.current().map_err(error)
        }

        /// The key as it is now, where it is not as it was remembered.
        pub(crate) fn swap(self, value: &[u8]) -> Result<Option<Self>, KvError> {
            match atomics::swap(self.0, value) {
                Ok(()) => Ok(None),
                Err(atomics::CasError::CasFailed(now)) => Ok(Some(Self(now))),
                Err(atomics::CasError::StoreError(fault)) => Err(error(fault)),
            }
        }
    }
}

/// The worker's side of [`crate::blobs`].
pub(crate) mod blobs {
    use super::super::bindings::wasi::blobstore::types::{IncomingValue, ObjectId, OutgoingValue};
    use super::super::bindings::wasi::blobstore::{blobstore, container};
    use crate::blobs::BlobError;

    /// Bytes of one write: what the interface takes at once at most.
    const WRITE_BYTES: usize = 4096;
    /// Names of one read.
    const NAMES: u64 = 1_000;

    #[derive(Debug)]
    pub(crate) struct Container {
        name: String,
        host: container::Container,
    }

    impl Container {
        pub(crate) fn open(name: &str) -> Result<Self, BlobError> {
            let host = blobstore::get_container(name).map_err(BlobError)?;
            Ok(Self { name: name.to_owned(), host })
        }

        pub(crate) fn has(&self, name: &str) -> Result<bool, BlobError> {
            self.host.has_object(name).map_err(BlobError)
        }

        pub(crate) fn size(&self, name: &str) -> Result<u64, BlobError> {
            self.host.object_info(name).map(|info| info.size).map_err(BlobError)
        }

        pub(crate) fn get(&self, name: &str, first: u64, last: u64) -> Result<Vec<u8>, BlobError> {
            let value = self.host.get_data(name, first, last).map_err(BlobError)?;
            IncomingValue::incoming_value_consume_sync(value).map_err(BlobError)
        }

        pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
            let value = OutgoingValue::new_outgoing_value();
            let taken = || BlobError("the blob has no stream".to_owned());
            let stream = value.outgoing_value_write_body().map_err(|()| taken())?;
            self.host.write_data(name, &value).map_err(BlobError)?;
            for chunk in bytes.chunks(WRITE_BYTES) {
                let written = stream.blocking_write_and_flush(chunk);
                written.map_err(|_| BlobError(format!("a blob of {} bytes is too large", bytes.len())))?;
            }
            drop(stream);
            OutgoingValue::finish(value).map_err(BlobError)
        }

        pub(crate) fn delete(&self, name: &str) -> Result<(), BlobError> {
            self.host.delete_object(name).map_err(BlobError)
        }

        pub(crate) fn list(&self) -> Result<Vec<String>, BlobError> {
            let stream = self.host.list_objects().map_err(BlobError)?;
            let mut names = Vec::new();
            loop {
                let (more, is_last) = stream.read_stream_object_names(NAMES).map_err(BlobError)?;
                names.extend(more);
                if is_last {
                    return Ok(names);
                }
            }
        }

        pub(crate) fn clear(&self) -> Result<(), BlobError> {
            self.host.clear().map_err(BlobError)
        }

        pub(crate) fn copy(&self, name: &str, to: &Self, to_name: &str) -> Result<(), BlobError> {
            let from = ObjectId { container: self.name.clone(), object: name.to_owned() };
            let to = ObjectId { container: to.name.clone(), object: to_name.to_owned() };
            blobstore::copy_object(&from, &to).map_err(BlobError)
        }
    }
}

/// The worker's side of [`crate::config`].
pub(crate) mod config {
    use super::super::bindings::wasi::config::store;
    use crate::config::ConfigError;

    fn error(error: store::Error) -> ConfigError {
        match error {
            store::Error::Upstream(text) | store::Error::Io(text) => ConfigError(text),
        }
    }

    pub(crate) fn get(key: &str) -> Result<Option<String>, ConfigError> {
        store::get(key).map_err(error)
    }

    pub(crate) fn all() -> Result<Vec<(String, String)>, ConfigError> {
        store::get_all().map_err(error)
    }
}

/// The worker's side of [`crate::secrets`].
pub(crate) mod secrets {
    use super::super::bindings::lovage::task::secrets as host;
    use crate::secrets::SecretError;

    pub(crate) fn get(name: &str) -> Result<Option<Vec<u8>>, SecretError> {
        host::get(name).map_err(|error| match error {
            host::SecretError::Denied(text) => SecretError::Denied(text),
            host::SecretError::Limit(text) => SecretError::Limit(text),
            host::SecretError::Unavailable(text) => SecretError::Unavailable(text),
        })
    }
}

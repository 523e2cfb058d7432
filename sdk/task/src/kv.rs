//! Values under keys that jobs share: buckets of the tenant, which a task uses once it was granted them
//! (`lovage push --allow keyvalue=BUCKET`).
//!
//! A key has 1 to 256 bytes and may hold any text, a value at most 256 KiB; the operator bounds all of a tenant's together.
//!
//! ```
//! use lovage_task::{TaskError, kv, task};
//!
//! /// Counts visits; however many jobs run side by side, none is lost.
//! #[task]
//! fn visit(page: String) -> Result<i64, TaskError> {
//!     Ok(kv::open("visits")?.increment(&page, 1)?)
//! }
//! ```

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How often [`Bucket::update`] tries while others change the same key.
const TRIES: usize = 100;

/// Why a bucket did not do what was asked. Behind a `?` it is a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KvError {
    /// There is no bucket of that name, and there cannot be one.
    NoSuchBucket,
    /// The task was not granted this bucket.
    Denied,
    /// Anything else: a limit, a bad key, or the broker did not answer.
    Other(String),
    /// The value is not JSON of this type, or cannot be written as JSON.
    Unreadable(String),
}

impl fmt::Display for KvError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchBucket => out.write_str("there is no such bucket"),
            Self::Denied => out.write_str("the task was not granted this bucket"),
            Self::Other(text) | Self::Unreadable(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for KvError {}

/// A bucket of the tenant.
#[derive(Debug)]
pub struct Bucket(host::Bucket);

/// Opens a bucket that the task was granted.
pub fn open(name: &str) -> Result<Bucket, KvError> {
    host::Bucket::open(name).map(Bucket)
}

impl Bucket {
    /// The value under a key, from JSON.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, KvError> {
        self.get_bytes(key)?.map(|json| read(key, &json)).transpose()
    }

    /// Puts a value as JSON under a key, in place of one that is there.
    pub fn set(&self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), KvError> {
        self.set_bytes(key, &written(key, value)?)
    }

    /// The bytes under a key.
    pub fn get_bytes(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        self.0.get(key)
    }

    /// Puts bytes under a key as they are.
    pub fn set_bytes(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        self.0.set(key, value)
    }

    /// Removes a key; one that is not there is removed already.
    pub fn delete(&self, key: &str) -> Result<(), KvError> {
        self.0.delete(key)
    }

    /// Whether a key has a value.
    pub fn exists(&self, key: &str) -> Result<bool, KvError> {
        self.0.exists(key)
    }

    /// All keys, each once.
    pub fn keys(&self) -> Result<Vec<String>, KvError> {
        let (mut keys, mut cursor) = (Vec::new(), None);
        loop {
            let (page, next) = self.0.keys(cursor.as_deref())?;
            keys.extend(page);
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        keys.sort_unstable();
        // a key that changed between two pages is on both
        keys.dedup();
        Ok(keys)
    }

    /// Adds to a number and gives the sum; a key without a value counts as 0. Nothing is lost, whoever else adds.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, KvError> {
        self.0.increment(key, delta)
    }

    /// Changes a value, again where someone else was first: `change` may run several times. Gives what is stored then.
    pub fn update<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<T>) -> T,
    ) -> Result<T, KvError> {
        let mut cas = self.0.remember(key)?;
        for _ in 0..TRIES {
            let current = cas.current()?.map(|json| read(key, &json)).transpose()?;
            let value = change(current);
            match cas.swap(&written(key, &value)?)? {
                None => return Ok(value),
                Some(now) => cas = now,
            }
        }
        Err(KvError::Other(format!("key {key:?} is changed by others all the time")))
    }
}

fn read<T: DeserializeOwned>(key: &str, json: &[u8]) -> Result<T, KvError> {
    serde_json::from_slice(json).map_err(|error| KvError::Unreadable(format!("key {key:?}: {error}")))
}

fn written(key: &str, value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, KvError> {
    serde_json::to_vec(value).map_err(|error| KvError::Unreadable(format!("key {key:?}: {error}")))
}

#[cfg(target_family = "wasm")]
use crate::guest::kv as host;

/// Natively a thread keeps its own values, so that each test starts with none, and every bucket is granted.
#[cfg(not(target_family = "wasm"))]
mod host {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::KvError;

    thread_local! {
        static KEPT: RefCell<BTreeMap<(String, String), Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    }

    #[derive(Debug)]
    pub(super) struct Bucket(String);

    pub(super) struct Cas {
        bucket: String,
        key: String,
        value: Option<Vec<u8>>,
    }

    impl Bucket {
        pub(super) fn open(name: &str) -> Result<Self, KvError> {
            Ok(Self(name.to_owned()))
        }

        fn at(&self, key: &str) -> (String, String) {
            (self.0.clone(), key.to_owned())
        }

        pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
            Ok(KEPT.with_borrow(|kept| kept.get(&self.at(key)).cloned()))
        }

        pub(super) fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
            KEPT.with_borrow_mut(|kept| kept.insert(self.at(key), value.to_vec()));
            Ok(())
        }

        pub(super) fn delete(&self, key: &str) -> Result<(), KvError> {
            KEPT.with_borrow_mut(|kept| kept.remove(&self.at(key)));
            Ok(())
        }

        pub(super) fn exists(&self, key: &str) -> Result<bool, KvError> {
            Ok(self.get(key)?.is_some())
        }

        pub(super) fn keys(&self, _: Option<&str>) -> Result<(Vec<String>, Option<String>), KvError> {
            let of = |kept: &BTreeMap<(String, String), Vec<u8>>| {
                kept.keys().filter(|(bucket, _)| *bucket == self.0).map(|(_, key)| key.clone()).collect()
            };
            Ok((KEPT.with_borrow(of), None))
        }

        pub(super) fn increment(&self, key: &str, delta: i64) -> Result<i64, KvError> {
            let stored = self.get(key)?.unwrap_or_else(|| b"0".to_vec());
            let number = String::from_utf8(stored).ok().and_then(|text| text.parse::<i64>().ok());
            let sum = number.and_then(|number| number.checked_add(delta));
            let sum =
                sum.ok_or_else(|| KvError::Other(format!("key {key:?} is no whole number, or gets too large")))?;
            self.set(key, sum.to_string().as_bytes())?;
            Ok(sum)
        }

        pub(super) fn remember(&self, key: &str) -> Result<Cas, KvError> {
            Ok(Cas { bucket: self.0.clone(), key: key.to_owned(), value: self.get(key)? })
        }
    }

    impl Cas {
        pub(super) fn current(&self) -> Result<Option<Vec<u8>>, KvError> {
            Ok(self.value.clone())
        }

        /// The key as it is now, where it is not as it was remembered.
        pub(super) fn swap(self, value: &[u8]) -> Result<Option<Self>, KvError> {
            let bucket = Bucket(self.bucket);
            if bucket.get(&self.key)? != self.value {
                return bucket.remember(&self.key).map(Some);
            }
            bucket.set(&self.key, value).map(|()| None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KvError, open};

    #[test]
    fn values_are_kept_by_bucket_and_key() {
        let (a, b) = (open("a").unwrap(), open("b").unwrap());
        a.set("k", &[1, 2]).unwrap();
        assert_eq!(a.get::<Vec<u8>>("k"), Ok(Some(vec![1, 2])));
        assert_eq!(b.get::<Vec<u8>>("k"), Ok(None));
        assert_eq!((a.exists("k"), a.keys()), (Ok(true), Ok(vec!["k".to_owned()])));
        a.delete("k").unwrap();
        assert_eq!(a.get_bytes("k"), Ok(None));
    }

    #[test]
    fn numbers_and_updates_build_on_what_is_there() {
        let bucket = open("n").unwrap();
        assert_eq!((bucket.increment("n", 2), bucket.increment("n", -5)), (Ok(2), Ok(-3)));
        assert_eq!(bucket.update("u", |old: Option<u32>| old.unwrap_or(7) + 1), Ok(8));
        assert_eq!(bucket.update("u", |old: Option<u32>| old.unwrap_or(7) + 1), Ok(9));
        bucket.set_bytes("n", b"x").unwrap();
        assert!(matches!(bucket.increment("n", 1), Err(KvError::Other(_))));
        assert!(matches!(bucket.get::<u32>("n"), Err(KvError::Unreadable(_))));
    }
}

//! Blobs that jobs share: containers of the tenant, which a task uses once it was granted them
//! (`lovage push --allow blobstore=CONTAINER`).
//!
//! A name has 1 to 256 bytes and may hold any text, a blob at most 16 MiB; the operator bounds all of a tenant's together.
//!
//! ```
//! use lovage_task::{Bytes, TaskError, blobs, task};
//!
//! /// Keeps a picture for others.
//! #[task]
//! fn keep(picture: Bytes) -> Result<(), TaskError> {
//!     Ok(blobs::open("pictures")?.put("latest", &picture)?)
//! }
//! ```

use std::fmt;
use std::ops::RangeInclusive;

/// What a container says instead of doing what was asked. Behind a `?` it is a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobError(pub String);

impl fmt::Display for BlobError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for BlobError {}

/// A container of the tenant.
#[derive(Debug)]
pub struct Container(host::Container);

/// Opens a container that the task was granted.
pub fn open(name: &str) -> Result<Container, BlobError> {
    host::Container::open(name).map(Container)
}

impl Container {
    /// A blob, where there is one of that name.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        self.get_range(name, 0..=u64::MAX)
    }

    /// A part of a blob, as far as the blob goes.
    pub fn get_range(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<Vec<u8>>, BlobError> {
        if !self.0.has(name)? {
            return Ok(None);
        }
        self.0.get(name, *range.start(), *range.end()).map(Some)
    }

    /// Puts a blob, in place of one that is there.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
        self.0.put(name, bytes)
    }

    /// The size of a blob in bytes, where there is one of that name.
    pub fn size(&self, name: &str) -> Result<Option<u64>, BlobError> {
        if !self.0.has(name)? {
            return Ok(None);
        }
        self.0.size(name).map(Some)
    }

    /// Removes a blob; one that is not there is removed already.
    pub fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.0.delete(name)
    }

    /// The names of all blobs.
    pub fn list(&self) -> Result<Vec<String>, BlobError> {
        self.0.list()
    }

    /// Removes all blobs.
    pub fn clear(&self) -> Result<(), BlobError> {
        self.0.clear()
    }

    /// Copies a blob to a name in a container, which may be another one that the task was granted.
    pub fn copy(&self, name: &str, to: &Container, to_name: &str) -> Result<(), BlobError> {
        self.0.copy(name, &to.0, to_name)
    }
}

#[cfg(target_family = "wasm")]
use crate::guest::blobs as host;

/// Natively a thread keeps its own blobs, so that each test starts with none, and every container is granted.
#[cfg(not(target_family = "wasm"))]
mod host {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::BlobError;

    type Kept = BTreeMap<(String, String), Vec<u8>>;

    thread_local! {
        static KEPT: RefCell<Kept> = const { RefCell::new(BTreeMap::new()) };
    }

    #[derive(Debug)]
    pub(super) struct Container(String);

    impl Container {
        pub(super) fn open(name: &str) -> Result<Self, BlobError> {
            Ok(Self(name.to_owned()))
        }

        fn find<T>(&self, name: &str, read: impl FnOnce(&[u8]) -> T) -> Result<T, BlobError> {
            let found = KEPT.with_borrow(|kept| kept.get(&(self.0.clone(), name.to_owned())).map(|bytes| read(bytes)));
            found.ok_or_else(|| BlobError(format!("there is no blob {name:?}")))
        }

        pub(super) fn has(&self, name: &str) -> Result<bool, BlobError> {
            Ok(self.find(name, |_| ()).is_ok())
        }

        pub(super) fn size(&self, name: &str) -> Result<u64, BlobError> {
            self.find(name, |bytes| bytes.len().try_into().unwrap_or(u64::MAX))
        }

        pub(super) fn get(&self, name: &str, first: u64, last: u64) -> Result<Vec<u8>, BlobError> {
            self.find(name, |bytes| {
                let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                bytes.get(place(first)..place(last.saturating_add(1))).unwrap_or_default().to_vec()
            })
        }

        pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
            KEPT.with_borrow_mut(|kept| kept.insert((self.0.clone(), name.to_owned()), bytes.to_vec()));
            Ok(())
        }

        pub(super) fn delete(&self, name: &str) -> Result<(), BlobError> {
            KEPT.with_borrow_mut(|kept| kept.remove(&(self.0.clone(), name.to_owned())));
            Ok(())
        }

        pub(super) fn list(&self) -> Result<Vec<String>, BlobError> {
            let of = |kept: &Kept| kept.keys().filter(|(of, _)| *of == self.0).map(|(_, name)| name.clone()).collect();
            Ok(KEPT.with_borrow(of))
        }

        pub(super) fn clear(&self) -> Result<(), BlobError> {
            KEPT.with_borrow_mut(|kept| kept.retain(|(of, _), _| *of != self.0));
            Ok(())
        }

        pub(super) fn copy(&self, name: &str, to: &Self, to_name: &str) -> Result<(), BlobError> {
            let bytes = self.get(name, 0, u64::MAX)?;
            to.put(to_name, &bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::open;

    #[test]
    fn blobs_are_kept_by_container_and_name() {
        let (a, b) = (open("a").unwrap(), open("b").unwrap());
        a.put("one", b"hello").unwrap();
        a.copy("one", &b, "two").unwrap();
        assert_eq!(b.get_range("two", 1..=2), Ok(Some(b"el".to_vec())));
        assert_eq!((a.get("two"), a.size("one"), a.size("two")), (Ok(None), Ok(Some(5)), Ok(None)));
        a.clear().unwrap();
        assert_eq!((a.list(), b.list()), (Ok(vec![]), Ok(vec!["two".to_owned()])));
        b.delete("two").unwrap();
        assert_eq!(b.get("two"), Ok(None));
        a.copy("two", &b, "x").unwrap_err();
    }
}

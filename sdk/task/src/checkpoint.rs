//! What a job keeps from one attempt to the next, so that a retry skips what is done.
//!
//! A value is there for every later attempt of the same job, on any worker, also after a crash and for a dead letter that
//! is replayed. A key has 1 to 256 bytes, a value at most 256 KiB as JSON; a job has at most 100, of 8 MiB together.
//!
//! ```
//! use lovage_task::{TaskError, checkpoint, task};
//!
//! /// Adds up two slow parts; an attempt after the first skips the parts that are done.
//! #[task]
//! fn report(year: u32) -> Result<u64, TaskError> {
//!     let orders: u64 = checkpoint::memo("orders", || Ok(u64::from(year)))?;
//!     let returns: u64 = checkpoint::memo("returns", || Ok(1))?;
//!     Ok(orders - returns)
//! }
//! ```

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TaskError;

/// Why a value was not kept or found. Behind a `?` it is a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A limit is reached; the text names it.
    Limit(String),
    /// The broker did not answer. Another attempt may succeed.
    Unavailable(String),
    /// The value is not JSON of this type: it was kept by another version of the task, or cannot be written as JSON.
    Unreadable(String),
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(text) | Self::Unavailable(text) | Self::Unreadable(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for CheckpointError {}

/// Keeps a value as JSON under a key, in place of one that is there; returns once it is stored.
pub fn save(key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), CheckpointError> {
    let json = serde_json::to_vec(value);
    save_bytes(key, json.map_err(|error| unreadable(key, &error))?)
}

/// Gives the value under a key, where there is one.
pub fn load<T: DeserializeOwned>(key: &str) -> Result<Option<T>, CheckpointError> {
    let Some(json) = load_bytes(key)? else { return Ok(None) };
    serde_json::from_slice(&json).map(Some).map_err(|error| unreadable(key, &error))
}

/// Keeps bytes as they are.
pub fn save_bytes(key: &str, value: impl Into<Vec<u8>>) -> Result<(), CheckpointError> {
    host::save(key, value.into())
}

/// Gives the bytes under a key, where there are any.
pub fn load_bytes(key: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
    host::load(key)
}

/// Gives the value under a key, or does the work for it and keeps what it gives. An error is not kept.
pub fn memo<T: Serialize + DeserializeOwned>(
    key: &str,
    work: impl FnOnce() -> Result<T, TaskError>,
) -> Result<T, TaskError> {
    if let Some(value) = load(key)? {
        return Ok(value);
    }
    let value = work()?;
    save(key, &value)?;
    Ok(value)
}

fn unreadable(key: &str, error: &serde_json::Error) -> CheckpointError {
    CheckpointError::Unreadable(format!("checkpoint {key:?}: {error}"))
}

#[cfg(target_family = "wasm")]
use crate::guest::checkpoint as host;

/// Natively a thread keeps its own values, so that each test starts with none.
#[cfg(not(target_family = "wasm"))]
mod host {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::CheckpointError;

    thread_local! {
        static KEPT: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn save(key: &str, value: Vec<u8>) -> Result<(), CheckpointError> {
        KEPT.with_borrow_mut(|kept| kept.insert(key.to_owned(), value));
        Ok(())
    }

    pub(super) fn load(key: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        Ok(KEPT.with_borrow(|kept| kept.get(key).cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{CheckpointError, load, load_bytes, memo, save, save_bytes};
    use crate::TaskError;

    #[test]
    fn a_kept_value_is_found_and_work_is_done_once() {
        assert_eq!(load::<u32>("a"), Ok(None));
        save("a", &7).unwrap();
        assert_eq!(load("a"), Ok(Some(7)));
        assert_eq!(memo::<u32>("a", || Err(TaskError::permanent("not needed"))).unwrap(), 7);
        assert_eq!(memo("b", || Ok(8)).unwrap(), 8);
        assert_eq!(load("b"), Ok(Some(8)));
    }

    #[test]
    fn an_error_of_the_work_is_not_kept() {
        memo::<u32>("c", || Err(TaskError::retry("not yet"))).unwrap_err();
        assert_eq!(load_bytes("c"), Ok(None));
    }

    #[test]
    fn a_value_of_another_type_is_told_with_its_key() {
        save_bytes("d", *b"{").unwrap();
        let Err(CheckpointError::Unreadable(text)) = load::<u32>("d") else { panic!("it is not JSON") };
        assert!(text.contains("\"d\""), "{text}");
    }
}

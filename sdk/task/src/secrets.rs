//! Secrets of the tenant, which a task reads once it was granted them (`lovage push --allow secret=NAME`); `lovage secret
//! set` sets one.
//!
//! What a task logs, reports or fails with has the values taken out that it was given, where they have at least 8 bytes
//! and appear as they are; a result, a child's input or a stored value that contains one is refused. A task that
//! transforms a value gets it past that: do not.
//!
//! ```
//! use lovage_task::{TaskError, secrets, task};
//!
//! #[task]
//! fn key_length() -> Result<usize, TaskError> {
//!     let key = secrets::get("api-key")?.ok_or_else(|| TaskError::permanent("there is no secret api-key"))?;
//!     Ok(key.expose().len())
//! }
//!
//! // Natively, a test says what there is.
//! secrets::provide("api-key", "0123456789");
//! assert_eq!(key_length().unwrap(), 10);
//! ```

use std::fmt;

/// Why a secret was not given. Behind a `?` it is a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// The task was not granted this secret.
    Denied(String),
    /// A limit is reached; the text names it.
    Limit(String),
    /// The worker cannot read it now.
    Unavailable(String),
}

impl fmt::Display for SecretError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(text) | Self::Limit(text) | Self::Unavailable(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for SecretError {}

/// The value of a secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The value itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The value as text, where it is one.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// The value of a secret; nothing where the tenant has none of that name.
pub fn get(name: &str) -> Result<Option<Secret>, SecretError> {
    host::get(name).map(|value| value.map(Secret))
}

/// Gives a secret to the tasks that this thread runs natively, for a test.
#[cfg(not(target_family = "wasm"))]
pub fn provide(name: &str, value: impl Into<Vec<u8>>) {
    host::provide(name, value.into());
}

#[cfg(target_family = "wasm")]
use crate::guest::secrets as host;

/// Natively a thread has its own secrets, so that each test starts with none.
#[cfg(not(target_family = "wasm"))]
mod host {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::SecretError;

    thread_local! {
        static GIVEN: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn get(name: &str) -> Result<Option<Vec<u8>>, SecretError> {
        Ok(GIVEN.with_borrow(|given| given.get(name).cloned()))
    }

    pub(super) fn provide(name: &str, value: Vec<u8>) {
        GIVEN.with_borrow_mut(|given| given.insert(name.to_owned(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::{get, provide};

    #[test]
    fn a_thread_has_the_secrets_of_its_test_and_shows_none() {
        assert_eq!(get("a"), Ok(None));
        provide("a", "hunter2");
        let secret = get("a").unwrap().unwrap();
        assert_eq!(secret.expose_str(), Some("hunter2"));
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}

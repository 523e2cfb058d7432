//! What a task is configured with, by whoever runs it (`lovage push --allow config=KEY=VALUE`). Values are no secrets:
//! `lovage task show` prints them.
//!
//! ```
//! use lovage_task::{TaskError, config, task};
//!
//! #[task]
//! fn greet(name: String) -> Result<String, TaskError> {
//!     let greeting = config::get("greeting")?.unwrap_or_else(|| "Hello".to_owned());
//!     Ok(format!("{greeting}, {name}!"))
//! }
//!
//! // Natively, a test says what it is configured with.
//! config::provide("greeting", "Ciao");
//! assert_eq!(greet("Ada".to_owned()).unwrap(), "Ciao, Ada!");
//! ```

use std::fmt;

/// The configuration cannot be read. Behind a `?` it is a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// The value of a key, where the task is configured with one.
pub fn get(key: &str) -> Result<Option<String>, ConfigError> {
    host::get(key)
}

/// All keys with their values.
pub fn all() -> Result<Vec<(String, String)>, ConfigError> {
    host::all()
}

/// Configures the tasks that this thread runs natively, for a test.
#[cfg(not(target_family = "wasm"))]
pub fn provide(key: &str, value: &str) {
    host::provide(key, value);
}

#[cfg(target_family = "wasm")]
use crate::guest::config as host;

/// Natively a thread has its own configuration, so that each test starts with none.
#[cfg(not(target_family = "wasm"))]
mod host {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::ConfigError;

    thread_local! {
        static GIVEN: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn get(key: &str) -> Result<Option<String>, ConfigError> {
        Ok(GIVEN.with_borrow(|given| given.get(key).cloned()))
    }

    pub(super) fn all() -> Result<Vec<(String, String)>, ConfigError> {
        Ok(GIVEN.with_borrow(|given| given.clone().into_iter().collect()))
    }

    pub(super) fn provide(key: &str, value: &str) {
        GIVEN.with_borrow_mut(|given| given.insert(key.to_owned(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::{all, get, provide};

    #[test]
    fn a_thread_is_configured_by_its_test() {
        assert_eq!((get("a"), all()), (Ok(None), Ok(vec![])));
        provide("a", "1");
        assert_eq!((get("a"), all()), (Ok(Some("1".to_owned())), Ok(vec![("a".to_owned(), "1".to_owned())])));
    }
}

//! What holds a jailed process, for people and for whoever decides whether that is enough.

use serde::{Deserialize, Serialize};

/// What holds a jailed process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Whether any system call outside the list ends the process.
    pub seccomp: bool,
    /// What becomes of files, or why nothing does: `full`, `partial` or the reason.
    pub landlock: String,
    /// The limits that hold, for people.
    pub limits: Vec<String>,
}

impl Held {
    /// True where both layers hold whole.
    pub fn is_full(&self) -> bool {
        self.seccomp && self.landlock == super::files::FULL
    }
}

/// A jail that does not close. Nothing of a tenant may run then.
#[derive(Debug, thiserror::Error)]
#[error("the jail does not close: cannot {action}: {message}")]
pub struct JailError {
    pub(crate) action: &'static str,
    pub(crate) message: String,
}

impl JailError {
    pub(crate) fn of(action: &'static str, error: impl std::fmt::Display) -> Self {
        Self { action, message: error.to_string() }
    }
}

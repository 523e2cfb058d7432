//! Whose signatures a tenant's components need.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whose signatures a tenant's components need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignaturePolicy {
    /// Whether a component without a signature of one of `keys` is refused, at push and at load.
    pub required: bool,
    /// Public keys that are trusted, by a name for people.
    pub keys: BTreeMap<String, String>,
}

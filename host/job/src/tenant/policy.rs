//! Whose signatures a tenant's components need.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Keys of each kind that a tenant may trust.
pub const KEYS_MAX: usize = 32;

/// Whose signatures a tenant's components need.
///
/// Keys are kept as text: one that cannot be read must not make the whole record unreadable, and refuses what is signed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignaturePolicy {
    /// Whether a component without a signature of one of `keys` is refused, at push and at load.
    pub required: bool,
    /// Public keys that are trusted, by a name for people.
    pub keys: BTreeMap<String, String>,
    /// Public keys of cosign in PEM, by a name for people. Where there is one, what is taken from a registry needs a
    /// signature of one of them; it says nothing of tenant, task and version, so it does not stand in for one of `keys`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cosign: BTreeMap<String, String>,
}

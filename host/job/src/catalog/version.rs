//! Versions: what was pushed, and how a job asks for one.

use super::export::Export;
use super::provenance::Provenance;
use crate::limits::LimitsWish;
use crate::name::{Digest, NameError, TaskName, VersionName};
use crate::retry::RetryPolicy;
use crate::signature::Signature;
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// One version of a task, never changed once written but for signatures that come later. The value of `<tenant>.version.<task>.<version>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// The task.
    pub task: TaskName,
    /// The version's name.
    pub version: VersionName,
    /// The component; its bytes are in the tenant's object store under this name.
    pub digest: Digest,
    /// The component's size in bytes.
    pub size_bytes: u64,
    /// When it was pushed.
    pub pushed: UnixMs,
    /// How it is called, what it takes and gives.
    pub export: Export,
    /// Limits that whoever pushed it asks for, over those of the author.
    #[serde(default)]
    pub limits: LimitsWish,
    /// When its jobs are tried again.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// The program's arguments, without its name; programs only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The program's environment; programs only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What the component imports: the capabilities it needs.
    #[serde(default)]
    pub imports: Vec<String>,
    /// How long results are kept, in seconds; the operator's default where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_ttl_seconds: Option<u64>,
    /// Who vouches for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// A version in the list of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionEntry {
    /// The version's name.
    pub version: VersionName,
    /// Its component.
    pub digest: Digest,
    /// When it was pushed.
    pub pushed: UnixMs,
}

/// Which version a job asks for: `Lovage-Version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionRef {
    /// A component by digest.
    Digest(Digest),
    /// An alias or a version by name; an alias goes first.
    Name(VersionName),
}

impl FromStr for VersionRef {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.starts_with("sha256:") { text.parse().map(Self::Digest) } else { text.parse().map(Self::Name) }
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

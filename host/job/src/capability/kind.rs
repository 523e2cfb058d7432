//! What kinds of capabilities there are, and which imports need which.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CapabilityKind {
    /// Jobs that jobs submit.
    Submit,
    /// Outgoing HTTP.
    Http,
    /// Key-value buckets.
    KeyValue,
    /// Containers of blobs.
    Blobstore,
    /// Configuration.
    Config,
    /// Secrets.
    Secret,
    /// An empty folder.
    Scratch,
    /// Clocks and randomness that are the same in each attempt.
    Deterministic,
}

impl CapabilityKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Submit,
        Self::Http,
        Self::KeyValue,
        Self::Blobstore,
        Self::Config,
        Self::Secret,
        Self::Scratch,
        Self::Deterministic,
    ];

    /// The name on the command line and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Http => "http",
            Self::KeyValue => "keyvalue",
            Self::Blobstore => "blobstore",
            Self::Config => "config",
            Self::Secret => "secret",
            Self::Scratch => "scratch",
            Self::Deterministic => "deterministic",
        }
    }

    /// How it is written with what it is of.
    pub fn form(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Http => "http=HOST",
            Self::KeyValue => "keyvalue=BUCKET",
            Self::Blobstore => "blobstore=CONTAINER",
            Self::Config => "config=KEY=VALUE",
            Self::Secret => "secret=NAME",
            Self::Scratch => "scratch=SIZE",
            Self::Deterministic => "deterministic",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The kind without which a component that imports `interface` cannot do what it is for. Outgoing HTTP is not
    /// among them: tool chains import it for guests that never use it, so it is there, and refused where not granted.
    pub fn needed_for(interface: &str) -> Option<Self> {
        let path = interface.split('@').next().unwrap_or_default();
        match path {
            "lovage:task/jobs" => Some(Self::Submit),
            "lovage:task/secrets" => Some(Self::Secret),
            _ if path.starts_with("wasi:keyvalue/") => Some(Self::KeyValue),
            _ if path.starts_with("wasi:blobstore/") && path != "wasi:blobstore/types" => Some(Self::Blobstore),
            _ if path.starts_with("wasi:config/") => Some(Self::Config),
            _ => None,
        }
    }
}

impl fmt::Display for CapabilityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

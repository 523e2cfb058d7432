//! What one task is granted, and what the tasks of a tenant may be granted.

use crate::unit::ByteSize;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What one task is granted. Kept in the task's record, so that it holds for all its versions and can be changed
/// without a new one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grants {
    /// Submit jobs of the same tenant: `lovage:task/jobs`.
    pub submit: bool,
    /// Send HTTP requests to these hosts, each `host` (port 443 of https), `host:port`, `*.domain` or
    /// `http://host:port`: `wasi:http/outgoing-handler`.
    pub http: BTreeSet<String>,
    /// Use the tenant's key-value buckets of these names: `wasi:keyvalue`.
    pub keyvalue: BTreeSet<String>,
    /// Use the tenant's blob containers of these names: `wasi:blobstore`.
    pub blobstore: BTreeSet<String>,
    /// What the task is configured with: `wasi:config`.
    pub config: BTreeMap<String, String>,
    /// Read these secrets of the tenant: `lovage:task/secrets`.
    pub secrets: BTreeSet<String>,
    /// An empty folder `/scratch` that goes away with the attempt and holds this much.
    pub scratch: Option<ByteSize>,
    /// Clocks and randomness that are the same in each attempt of a job.
    pub deterministic: bool,
}

/// What the tasks of a tenant may be granted at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ceiling {
    /// Whether tasks may submit jobs.
    pub submit: bool,
    /// Hosts that tasks may be granted, written as in [`Grants::http`]; `*` is every public host.
    pub http: BTreeSet<String>,
    /// Whether tasks may use key-value buckets.
    pub keyvalue: bool,
    /// Whether tasks may use blob containers.
    pub blobstore: bool,
    /// Whether tasks may read secrets.
    pub secrets: bool,
    /// The largest scratch folder; nothing where there may be none.
    pub scratch: Option<ByteSize>,
}

impl Default for Ceiling {
    fn default() -> Self {
        Self {
            submit: true,
            http: BTreeSet::new(),
            keyvalue: true,
            blobstore: true,
            secrets: true,
            scratch: Some(ByteSize::mib(64)),
        }
    }
}

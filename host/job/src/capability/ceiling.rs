//! What the tasks of a tenant may be granted at most.

use super::grant::Capability;
use super::grants::Grants;
use super::host::HostCeiling;
use super::kind::CapabilityKind;
use crate::unit::ByteSize;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the tasks of a tenant may be granted at most. Configuration and deterministic clocks lead nowhere, so they have
/// none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ceiling {
    /// Whether tasks may submit jobs.
    pub submit: bool,
    /// Hosts that tasks may be granted; `*` is every host.
    pub http: BTreeSet<HostCeiling>,
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

/// A capability above the ceiling of its tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{capability} is above the ceiling of the tenant, which has {ceiling}")]
pub struct AboveCeiling {
    /// What is too much.
    pub capability: Capability,
    /// What the ceiling has of its kind.
    pub ceiling: String,
}

impl Ceiling {
    /// Whether a task may be granted `capability`.
    pub fn covers(&self, capability: &Capability) -> bool {
        match capability {
            Capability::Submit => self.submit,
            Capability::Http(rule) => self.http.iter().any(|ceiling| ceiling.covers(rule)),
            Capability::KeyValue(_) => self.keyvalue,
            Capability::Blobstore(_) => self.blobstore,
            Capability::Secret(_) => self.secrets,
            Capability::Scratch(size) => self.scratch.is_some_and(|most| *size <= most),
            Capability::Config(..) | Capability::Deterministic => true,
        }
    }

    /// What the ceiling has of a kind, for people.
    pub fn told(&self, kind: CapabilityKind) -> String {
        match kind {
            CapabilityKind::Http if !self.http.is_empty() => {
                let hosts: Vec<_> = self.http.iter().map(ToString::to_string).collect();
                format!("http={}", hosts.join(","))
            }
            CapabilityKind::Scratch if self.scratch.is_some() => {
                self.scratch.map(|most| format!("scratch={most}")).unwrap_or_default()
            }
            kind => format!("no {kind}"),
        }
    }
}

impl Grants {
    /// Refuses what is above the ceiling.
    pub fn within(&self, ceiling: &Ceiling) -> Result<(), AboveCeiling> {
        match self.list().into_iter().find(|one| !ceiling.covers(one)) {
            Some(capability) => Err(AboveCeiling { ceiling: ceiling.told(capability.kind()), capability }),
            None => Ok(()),
        }
    }

    /// What of these is in force under `ceiling`, and what is not.
    pub fn under(&self, ceiling: &Ceiling) -> (Grants, Vec<Capability>) {
        let mut grants = self.clone();
        let above: Vec<_> = self.list().into_iter().filter(|one| !ceiling.covers(one)).collect();
        above.iter().for_each(|one| grants.take(one));
        (grants, above)
    }
}

//! What one task is granted.

use super::grant::{Capability, Denial};
use super::host::{Destination, HostRule};
use super::kind::CapabilityKind;
use crate::name::{BucketName, ContainerName, SecretName};
use crate::unit::ByteSize;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most hosts, buckets, containers, secrets or keys of one task, each.
pub const GRANTS_EACH_MAX: usize = 100;
/// The most bytes of one task's configuration.
pub const CONFIG_BYTES_MAX: usize = 128 << 10;

/// What one task is granted. Kept in the task's record, so that it holds for all its versions and can be changed
/// without a new one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grants {
    /// Submit jobs of the same tenant: `lovage:task/jobs`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub submit: bool,
    /// Send HTTP requests to these hosts: `wasi:http/outgoing-handler`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub http: BTreeSet<HostRule>,
    /// Use the tenant's key-value buckets of these names: `wasi:keyvalue`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub keyvalue: BTreeSet<BucketName>,
    /// Use the tenant's blob containers of these names: `wasi:blobstore`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub blobstore: BTreeSet<ContainerName>,
    /// What the task is configured with: `wasi:config`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// Read these secrets of the tenant: `lovage:task/secrets`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<SecretName>,
    /// An empty folder `/scratch` that goes away with the attempt and holds this much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scratch: Option<ByteSize>,
    /// Clocks and randomness that are the same in each attempt of a job.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deterministic: bool,
}

/// More of something than a task can be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooManyGrants {
    /// Too many of a kind.
    #[error("{count} of {kind} are more than the {GRANTS_EACH_MAX} that a task can be granted")]
    Count {
        /// The kind.
        kind: CapabilityKind,
        /// How many there would be.
        count: usize,
    },
    /// Too much configuration.
    #[error("{0} bytes of configuration are more than {CONFIG_BYTES_MAX}")]
    ConfigBytes(usize),
}

/// A capability that a component needs and its task does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What the component imports.
    pub interface: String,
    /// What that needs.
    pub kind: CapabilityKind,
}

impl Grants {
    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether anything of a kind is granted.
    pub fn has(&self, kind: CapabilityKind) -> bool {
        match kind {
            CapabilityKind::Submit => self.submit,
            CapabilityKind::Http => !self.http.is_empty(),
            CapabilityKind::KeyValue => !self.keyvalue.is_empty(),
            CapabilityKind::Blobstore => !self.blobstore.is_empty(),
            CapabilityKind::Config => !self.config.is_empty(),
            CapabilityKind::Secret => !self.secrets.is_empty(),
            CapabilityKind::Scratch => self.scratch.is_some(),
            CapabilityKind::Deterministic => self.deterministic,
        }
    }

    /// The first capability that a component with these imports needs and does not have.
    pub fn missing(&self, imports: &[String]) -> Option<Missing> {
        imports.iter().find_map(|interface| {
            let kind = CapabilityKind::needed_for(interface)?;
            (!self.has(kind)).then(|| Missing { interface: interface.clone(), kind })
        })
    }

    /// Whether a request may go to `to`.
    pub fn allows_request(&self, to: &Destination) -> bool {
        self.http.iter().any(|rule| rule.allows(to))
    }

    /// Each capability on its own.
    pub fn list(&self) -> Vec<Capability> {
        let mut list = Vec::new();
        list.extend(self.submit.then_some(Capability::Submit));
        list.extend(self.http.iter().cloned().map(Capability::Http));
        list.extend(self.keyvalue.iter().cloned().map(Capability::KeyValue));
        list.extend(self.blobstore.iter().cloned().map(Capability::Blobstore));
        list.extend(self.config.iter().map(|(key, value)| Capability::Config(key.clone(), value.clone())));
        list.extend(self.secrets.iter().cloned().map(Capability::Secret));
        list.extend(self.scratch.map(Capability::Scratch));
        list.extend(self.deterministic.then_some(Capability::Deterministic));
        list
    }

    /// Each capability as text, without what a task is configured with: for the audit trail.
    pub fn told(&self) -> Vec<String> {
        let told = |capability: Capability| match capability {
            Capability::Config(key, _) => format!("{}={key}", CapabilityKind::Config),
            other => other.to_string(),
        };
        self.list().into_iter().map(told).collect()
    }

    /// Grants one more.
    pub fn allow(&mut self, capability: Capability) {
        match capability {
            Capability::Submit => self.submit = true,
            Capability::Http(rule) => drop(self.http.insert(rule)),
            Capability::KeyValue(bucket) => drop(self.keyvalue.insert(bucket)),
            Capability::Blobstore(container) => drop(self.blobstore.insert(container)),
            Capability::Config(key, value) => drop(self.config.insert(key, value)),
            Capability::Secret(name) => drop(self.secrets.insert(name)),
            Capability::Scratch(size) => self.scratch = Some(size),
            Capability::Deterministic => self.deterministic = true,
        }
    }

    /// Takes away; says whether there was anything to take.
    pub fn deny(&mut self, denial: &Denial) -> bool {
        match denial {
            Denial::Config(key) => self.config.remove(key).is_some(),
            Denial::One(capability) => {
                let had = self.list().contains(capability);
                self.take(capability);
                had
            }
            Denial::Kind(kind) => {
                let had: Vec<_> = self.list().into_iter().filter(|one| one.kind() == *kind).collect();
                had.iter().for_each(|one| self.take(one));
                !had.is_empty()
            }
        }
    }

    pub(super) fn take(&mut self, capability: &Capability) {
        match capability {
            Capability::Submit => self.submit = false,
            Capability::Http(rule) => drop(self.http.remove(rule)),
            Capability::KeyValue(bucket) => drop(self.keyvalue.remove(bucket)),
            Capability::Blobstore(container) => drop(self.blobstore.remove(container)),
            Capability::Config(key, _) => drop(self.config.remove(key)),
            Capability::Secret(name) => drop(self.secrets.remove(name)),
            Capability::Scratch(_) => self.scratch = None,
            Capability::Deterministic => self.deterministic = false,
        }
    }

    /// Refuses more than a record can hold.
    pub fn check_size(&self) -> Result<(), TooManyGrants> {
        let counts = [
            (CapabilityKind::Http, self.http.len()),
            (CapabilityKind::KeyValue, self.keyvalue.len()),
            (CapabilityKind::Blobstore, self.blobstore.len()),
            (CapabilityKind::Config, self.config.len()),
            (CapabilityKind::Secret, self.secrets.len()),
        ];
        if let Some((kind, count)) = counts.into_iter().find(|(_, count)| *count > GRANTS_EACH_MAX) {
            return Err(TooManyGrants::Count { kind, count });
        }
        match self.config.iter().map(|(key, value)| key.len() + value.len()).sum() {
            0..=CONFIG_BYTES_MAX => Ok(()),
            bytes => Err(TooManyGrants::ConfigBytes(bytes)),
        }
    }
}

impl Extend<Capability> for Grants {
    fn extend<I: IntoIterator<Item = Capability>>(&mut self, capabilities: I) {
        capabilities.into_iter().for_each(|capability| self.allow(capability));
    }
}

impl FromIterator<Capability> for Grants {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        let mut grants = Self::default();
        grants.extend(capabilities);
        grants
    }
}

#[cfg(test)]
#[path = "grants_tests.rs"]
mod tests;

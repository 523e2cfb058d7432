//! Tasks: versions under a name, and the rules of changing them.

use super::alias::{AliasMove, AliasTargets};
use super::version::{VersionEntry, VersionRef};
use crate::capability::{Capability, Grants, TooManyGrants};
use crate::name::{AliasName, Digest, JobId, TaskName, VersionName};
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The moves that a task remembers.
const MOVES_KEPT: usize = 20;

/// One task. The value of `<tenant>.task.<task>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The task.
    pub task: TaskName,
    /// Its versions, oldest first.
    pub versions: Vec<VersionEntry>,
    /// Its aliases.
    pub aliases: BTreeMap<AliasName, AliasTargets>,
    /// The last moves of its aliases, oldest first.
    #[serde(default)]
    pub moves: Vec<AliasMove>,
    /// How many versions were ever pushed, removed ones included: numbers the next one.
    #[serde(default)]
    pub pushed_count: u64,
    /// What it may do beyond its sandbox, all versions alike.
    #[serde(default, skip_serializing_if = "Grants::is_empty")]
    pub grants: Grants,
}

/// A change of the catalogue that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// No such version.
    #[error("task {task} has no version {version}; it has {known}")]
    UnknownVersion {
        /// The task.
        task: TaskName,
        /// What was asked for.
        version: String,
        /// The versions there are.
        known: String,
    },
    /// The version is there already with another component.
    #[error(
        "task {task} has a version {version} already, with another component ({digest}); versions never change, so choose another name"
    )]
    VersionTaken {
        /// The task.
        task: TaskName,
        /// The version.
        version: VersionName,
        /// What it is.
        digest: Digest,
    },
    /// An alias still names the version.
    #[error("version {version} of task {task} is named by alias {alias}; promote another version first")]
    InUse {
        /// The task.
        task: TaskName,
        /// The version.
        version: VersionName,
        /// The alias.
        alias: AliasName,
    },
    /// More is granted than a record holds.
    #[error("task {task}: {reason}")]
    TooManyGrants {
        /// The task.
        task: TaskName,
        /// What is too much.
        reason: TooManyGrants,
    },
    /// There is nothing to take back.
    #[error("alias {alias} of task {task} has no earlier version to roll back to")]
    NoEarlier {
        /// The task.
        task: TaskName,
        /// The alias.
        alias: AliasName,
    },
}

impl TaskRecord {
    /// A task without versions.
    pub fn new(task: TaskName) -> Self {
        Self {
            task,
            versions: Vec::new(),
            aliases: BTreeMap::new(),
            moves: Vec::new(),
            pushed_count: 0,
            grants: Grants::default(),
        }
    }

    /// The version of that name.
    pub fn version(&self, name: &VersionName) -> Option<&VersionEntry> {
        self.versions.iter().find(|entry| entry.version == *name)
    }

    /// The version that `job` runs when it asks for `wanted`, or for nothing.
    pub fn resolve(&self, wanted: Option<&VersionRef>, job: &JobId) -> Result<&VersionEntry, CatalogError> {
        let found = match wanted {
            Some(VersionRef::Digest(digest)) => self.versions.iter().rev().find(|entry| entry.digest == *digest),
            Some(VersionRef::Name(name)) => self.by_alias(name.as_str(), job).or_else(|| self.version(name)),
            None => self.by_alias(AliasName::stable().as_str(), job),
        };
        found.ok_or_else(|| self.unknown(wanted.map_or_else(|| "stable".to_owned(), ToString::to_string)))
    }

    fn by_alias(&self, alias: &str, job: &JobId) -> Option<&VersionEntry> {
        let alias: AliasName = alias.parse().ok()?;
        self.version(self.aliases.get(&alias)?.choose(job)?)
    }

    fn unknown(&self, version: String) -> CatalogError {
        let names = self.versions.iter().map(|entry| entry.version.as_str());
        let known: Vec<_> = names.chain(self.aliases.keys().map(AliasName::as_str)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        CatalogError::UnknownVersion { task: self.task.clone(), version, known }
    }

    /// Adds a version; the same component under the same name again changes nothing.
    pub fn add(&mut self, entry: VersionEntry) -> Result<(), CatalogError> {
        match self.version(&entry.version) {
            Some(known) if known.digest == entry.digest => Ok(()),
            Some(known) => Err(CatalogError::VersionTaken {
                task: self.task.clone(),
                version: entry.version,
                digest: known.digest.clone(),
            }),
            None => {
                self.versions.push(entry);
                self.pushed_count += 1;
                Ok(())
            }
        }
    }

    /// Grants more. Whether the tenant's ceiling has that is for the caller to check.
    pub fn allow(&mut self, capabilities: impl IntoIterator<Item = Capability>) -> Result<(), CatalogError> {
        let mut grants = self.grants.clone();
        grants.extend(capabilities);
        grants.check_size().map_err(|reason| CatalogError::TooManyGrants { task: self.task.clone(), reason })?;
        self.grants = grants;
        Ok(())
    }

    /// Makes `alias` name `targets`.
    pub fn promote(&mut self, alias: AliasName, targets: AliasTargets, at: UnixMs) -> Result<(), CatalogError> {
        if let Some(side) = targets.0.iter().find(|side| self.version(&side.version).is_none()) {
            return Err(self.unknown(side.version.to_string()));
        }
        let from = self.aliases.insert(alias.clone(), targets.clone());
        if from.as_ref() != Some(&targets) {
            self.moves.push(AliasMove { alias, from, to: targets, at });
            let extra = self.moves.len().saturating_sub(MOVES_KEPT);
            self.moves.drain(..extra);
        }
        Ok(())
    }

    /// Makes `alias` name again what it named before its last move; returns that.
    pub fn roll_back(&mut self, alias: &AliasName) -> Result<AliasTargets, CatalogError> {
        let no_earlier = || CatalogError::NoEarlier { task: self.task.clone(), alias: alias.clone() };
        let place = self.moves.iter().rposition(|step| step.alias == *alias).ok_or_else(no_earlier)?;
        let from = self.moves.get(place).and_then(|step| step.from.clone()).ok_or_else(no_earlier)?;
        if let Some(side) = from.0.iter().find(|side| self.version(&side.version).is_none()) {
            return Err(self.unknown(side.version.to_string()));
        }
        self.moves.remove(place);
        self.aliases.insert(alias.clone(), from.clone());
        Ok(from)
    }

    /// Removes a version that no alias names.
    pub fn remove(&mut self, version: &VersionName) -> Result<VersionEntry, CatalogError> {
        let names_it = |targets: &AliasTargets| targets.0.iter().any(|side| side.version == *version);
        if let Some((alias, _)) = self.aliases.iter().find(|(_, targets)| names_it(targets)) {
            let (task, version, alias) = (self.task.clone(), version.clone(), alias.clone());
            return Err(CatalogError::InUse { task, version, alias });
        }
        let place = self.versions.iter().position(|entry| entry.version == *version);
        match place {
            Some(place) => Ok(self.versions.remove(place)),
            None => Err(self.unknown(version.to_string())),
        }
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;

//! The catalogue: what a tenant has pushed, and which version each alias names.
//!
//! The records here are the values of the bucket `catalog`. A [`TaskRecord`] lists versions and aliases; the bulk of
//! a version (schemas, limits) is in a [`VersionRecord`] of its own, which is never changed once written.

use crate::limits::LimitsWish;
use crate::name::{AliasName, Digest, JobId, NameError, TaskName, VersionName};
use crate::retry::RetryPolicy;
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How a worker calls a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// `lovage:task/handler`, the shape of the SDKs.
    Handler,
    /// `wasi:http/incoming-handler`.
    Http,
    /// `wasi:cli/run`, a program.
    Command,
    /// Any function with plain types.
    Function,
}

impl Shape {
    /// Every shape, in the order of precedence where a component exports several.
    pub const ALL: [Shape; 4] = [Self::Handler, Self::Http, Self::Command, Self::Function];

    /// The name on the command line and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Http => "http",
            Self::Command => "command",
            Self::Function => "function",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.as_str() == text)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which export of a component a task is, and how it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "kebab-case")]
pub enum Entry {
    /// One task of an SDK component, by the name it gives itself.
    Handler {
        /// As `describe` names it.
        name: String,
    },
    /// The component's HTTP handler.
    Http,
    /// The component's program.
    Command,
    /// A plain function, freestanding or in an exported interface.
    Function {
        /// The exported interface, such as `example:calculator/ops@0.1.0`, where the function is in one.
        interface: Option<String>,
        /// The function's name.
        function: String,
    },
}

impl Entry {
    /// The shape of this entry.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Handler { .. } => Shape::Handler,
            Self::Http => Shape::Http,
            Self::Command => Shape::Command,
            Self::Function { .. } => Shape::Function,
        }
    }
}

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// One JSON value.
    Json,
    /// Any bytes.
    Bytes,
}

/// What a task takes or gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BodyType {
    /// JSON or bytes.
    pub encoding: Encoding,
    /// JSON Schema of the body, where it is JSON and the component tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
}

impl BodyType {
    /// Any bytes.
    pub const BYTES: BodyType = BodyType { encoding: Encoding::Bytes, schema: None };
}

/// One export of a component that can be a task; what inspection finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// The task name that the export suggests.
    pub name: TaskName,
    /// How it is called.
    pub entry: Entry,
    /// What the author says it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What it takes.
    pub input: BodyType,
    /// What it gives.
    pub output: BodyType,
    /// Limits that the author asks for.
    #[serde(default)]
    pub limits: LimitsWish,
    /// Attempts that the author asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
}

/// One version of a task, never changed once written. The value of `<tenant>.version.<task>.<version>`.
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

/// One side of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasTarget {
    /// The version.
    pub version: VersionName,
    /// Its share of the jobs, out of the sum of all sides.
    pub weight: u32,
}

/// What an alias names: one version, or several with weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AliasTargets(pub Vec<AliasTarget>);

/// An alias that names no version, or absurd weights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// Not a version name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Not a share.
    #[error("{0:?} is not a share of an alias: write VERSION, or PERCENT%@VERSION for each side, such as 90%@1,10%@2")]
    Share(String),
    /// The shares do not add up.
    #[error("the shares add up to {0}%, not to 100%")]
    Sum(u64),
}

impl AliasTargets {
    /// All jobs run `version`.
    pub fn all(version: VersionName) -> Self {
        Self(vec![AliasTarget { version, weight: 100 }])
    }

    /// The side that `job` runs; the same one every time.
    pub fn choose(&self, job: &JobId) -> Option<&VersionName> {
        let total: u32 = self.0.iter().map(|side| side.weight).sum();
        let mut ticket = job.bucket(total);
        for side in &self.0 {
            match ticket.checked_sub(side.weight) {
                Some(rest) => ticket = rest,
                None => return Some(&side.version),
            }
        }
        self.0.last().map(|side| &side.version)
    }
}

impl FromStr for AliasTargets {
    type Err = AliasError;
    fn from_str(text: &str) -> Result<Self, AliasError> {
        if !text.contains('@') {
            return Ok(Self::all(text.parse()?));
        }
        let mut sides = Vec::new();
        for side in text.split(',') {
            let bad = || AliasError::Share(side.chars().take(60).collect());
            let (share, version) = side.split_once('@').ok_or_else(bad)?;
            let weight: u32 = share.strip_suffix('%').and_then(|n| n.parse().ok()).ok_or_else(bad)?;
            sides.push(AliasTarget { version: version.parse()?, weight });
        }
        match sides.iter().map(|side| u64::from(side.weight)).sum() {
            100 => Ok(Self(sides.into_iter().filter(|side| side.weight > 0).collect())),
            sum => Err(AliasError::Sum(sum)),
        }
    }
}

impl fmt::Display for AliasTargets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => f.pad(one.version.as_str()),
            sides => {
                let sides: Vec<_> = sides.iter().map(|side| format!("{}%@{}", side.weight, side.version)).collect();
                f.pad(&sides.join(","))
            }
        }
    }
}

/// A move of an alias, so that it can be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasMove {
    /// The alias.
    pub alias: AliasName,
    /// What it named before; nothing where it is new.
    pub from: Option<AliasTargets>,
    /// What it names since.
    pub to: AliasTargets,
    /// When it was moved.
    pub at: UnixMs,
}

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
        Self { task, versions: Vec::new(), aliases: BTreeMap::new(), moves: Vec::new(), pushed_count: 0 }
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
#[path = "catalog_tests.rs"]
mod tests;

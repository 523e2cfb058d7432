//! Aliases: movable names for versions, also for several with shares.

use crate::name::{AliasName, JobId, NameError, VersionName};
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

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

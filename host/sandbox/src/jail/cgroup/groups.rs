//! The groups of one process: the places where it may make them, found by making one.

use super::found::{Controller, Own, Version, own_groups};
use super::group::{Group, GroupError, GroupLimits};
use super::leftovers::{name, remove_leftovers};
use super::unified;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Why there are no groups.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct NoGroups(String);

/// Groups that this process has made; each has a name of its own.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Where this process makes groups for its children.
#[derive(Debug)]
pub struct Groups {
    places: Vec<Own>,
    /// Groups that were not empty yet when they should have gone.
    left: Mutex<Vec<PathBuf>>,
}

impl Groups {
    /// The places, looked for once in the life of a process: what killed workers left there is removed, and under v2 this
    /// process goes into a leaf.
    pub fn find() -> Result<Arc<Self>, NoGroups> {
        static FOUND: OnceLock<Result<Arc<Groups>, NoGroups>> = OnceLock::new();
        FOUND.get_or_init(Self::look).clone()
    }

    fn look() -> Result<Arc<Self>, NoGroups> {
        let read = |file: &str| fs::read_to_string(file).map_err(|error| NoGroups(format!("{file}: {error}")));
        let (mut places, mut left, mut reasons) = (Vec::new(), Vec::new(), BTreeSet::new());
        for own in own_groups(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?) {
            left.extend(remove_leftovers(&own.folder, std::process::id()));
            match tried(own) {
                Ok(place) => places.push(place),
                Err(reason) => {
                    reasons.insert(reason);
                }
            }
        }
        if places.is_empty() {
            let reasons: Vec<String> = reasons.into_iter().collect();
            return Err(NoGroups(if reasons.is_empty() {
                "the kernel shows none".to_owned()
            } else {
                reasons.join("; ")
            }));
        }
        Ok(Arc::new(Self { places, left: Mutex::new(left) }))
    }

    /// Whether groups are limited in this.
    pub fn has(&self, controller: Controller) -> bool {
        self.places.iter().any(|place| place.controllers.contains(&controller))
    }

    /// Makes a group. Waits for the kernel, a few milliseconds at most.
    pub(crate) fn make(self: &Arc<Self>, limits: &GroupLimits) -> Result<Group, GroupError> {
        self.left().retain(|folder| fs::remove_dir(folder).is_err());
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Group::make(self.clone(), &self.places, &name(std::process::id(), number), limits)
    }

    /// Removes a group later.
    pub(super) fn leave(&self, folder: PathBuf) {
        self.left().push(folder);
    }

    fn left(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place, where a group can be made in it.
fn tried(mut own: Own) -> Result<Own, String> {
    let trial = own.folder.join(name(std::process::id(), MADE.fetch_add(1, Ordering::Relaxed)));
    let made = fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial));
    made.map_err(|error| format!("{}: {error}", own.folder.display()))?;
    if own.version == Version::V2 {
        own.controllers = unified::open(&own, std::process::id())?;
    }
    Ok(own)
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;

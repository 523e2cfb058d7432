//! What a job has kept and submitted over all its attempts, so that limits hold for the job and not only for one
//! attempt. One small record beside the values themselves.

use crate::child::{ChildLimit, GROUPS_MAX};
use crate::name::GroupId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The longest key of a checkpoint, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// The largest value of a checkpoint, in bytes.
pub const VALUE_BYTES_MAX: usize = 256 << 10;
/// The most checkpoints of one job.
pub const COUNT_MAX: usize = 100;
/// All values of one job together, in bytes.
pub const TOTAL_BYTES_MAX: u64 = 8 << 20;
/// Calls of one attempt, saving and loading together.
pub const CALLS_MAX: u32 = 10_000;

/// A checkpoint that may not be. The text names the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointLimit {
    /// Its key is too short or too long.
    #[error("a checkpoint's key of {bytes} bytes is not between 1 and {KEY_BYTES_MAX}")]
    Key {
        /// The key's length.
        bytes: usize,
    },
    /// Its value is too large.
    #[error("a checkpoint of {bytes} bytes is larger than {VALUE_BYTES_MAX}; keep a reference to it instead")]
    Value {
        /// The value's length.
        bytes: usize,
    },
    /// The job has too many.
    #[error("the job has {COUNT_MAX} checkpoints, which is the most; save over one of them")]
    Count,
    /// The job's values are too large together.
    #[error("the job's checkpoints would have {bytes} bytes together, more than {TOTAL_BYTES_MAX}")]
    Total {
        /// What they would have.
        bytes: u64,
    },
    /// The attempt has called too often.
    #[error("the attempt has saved and loaded {CALLS_MAX} times, which is the most")]
    Calls,
}

/// What a job has kept and submitted. Lies beside its checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// The size of each value by the name of its key.
    values: BTreeMap<String, u64>,
    /// New children, over all attempts.
    children: u32,
    /// The size of each group by its id; its members are children, too.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<GroupId, u32>,
}

/// The name under which a value is stored: keys are the guest's and may hold anything.
pub fn stored_name(key: &str) -> Result<String, CheckpointLimit> {
    match key.len() {
        1..=KEY_BYTES_MAX => {
            let digits = hex::encode(Sha256::digest(key.as_bytes()));
            Ok(digits.get(..32).unwrap_or(&digits).to_owned())
        }
        bytes => Err(CheckpointLimit::Key { bytes }),
    }
}

impl Ledger {
    /// Enters a value of so many bytes. True where the record changed, which must then be stored before the value is:
    /// a value that is not entered would count for nothing, while an entry without its value only takes up room.
    pub fn enter(&mut self, name: &str, bytes: usize) -> Result<bool, CheckpointLimit> {
        if bytes > VALUE_BYTES_MAX {
            return Err(CheckpointLimit::Value { bytes });
        }
        let size = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.values.get(name).copied();
        if before.is_none() && self.values.len() >= COUNT_MAX {
            return Err(CheckpointLimit::Count);
        }
        let others: u64 = self.values.iter().filter(|(known, _)| *known != name).map(|(_, size)| size).sum();
        let total = others.saturating_add(size);
        if total > TOTAL_BYTES_MAX {
            return Err(CheckpointLimit::Total { bytes: total });
        }
        self.values.insert(name.to_owned(), size);
        Ok(before != Some(size))
    }

    /// Whether there is a value of this name, or may be one.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The names of all values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Whether one more child may be, of at most `most`.
    pub fn room_for_child(&self, most: u32) -> Result<(), ChildLimit> {
        if self.children() < most { Ok(()) } else { Err(ChildLimit::Job { most }) }
    }

    /// Counts a child that was not there before.
    pub fn add_child(&mut self) {
        self.children = self.children.saturating_add(1);
    }

    /// Enters a group of so many members; all children together are at most `most`. True where the record changed, which
    /// must then be stored before the group is submitted: under the same id it is never counted again, so that a repeat
    /// after a crash costs nothing, while an entry without its group only takes up room.
    pub fn enter_group(&mut self, id: &GroupId, size: u32, most: u32) -> Result<bool, ChildLimit> {
        let before = self.groups.get(id).copied();
        if before.is_some_and(|before| before >= size) {
            return Ok(false);
        }
        if before.is_none() && self.groups.len() >= GROUPS_MAX {
            return Err(ChildLimit::Groups);
        }
        if self.children().saturating_sub(before.unwrap_or(0)).saturating_add(size) > most {
            return Err(ChildLimit::Job { most });
        }
        self.groups.insert(id.clone(), size);
        Ok(true)
    }

    /// New children over all attempts, members of groups among them.
    pub fn children(&self) -> u32 {
        self.groups.values().fold(self.children, |sum, size| sum.saturating_add(*size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group(name: &str) -> GroupId {
        name.parse().unwrap()
    }

    #[test]
    fn members_of_groups_are_children_and_a_repeat_counts_once() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.enter_group(&group("a"), 6, 10), Ok(true));
        assert_eq!(ledger.enter_group(&group("a"), 6, 10), Ok(false));
        assert_eq!(ledger.enter_group(&group("b"), 5, 10), Err(ChildLimit::Job { most: 10 }));
        assert_eq!(ledger.enter_group(&group("a"), 9, 10), Ok(true), "a larger one counts for all of its members");
        ledger.add_child();
        assert_eq!((ledger.children(), ledger.room_for_child(10)), (10, Err(ChildLimit::Job { most: 10 })));
        let stored: Ledger = serde_json::from_slice(&serde_json::to_vec(&ledger).unwrap()).unwrap();
        assert_eq!(stored, ledger);
    }

    #[test]
    fn a_job_has_100_groups() {
        let mut ledger = Ledger::default();
        for number in 0..GROUPS_MAX {
            assert_eq!(ledger.enter_group(&group(&format!("g{number}")), 1, u32::MAX), Ok(true));
        }
        assert_eq!(ledger.enter_group(&group("more"), 1, u32::MAX), Err(ChildLimit::Groups));
        assert_eq!(ledger.enter_group(&group("g7"), 1, u32::MAX), Ok(false));
    }

    #[test]
    fn a_key_of_any_bytes_becomes_a_plain_name() {
        assert_eq!(stored_name(""), Err(CheckpointLimit::Key { bytes: 0 }));
        assert_eq!(stored_name(&"k".repeat(257)), Err(CheckpointLimit::Key { bytes: 257 }));
        let name = stored_name("a.b *\r\n>").unwrap();
        assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        assert_ne!(name, stored_name(&"k".repeat(256)).unwrap());
    }

    #[test]
    fn values_have_a_largest_size_number_and_sum() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.enter("a", VALUE_BYTES_MAX + 1), Err(CheckpointLimit::Value { bytes: VALUE_BYTES_MAX + 1 }));
        for number in 0..32 {
            assert_eq!(ledger.enter(&number.to_string(), VALUE_BYTES_MAX), Ok(true));
        }
        assert_eq!(ledger.enter("more", 1), Err(CheckpointLimit::Total { bytes: TOTAL_BYTES_MAX + 1 }));
        assert_eq!(ledger.enter("0", 10), Ok(true));
        for number in 32..100 {
            assert_eq!(ledger.enter(&number.to_string(), 0), Ok(true));
        }
        assert_eq!(ledger.enter("more", 1), Err(CheckpointLimit::Count));
        assert_eq!(ledger.enter("0", 10), Ok(false), "nothing changed");
    }

    #[test]
    fn children_are_counted_up_to_the_limit() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.room_for_child(1), Ok(()));
        ledger.add_child();
        assert_eq!(ledger.room_for_child(1), Err(ChildLimit::Job { most: 1 }));
        assert_eq!(ledger.room_for_child(0), Err(ChildLimit::Job { most: 0 }));
    }

    proptest! {
        #[test]
        fn no_ledger_passes_its_limits(sizes in proptest::collection::vec((0u8..150, 0usize..300_000), 0..300)) {
            let mut ledger = Ledger::default();
            for (name, size) in sizes {
                // a refusal changes nothing
                let before = ledger.clone();
                if ledger.enter(&name.to_string(), size).is_err() {
                    prop_assert_eq!(&ledger, &before);
                }
                prop_assert!(ledger.values.len() <= COUNT_MAX);
                prop_assert!(ledger.values.values().sum::<u64>() <= TOTAL_BYTES_MAX);
            }
            let text = serde_json::to_string(&ledger).unwrap();
            prop_assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
        }
    }
}

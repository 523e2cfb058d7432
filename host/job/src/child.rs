//! Jobs that jobs submit: their ids, how deep they may lie, and how many one job may have.

use crate::flow::GROUP_SIZE_MAX;
use crate::header::{self, Headers};
use crate::name::{GroupId, JobId, NameError};
use sha2::{Digest as _, Sha256};

/// How many jobs may lead to one another, as for callbacks: a job that submits itself ends here.
pub use crate::flow::DEPTH_MAX;
/// The children of one job, and of one attempt, where the operator says nothing.
pub const FANOUT_DEFAULT: u32 = 1_000;
/// The most that an operator can allow.
pub const FANOUT_CEILING: u32 = 1_000_000;
/// The most groups of one job, over all its attempts.
pub const GROUPS_MAX: usize = 100;
/// The longest key of a child, in bytes.
pub const KEY_BYTES_MAX: usize = 256;

/// What a child is called among the children of its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildName {
    /// By its job.
    Key(String),
    /// By how many children, or groups, without a key came before it in the attempt.
    Number(u32),
}

/// A child that may not be. The text names the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChildLimit {
    /// Its key is too short or too long.
    #[error("a child's key of {bytes} bytes is not between 1 and {KEY_BYTES_MAX}")]
    Key {
        /// The key's length.
        bytes: usize,
    },
    /// Too many jobs lead to it.
    #[error(
        "the job is {depth} deep in jobs that submit jobs, and at most {DEPTH_MAX} are allowed: does it submit itself?"
    )]
    Depth {
        /// How deep the job is that would submit it.
        depth: u32,
    },
    /// The attempt has asked for too many.
    #[error("the attempt has asked for {most} children, which is its limit (submit.fanout)")]
    Attempt {
        /// The limit.
        most: u32,
    },
    /// The job has too many, over all its attempts.
    #[error("the job has {most} children, which is its limit (submit.fanout)")]
    Job {
        /// The limit.
        most: u32,
    },
    /// Too many jobs lead to the completion job of a group.
    #[error(
        "the job is {depth} deep in jobs that submit jobs; a group's completion job would be deeper than {DEPTH_MAX}"
    )]
    GroupDepth {
        /// How deep the job is that would submit it.
        depth: u32,
    },
    /// A group has no or too many members.
    #[error("a group of {size} members does not have between 1 and {GROUP_SIZE_MAX}")]
    GroupSize {
        /// How many it has.
        size: usize,
    },
    /// The job has too many groups, over all its attempts.
    #[error("the job has {GROUPS_MAX} groups, which is the most")]
    Groups,
}

/// The id of a child: the same parent and name always give the same one.
pub fn child_id(parent: &JobId, name: &ChildName) -> JobId {
    let id = format!("c-{}", digits(parent, name, [0, 1]));
    // Hexadecimal digits are an id; the parent's own would make the child its parent, which is never delivered twice.
    id.parse().unwrap_or_else(|_| parent.clone())
}

/// The id of a group that a job submits: the same parent and name always give the same one, and never that of a child.
pub fn group_id(parent: &JobId, name: &ChildName) -> Result<GroupId, NameError> {
    format!("g-{}", digits(parent, name, [2, 3])).parse()
}

/// What tells a name apart from all others; the marks are for one with a key and one with a number.
fn digits(parent: &JobId, name: &ChildName, [key_mark, number_mark]: [u8; 2]) -> String {
    let mut hash = Sha256::new();
    hash.update(parent.as_str().as_bytes());
    match name {
        ChildName::Key(key) => {
            hash.update([key_mark]);
            hash.update(key.as_bytes());
        }
        ChildName::Number(number) => {
            hash.update([number_mark]);
            hash.update(number.to_be_bytes());
        }
    }
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(40);
    digits
}

/// Checks a child's key.
pub fn check_key(key: &str) -> Result<(), ChildLimit> {
    match key.len() {
        1..=KEY_BYTES_MAX => Ok(()),
        bytes => Err(ChildLimit::Key { bytes }),
    }
}

/// How deep the job with these headers lies. A value that cannot be read is taken for the deepest: whoever writes
/// nonsense there gains nothing.
pub fn depth_of(headers: &Headers) -> u32 {
    match headers.get(header::DEPTH) {
        None => 0,
        Some(text) => text.parse().unwrap_or(DEPTH_MAX),
    }
}

/// The depth of a child of a job that lies `depth` deep.
pub fn depth_below(depth: u32) -> Result<u32, ChildLimit> {
    if depth < DEPTH_MAX { Ok(depth + 1) } else { Err(ChildLimit::Depth { depth }) }
}

/// The depth of the members of a group of a job that lies `depth` deep. Their completion job lies one deeper, which must
/// be allowed too: nobody would be told of one that is refused when they have ended.
pub fn group_depth_below(depth: u32) -> Result<u32, ChildLimit> {
    let members = depth_below(depth)?;
    depth_below(members).map_err(|_| ChildLimit::GroupDepth { depth })?;
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> JobId {
        text.parse().unwrap()
    }

    #[test]
    fn a_number_is_no_key() {
        let number = child_id(&id("p"), &ChildName::Number(0));
        assert_ne!(number, child_id(&id("p"), &ChildName::Key("\0\0\0\0".to_owned())));
        assert_ne!(number, child_id(&id("q"), &ChildName::Number(0)));
    }

    #[test]
    fn a_group_has_an_id_of_its_own() {
        let group = |name| group_id(&id("p"), &name).unwrap();
        assert_eq!(group(ChildName::Number(1)), group(ChildName::Number(1)));
        assert_ne!(group(ChildName::Number(1)), group(ChildName::Number(2)));
        assert_ne!(group(ChildName::Number(0)), group(ChildName::Key("\0\0\0\0".to_owned())));
    }

    #[test]
    fn a_key_has_from_1_to_256_bytes() {
        assert_eq!(check_key(""), Err(ChildLimit::Key { bytes: 0 }));
        assert_eq!(check_key(&"x".repeat(256)), Ok(()));
        assert_eq!(check_key(&"x".repeat(257)), Err(ChildLimit::Key { bytes: 257 }));
    }

    #[test]
    fn a_chain_of_children_ends_at_the_depth() {
        let mut depth = 0;
        while let Ok(below) = depth_below(depth) {
            depth = below;
        }
        assert_eq!(depth, DEPTH_MAX);
        assert_eq!(depth_below(u32::MAX), Err(ChildLimit::Depth { depth: u32::MAX }));
    }

    #[test]
    fn a_group_leaves_room_for_its_completion_job() {
        assert_eq!(group_depth_below(DEPTH_MAX - 2), Ok(DEPTH_MAX - 1));
        assert_eq!(group_depth_below(DEPTH_MAX - 1), Err(ChildLimit::GroupDepth { depth: DEPTH_MAX - 1 }));
        assert_eq!(group_depth_below(DEPTH_MAX), Err(ChildLimit::Depth { depth: DEPTH_MAX }));
    }

    #[test]
    fn a_depth_that_makes_no_sense_is_the_deepest() {
        assert_eq!(depth_of(&Headers::new()), 0);
        assert_eq!(depth_of(&[(header::DEPTH, "7")].into_iter().collect()), 7);
        for bad in ["-1", "x", "", "99999999999999999999"] {
            assert_eq!(depth_of(&[(header::DEPTH, bad)].into_iter().collect()), DEPTH_MAX, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_key_gives_one_id_that_is_valid(parent in "[a-z]{1,8}", a: String, b: String) {
            let of = |key: &str| child_id(&id(&parent), &ChildName::Key(key.to_owned()));
            of(&a).as_str().parse::<JobId>().unwrap();
            prop_assert_eq!(of(&a) == of(&b), a == b);
            let group = |key: &str| group_id(&id(&parent), &ChildName::Key(key.to_owned())).unwrap();
            group(&a).member(GROUP_SIZE_MAX).as_str().parse::<JobId>().unwrap();
            prop_assert_eq!(group(&a) == group(&b), a == b);
            let (of_group, of_child) = (group(&a), of(&a));
            prop_assert_ne!(of_group.as_str().trim_start_matches("g-"), of_child.as_str().trim_start_matches("c-"));
        }
    }
}

//! Jobs that jobs submit: their ids, how deep they may lie, and how many one job may have.

use crate::header::{self, Headers};
use crate::name::JobId;
use sha2::{Digest as _, Sha256};

/// How many jobs may lead to one another, as for callbacks: a job that submits itself ends here.
pub use crate::flow::DEPTH_MAX;
/// The children of one job, and of one attempt, where the operator says nothing.
pub const FANOUT_DEFAULT: u32 = 1_000;
/// The most that an operator can allow.
pub const FANOUT_CEILING: u32 = 1_000_000;
/// The longest key of a child, in bytes.
pub const KEY_BYTES_MAX: usize = 256;

/// What a child is called among the children of its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildName {
    /// By its job.
    Key(String),
    /// By how many children without a key came before it in the attempt.
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
}

/// The id of a child: the same parent and name always give the same one.
pub fn child_id(parent: &JobId, name: &ChildName) -> JobId {
    let mut hash = Sha256::new();
    hash.update(parent.as_str().as_bytes());
    match name {
        ChildName::Key(key) => {
            hash.update([0]);
            hash.update(key.as_bytes());
        }
        ChildName::Number(number) => {
            hash.update([1]);
            hash.update(number.to_be_bytes());
        }
    }
    let digits = hex::encode(hash.finalize());
    let id = format!("c-{}", digits.get(..40).unwrap_or(&digits));
    // Hexadecimal digits are an id; the parent's own would make the child its parent, which is never delivered twice.
    id.parse().unwrap_or_else(|_| parent.clone())
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
        }
    }
}

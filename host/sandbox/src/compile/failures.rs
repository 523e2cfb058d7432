//! Components that failed to compile, remembered so that nobody pays for them twice.

use crate::compile::error::CompileError;
use lovage_job::name::Digest;
use std::collections::{HashMap, VecDeque};

/// The most failures that are remembered; the oldest is forgotten first.
const FAILURES_MAX: usize = 1024;

#[derive(Default)]
pub(crate) struct Failures {
    by_digest: HashMap<Digest, CompileError>,
    oldest_first: VecDeque<Digest>,
}

impl Failures {
    pub(crate) fn get(&self, digest: &Digest) -> Option<CompileError> {
        self.by_digest.get(digest).cloned()
    }

    /// Remembers `error`, unless another try may end otherwise.
    pub(crate) fn remember(&mut self, digest: &Digest, error: &CompileError) {
        if !error.is_permanent() || self.by_digest.insert(digest.clone(), error.clone()).is_some() {
            return;
        }
        self.oldest_first.push_back(digest.clone());
        if self.oldest_first.len() > FAILURES_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_digest.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_and_only_permanent_failures_are_remembered() {
        let mut failures = Failures::default();
        let invalid = CompileError::Invalid { message: "no".to_owned() };
        failures.remember(&Digest::of(b"host"), &CompileError::Host { message: "full".to_owned() });
        assert!(failures.get(&Digest::of(b"host")).is_none());
        for number in 0..FAILURES_MAX + 1 {
            failures.remember(&Digest::of(&number.to_le_bytes()), &invalid);
        }
        assert!(failures.get(&Digest::of(&0usize.to_le_bytes())).is_none());
        assert!(failures.get(&Digest::of(&FAILURES_MAX.to_le_bytes())).is_some());
        assert_eq!(failures.by_digest.len(), FAILURES_MAX);
    }
}

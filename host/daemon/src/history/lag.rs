//! How far the history is behind, and how it is.

use lovage_job::unit::UnixMs;
use serde::Serialize;
use std::time::Duration;

/// How far the history is behind the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Entries that are not read yet, as of the last look.
    pub entries: u64,
    /// When the broker stored the oldest entry that was read and is not written yet.
    pub oldest: Option<UnixMs>,
    /// Entries that were written by this process.
    pub written: u64,
    /// Entries that cannot be read, and were left out.
    pub damaged: u64,
    /// Entries that the database takes at no time, and that were left out.
    pub refused: u64,
    /// Looks that found everything written.
    pub caught_up: u64,
    /// Why nothing can be read or written now.
    pub degraded: Option<String>,
    /// Since when.
    pub degraded_since: Option<UnixMs>,
}

impl Lag {
    /// The age of the oldest entry that is not written yet; nothing is behind where it is zero. While nothing can be read
    /// or written, it is at least the time since then.
    pub fn age(&self, now: UnixMs) -> Duration {
        let since = self.oldest.into_iter().chain(self.degraded_since).min();
        since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

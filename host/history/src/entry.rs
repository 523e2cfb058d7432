//! What is handed over to be written: results and dead letters, with the broker's own time, and how far was read.

use crate::error::HistoryError;
use lovage_job::dead::DeadLetter;
use lovage_job::name::TenantName;
use lovage_job::result::JobResult;
use lovage_job::unit::UnixMs;

/// How far a stream was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamCursor {
    /// When the stream was made: one that was made anew is read from its beginning.
    pub created: UnixMs,
    /// The last message that was read.
    pub sequence: u64,
}

/// How far a stream is read when a batch is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The stream's name.
    pub stream: String,
    /// When it was made.
    pub created: UnixMs,
    /// The batch holds all that comes after this message …
    pub from: u64,
    /// … up to and with this one.
    pub to: u64,
}

/// A result, as the broker stores it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Whose job.
    pub tenant: TenantName,
    /// When the broker stored it.
    pub at: UnixMs,
    /// The result; its body is not looked at.
    pub result: JobResult,
}

/// A dead letter, as the broker stores it.
#[derive(Debug, Clone, PartialEq)]
pub struct Buried {
    /// Whose job.
    pub tenant: TenantName,
    /// When the broker stored it.
    pub at: UnixMs,
    /// The letter; its payload is not looked at.
    pub letter: DeadLetter,
}

/// One thing to write. In which order things are written makes no difference.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A job ended.
    Ended(Box<Ended>),
    /// A job was buried.
    Buried(Box<Buried>),
}

impl Entry {
    /// When the job ended.
    pub fn finished(&self) -> UnixMs {
        match self {
            Self::Ended(ended) => ended.result.record.finished,
            Self::Buried(buried) => buried.letter.buried,
        }
    }

    pub(crate) fn key(&self) -> Key {
        match self {
            Self::Ended(ended) => (ended.tenant.clone(), ended.result.record.id.clone()),
            Self::Buried(buried) => (buried.tenant.clone(), buried.letter.id.clone()),
        }
    }
}

pub(crate) type Key = (TenantName, lovage_job::name::JobId);

/// What is written at once: some thousand entries at most.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// Results and dead letters.
    pub entries: Vec<Entry>,
    /// How far this takes the reading of each stream.
    pub advances: Vec<Advance>,
}

impl Advance {
    /// The place after this batch, given the place before it. Another writer may have come further.
    pub(crate) fn apply(&self, before: Option<StreamCursor>) -> Result<StreamCursor, HistoryError> {
        let read = before.filter(|before| before.created == self.created).map_or(0, |before| before.sequence);
        if read < self.from {
            return Err(HistoryError::Gap { stream: self.stream.clone(), read, from: self.from });
        }
        Ok(StreamCursor { created: self.created, sequence: read.max(self.to) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_moves_forward_without_gaps_and_a_stream_made_anew_begins() {
        let advance = |created, from, to| Advance { stream: "s".to_owned(), created: UnixMs(created), from, to };
        let at = |created, sequence| Some(StreamCursor { created: UnixMs(created), sequence });
        assert_eq!(advance(1, 0, 5).apply(None).ok(), at(1, 5));
        assert_eq!(advance(1, 5, 9).apply(at(1, 5)).ok(), at(1, 9));
        assert_eq!(advance(1, 3, 9).apply(at(1, 20)).ok(), at(1, 20));
        assert_eq!(advance(2, 0, 4).apply(at(1, 20)).ok(), at(2, 4));
        for (late, before) in [(advance(1, 6, 9), at(1, 5)), (advance(2, 3, 9), at(1, 5)), (advance(1, 1, 2), None)] {
            assert!(matches!(late.apply(before), Err(HistoryError::Gap { .. })));
        }
    }
}

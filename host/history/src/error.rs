//! What can go wrong with the history, sorted by what to do about it.

use crate::page::CursorError;
use std::time::Duration;

/// Why the history cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The database does not answer, is full, or answers too slowly. Try again later; nothing is lost.
    #[error("the history's database is not available: {reason}")]
    Unavailable {
        /// The database's words.
        reason: String,
    },
    /// A newer version of Lovage has changed the database.
    #[error(
        "the history's database has schema {has}, and this version of Lovage knows schema {knows}; \
         use the newer version, or another database"
    )]
    Newer {
        /// The schema of the database.
        has: i64,
        /// The newest schema that is known here.
        knows: i64,
    },
    /// The tables cannot be made or changed.
    #[error("the tables of the history cannot be made: {reason}")]
    Migration {
        /// The database's words.
        reason: String,
    },
    /// The database takes this data at no time.
    #[error("the history's database refuses the data: {reason}")]
    Refused {
        /// The database's words.
        reason: String,
    },
    /// What is stored is not what was written.
    #[error("a row of the history cannot be read: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// A batch begins after the place that the history has read to.
    #[error("the history has read stream {stream} to {read}, so a batch that begins after {from} leaves a gap")]
    Gap {
        /// The stream.
        stream: String,
        /// How far it was read.
        read: u64,
        /// Where the batch begins.
        from: u64,
    },
    /// A question that the history does not answer.
    #[error("the history cannot be asked for {what}")]
    Question {
        /// What was asked for, and what would be right.
        what: String,
    },
    /// A place in a listing that is none of it.
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

impl HistoryError {
    pub(crate) fn late(within: Duration) -> Self {
        Self::Unavailable { reason: format!("no answer within {} ms", within.as_millis()) }
    }
}

impl From<sqlx::Error> for HistoryError {
    fn from(error: sqlx::Error) -> Self {
        let reason = error.to_string();
        match error {
            sqlx::Error::Database(error) if is_about_data(error.as_ref()) => Self::Refused { reason },
            sqlx::Error::Encode(_) => Self::Refused { reason },
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. } => Self::Damaged { reason },
            _ => Self::Unavailable { reason },
        }
    }
}

/// Whether the data is at fault, and not the state that the database is in: classes 22 and 23 of SQL's own codes, and
/// the same of SQLite, whose codes are numbers.
fn is_about_data(error: &dyn sqlx::error::DatabaseError) -> bool {
    const TOO_BIG: u32 = 18;
    const CONSTRAINT: u32 = 19;
    const MISMATCH: u32 = 20;
    let Some(code) = error.code() else { return false };
    match code.parse::<u32>() {
        // an extended code of SQLite holds the plain one in its lowest byte
        Ok(number) if code.len() < 5 => matches!(number & 0xff, TOO_BIG | CONSTRAINT | MISMATCH),
        _ => code.starts_with("22") || code.starts_with("23"),
    }
}

//! From rows of SQL to what they say, checked: a database can be changed by anybody.

use crate::error::HistoryError;
use crate::row::{Attempt, JobRow, Stored};
use crate::sql::uint;
use lovage_job::outcome::{Meter, OutcomeKind};
use lovage_job::subject::Lane;
use lovage_job::unit::UnixMs;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::fmt::Display;
use std::str::FromStr;

/// Reads the columns of a row one after the other.
pub(crate) struct Columns<'a> {
    row: &'a AnyRow,
    next: usize,
}

impl<'a> Columns<'a> {
    pub(crate) fn new(row: &'a AnyRow) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn number(&mut self) -> Result<i64, HistoryError> {
        self.next += 1;
        Ok(self.row.try_get(self.next - 1)?)
    }

    /// Nothing where it is NULL.
    pub(crate) fn maybe_uint(&mut self) -> Result<Option<u64>, HistoryError> {
        self.next += 1;
        let value: Option<i64> = self.row.try_get(self.next - 1)?;
        Ok(value.map(uint))
    }

    pub(crate) fn uint(&mut self) -> Result<u64, HistoryError> {
        self.number().map(uint)
    }

    pub(crate) fn time(&mut self) -> Result<UnixMs, HistoryError> {
        self.uint().map(UnixMs)
    }

    /// Nothing where it is NULL.
    pub(crate) fn text(&mut self) -> Result<Option<String>, HistoryError> {
        self.next += 1;
        Ok(self.row.try_get(self.next - 1)?)
    }

    /// A checked name; nothing where the text is empty.
    pub(crate) fn name<T: FromStr<Err: Display>>(&mut self) -> Result<Option<T>, HistoryError> {
        let text = self.text()?.unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|error: T::Err| damaged(error))
    }

    pub(crate) fn needed<T: FromStr<Err: Display>>(&mut self) -> Result<T, HistoryError> {
        self.name()?.ok_or_else(|| damaged("a name is missing"))
    }

    pub(crate) fn outcome(&mut self) -> Result<OutcomeKind, HistoryError> {
        let text = self.text()?.unwrap_or_default();
        OutcomeKind::parse(&text).ok_or_else(|| damaged(format!("{text:?} is no outcome")))
    }

    fn meter(&mut self) -> Result<Meter, HistoryError> {
        let (wall_us, fuel_used) = (self.uint()?, self.uint()?);
        Ok(Meter { wall_us, fuel_used, memory_peak_bytes: self.uint()?, egress_bytes: self.uint()? })
    }

    /// The columns of `columns::LISTED`, and how many attempts are stored.
    pub(crate) fn job(&mut self) -> Result<(JobRow, i64), HistoryError> {
        let row = JobRow {
            tenant: self.needed()?,
            id: self.needed()?,
            task: self.name()?,
            queue: self.name()?,
            lane: lane(self.text()?)?,
            outcome: self.outcome()?,
            error_message: self.text()?,
            digest: self.name()?,
            version: self.name()?,
            attempts: u32::try_from(self.number()?).map_err(damaged)?,
            published: self.time()?,
            started: self.time()?,
            finished: self.time()?,
            meter: self.meter()?,
            worker: self.text()?.unwrap_or_default(),
            tags: tags(self.text()?)?,
            trace_id: self.text()?.filter(|id| !id.is_empty()),
            dead: self.number()? != 0,
        };
        let _class_follows_from_the_outcome = self.number()?;
        Ok((row, self.number()?))
    }

    /// The columns of `columns::LISTED` and `columns::FURTHER`; the attempts are elsewhere.
    pub(crate) fn stored(&mut self) -> Result<(Stored, i64), HistoryError> {
        let (row, attempts) = self.job()?;
        let error_more = self.text()?;
        let stored = Stored { row, error_more, trail: Vec::new(), result_at: self.time()?, letter_at: self.time()? };
        Ok((stored, attempts))
    }

    /// The columns of `columns::ATTEMPT`.
    pub(crate) fn attempt(&mut self) -> Result<Attempt, HistoryError> {
        Ok(Attempt {
            attempt: u32::try_from(self.number()?).map_err(damaged)?,
            outcome: self.outcome()?,
            started: self.time()?,
            digest: self.name()?,
            worker: self.text()?.unwrap_or_default(),
            meter: self.meter()?,
            error_message: self.text()?,
        })
    }
}

fn lane(text: Option<String>) -> Result<Option<Lane>, HistoryError> {
    match text.unwrap_or_default().as_str() {
        "" => Ok(None),
        text => Lane::ALL
            .into_iter()
            .find(|lane| lane.as_str() == text)
            .map(Some)
            .ok_or_else(|| damaged(format!("{text:?} is no lane"))),
    }
}

fn tags(text: Option<String>) -> Result<Vec<String>, HistoryError> {
    text.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text).map_err(damaged))
}

fn damaged(reason: impl Display) -> HistoryError {
    HistoryError::Damaged { reason: reason.to_string() }
}

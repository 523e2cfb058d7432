//! Schedules: when ticks are, what becomes of those that were missed, and of runs that would overlap.
//!
//! Everything here is a function of a definition and a time. Every worker plans every schedule by these rules, so two
//! of them always come to the same ticks, and a tick's job has the same id wherever it was planned.
//!
//! # Daylight saving
//! A rule with a fixed hour and minute (no `*` and no `/` in either field) means the clock on the wall: a tick in the
//! hour that the clock leaves out runs once, at the first moment after it; a tick in the hour that comes twice runs
//! once, the first time. Any other rule (`*/5 * * * *`, `30 * * * *`) means real time: it goes on evenly, so it has no
//! ticks in an hour that is left out and ticks in both of two hours that are called alike.

mod cron;
mod plan;
mod policy;
mod record;
mod runs;
mod timing;
mod zone;

pub use plan::{Cursor, HORIZON, Plan, plan};
pub use policy::{Late, Missed, Overlap, late};
pub use record::{Definition, INPUT_BYTES_MAX, ScheduleInput, ScheduleRecord};
pub use runs::{Claim, Entry, Occupied, RunJob, Runs, ScheduledRun, judge as judge_overlap};
pub use timing::{Timing, TimingText};

use crate::unit::UnitError;

/// A schedule that makes no sense. The text names the value and says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not a cron expression.
    #[error(
        "cron expression {expression:?} is not valid: {reason}; write `minute hour day month weekday`, such as \
         `0 3 * * 1-5`, with seconds in front where needed, or @hourly, @daily, @weekly, @monthly, @yearly, @every 90s"
    )]
    Cron {
        /// The text.
        expression: String,
        /// What is wrong.
        reason: String,
    },
    /// No day is ever as the expression says.
    #[error("cron expression {0:?} never fires: there is no such day, as with 30 February")]
    Never(String),
    /// Not a time zone.
    #[error("time zone {zone:?} is not known (zones are named as in Europe/Berlin or UTC){hint}")]
    Zone {
        /// The text.
        zone: String,
        /// The nearest zone.
        hint: String,
    },
    /// A zone where there is none to apply.
    #[error("a time zone goes with a cron expression only: {0} means the same in every zone")]
    ZoneWithout(&'static str),
    /// An interval that is too short or too long.
    #[error("an interval of {0} is not between 1s and 365d")]
    Interval(String),
    /// A one-off that can never run.
    #[error("{0} has passed; a one-off needs a time to come")]
    Past(String),
    /// A missed policy that is none.
    #[error("{0:?} is not a policy for missed ticks: write skip, one, or all:N with N from 1 to 1000")]
    Missed(String),
    /// An overlap policy that is none.
    #[error("{0:?} is not a policy for overlapping runs: write allow, skip or queue")]
    Overlap(String),
    /// A starting deadline that is too short or too long.
    #[error("a starting deadline of {0} is not between 1s and 1d")]
    Deadline(String),
    /// An input that is too large to be kept in a schedule.
    #[error(
        "an input of {0} bytes is larger than {INPUT_BYTES_MAX}, the most that a schedule keeps; store it elsewhere and give a reference"
    )]
    Input(usize),
    /// A duration or time that is none.
    #[error(transparent)]
    Unit(#[from] UnitError),
}

/// Text for an error message, cut to a printable length.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
#[path = "dst_tests.rs"]
mod dst_tests;

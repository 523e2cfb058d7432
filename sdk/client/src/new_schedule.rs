//! A schedule before it is put: what the caller asks for, and why it may be refused.

use crate::new_job::NewJob;
use crate::read::ReadError;
use crate::submit::SubmitError;
use lovage_job::name::{ScheduleName, TaskName};
use lovage_job::schedule::{Missed, Overlap, ScheduleError, TimingText};
use std::time::Duration;

/// A schedule to be added, or to take the place of the one of its name.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    /// Its name.
    pub name: ScheduleName,
    /// When it ticks.
    pub timing: TimingText,
    /// What each tick submits. Ids, due times, expiries and replies are of single jobs and refused.
    pub job: NewJob,
    /// What becomes of missed ticks.
    pub missed: Missed,
    /// A tick that is not started within this span is missed; one minute where nothing is said.
    pub deadline: Option<Duration>,
    /// What becomes of runs that would overlap.
    pub overlap: Overlap,
    /// The task whose manifest carries it.
    pub owner: Option<TaskName>,
}

impl NewSchedule {
    /// A schedule with the usual policies.
    pub fn new(name: ScheduleName, timing: TimingText, job: NewJob) -> Self {
        let (missed, overlap) = (Missed::default(), Overlap::default());
        Self { name, timing, job, missed, deadline: None, overlap, owner: None }
    }

    /// Treats missed ticks so.
    #[must_use]
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// Takes a tick for missed that is not started within this span.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Treats runs that would overlap so.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }
}

/// What became of a schedule that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// There was none of its name.
    Added,
    /// It took the place of another.
    Changed,
    /// It was there already.
    Same,
}

/// Why a schedule was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleFault {
    /// It makes no sense.
    #[error(transparent)]
    Invalid(#[from] ScheduleError),
    /// Its runs would be refused.
    #[error(transparent)]
    Job(#[from] SubmitError),
    /// It asks for what only a single job can have.
    #[error("a schedule's runs cannot have {0}: each run has its own")]
    OfOneJob(&'static str),
    /// No schedule of that name.
    #[error("there is no schedule {name}{}", near(nearest))]
    Unknown {
        /// What was asked for.
        name: ScheduleName,
        /// Schedules with a similar name, nearest first.
        nearest: Vec<ScheduleName>,
    },
    /// A manifest may not change what others made.
    #[error(
        "schedule {name} belongs to {owner}, not to the manifest of {task}; choose another name or remove it first"
    )]
    Foreign {
        /// The schedule.
        name: ScheduleName,
        /// Whose it is.
        owner: String,
        /// Whose manifest it is.
        task: TaskName,
    },
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The broker has no place for schedules.
    #[error("the broker keeps no schedules yet; start a worker of this version once")]
    NoBucket,
    /// Others change it all the time.
    #[error("schedule {0} is being changed by others; try again")]
    Busy(ScheduleName),
    /// The broker does not write it.
    #[error("the broker did not take it: {0}")]
    Refused(String),
}

fn near(nearest: &[ScheduleName]) -> String {
    let names: Vec<_> = nearest.iter().map(ScheduleName::as_str).collect();
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}

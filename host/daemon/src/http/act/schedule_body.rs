//! A schedule as a request asks for it.

use super::JobBody;
use crate::clock::now;
use crate::http::problem::{Code, Problem};
use lovage_client::NewSchedule;
use lovage_job::name::ScheduleName;
use lovage_job::schedule::{Missed, Overlap, ScheduleError, TimingText};
use lovage_job::unit::{UnixMs, parse_span};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use utoipa::ToSchema;

/// A schedule: exactly one of `cron`, `every` and `at` says when.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleBody {
    /// A cron expression of five fields, six with seconds in front, or a nickname such as @daily.
    pub cron: Option<String>,
    /// The time zone of `cron`, such as Europe/Berlin; UTC where none is given.
    pub zone: Option<String>,
    /// Tick evenly, from 1s to 365d.
    pub every: Option<String>,
    /// Tick once, at this time, as RFC 3339.
    pub at: Option<String>,
    /// The job of each run. What is of single jobs (id, delay, at, expires, unique) is refused.
    pub job: JobBody,
    /// What becomes of missed ticks: skip, one, or all:N.
    pub missed: Option<String>,
    /// A tick that is not started within this span is missed.
    pub deadline: Option<String>,
    /// What becomes of runs that would overlap: allow, skip or queue.
    pub overlap: Option<String>,
}

fn bad(name: &str, error: impl Display) -> Problem {
    Problem::new(Code::BadBody, format_args!("{name}: {error}"))
}

impl ScheduleBody {
    /// The schedule that is asked for.
    pub fn schedule(&self, name: ScheduleName) -> Result<NewSchedule, Problem> {
        let mut schedule = NewSchedule::new(name, self.timing()?, self.job.job()?);
        if let Some(text) = &self.missed {
            schedule = schedule.missed(text.parse::<Missed>().map_err(|error| bad("missed", error))?);
        }
        if let Some(text) = &self.overlap {
            schedule = schedule.overlap(text.parse::<Overlap>().map_err(|error| bad("overlap", error))?);
        }
        if let Some(text) = &self.deadline {
            schedule = schedule.deadline(parse_span(text).map_err(|error| bad("deadline", error))?);
        }
        Ok(schedule)
    }

    fn timing(&self) -> Result<TimingText, Problem> {
        let told = |name: &'static str| move |error: ScheduleError| bad(name, error);
        let zone = self.zone.as_deref();
        match (&self.cron, &self.every, &self.at) {
            (Some(cron), None, None) => TimingText::cron(cron, zone).map_err(told("cron")),
            (None, Some(every), None) => {
                TimingText::parse(&format!("@every {every}"), zone, now()).map_err(told("every"))
            }
            (None, None, Some(_)) if zone.is_some() => Err(bad("zone", "it goes with cron")),
            (None, None, Some(at)) => {
                let at = UnixMs::from_rfc3339(at).map_err(|error| bad("at", error))?;
                TimingText::at(at, now()).map_err(told("at"))
            }
            _ => Err(bad("cron", "give exactly one of cron, every and at")),
        }
    }
}

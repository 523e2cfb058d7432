//! When a schedule ticks: by a cron expression in a zone, evenly from an anchor, or once.

use super::cron::{Rule, rule};
use super::{ScheduleError, shown};
use crate::unit::{UnixMs, format_span, parse_span, span};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The shortest interval.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// The longest interval.
const EVERY_MAX: Duration = Duration::from_secs(365 * 86_400);

/// When a schedule ticks, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimingText {
    /// As a cron expression says, by the clock of a zone.
    Cron {
        /// Five fields, six with seconds in front, or a nickname such as `@daily`.
        expression: String,
        /// An IANA time zone.
        zone: String,
    },
    /// Evenly.
    Every {
        /// The interval.
        #[serde(with = "span")]
        every: Duration,
        /// What the intervals are counted from; the first tick is one interval later.
        anchor: UnixMs,
    },
    /// Once.
    At(UnixMs),
}

impl TimingText {
    /// Reads what people write: a cron expression, `@every 90s`, or a time such as `2026-11-23T18:30:00Z`.
    pub fn parse(text: &str, zone: Option<&str>, now: UnixMs) -> Result<Self, ScheduleError> {
        let text = text.trim();
        if let Some(every) = text.strip_prefix("@every") {
            return match zone {
                Some(_) => Err(ScheduleError::ZoneWithout("an interval")),
                None => Self::every(parse_span(every)?, now),
            };
        }
        if let Ok(at) = UnixMs::from_rfc3339(text) {
            return match zone {
                Some(_) => Err(ScheduleError::ZoneWithout("a time with its offset")),
                None => Self::at(at, now),
            };
        }
        Self::cron(text, zone)
    }

    /// By a cron expression, in UTC where no zone is named.
    pub fn cron(expression: &str, zone: Option<&str>) -> Result<Self, ScheduleError> {
        let zone = zone.unwrap_or("UTC");
        rule(expression, zone)?;
        Ok(Self::Cron { expression: expression.trim().to_owned(), zone: zone.to_owned() })
    }

    /// Evenly, from `anchor` on, which loses its part of a second.
    pub fn every(every: Duration, anchor: UnixMs) -> Result<Self, ScheduleError> {
        if !(EVERY_MIN..=EVERY_MAX).contains(&every) {
            return Err(ScheduleError::Interval(format_span(every)));
        }
        Ok(Self::Every { every, anchor: UnixMs(anchor.0 - anchor.0 % 1_000) })
    }

    /// Once, at a time to come.
    pub fn at(at: UnixMs, now: UnixMs) -> Result<Self, ScheduleError> {
        if at <= now { Err(ScheduleError::Past(at.to_rfc3339())) } else { Ok(Self::At(at)) }
    }

    /// The timing, ready to be asked.
    pub fn ready(&self) -> Result<Timing, ScheduleError> {
        Ok(Timing(match self {
            Self::Cron { expression, zone } => Kind::Cron(Box::new(rule(expression, zone)?)),
            Self::Every { every, anchor } => {
                if !(EVERY_MIN..=EVERY_MAX).contains(every) {
                    return Err(ScheduleError::Interval(format_span(*every)));
                }
                Kind::Every(u64::try_from(every.as_millis()).unwrap_or(u64::MAX), anchor.0)
            }
            Self::At(at) => Kind::At(*at),
        }))
    }

    /// Whether both say the same, whatever they are counted from.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Every { every, .. }, Self::Every { every: other, .. }) => every == other,
            _ => self == other,
        }
    }

    /// The zone whose clock counts.
    pub fn zone(&self) -> &str {
        match self {
            Self::Cron { zone, .. } => zone,
            Self::Every { .. } | Self::At(_) => "UTC",
        }
    }

    /// A time as the clock of the zone shows it.
    pub fn by_the_clock(&self, time: UnixMs) -> String {
        let zone = super::zone::find(self.zone());
        let stamp = i64::try_from(time.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        match (zone, stamp) {
            (Ok(zone), Some(stamp)) => stamp.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
            _ => time.to_rfc3339(),
        }
    }
}

impl std::fmt::Display for TimingText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cron { expression, zone } => write!(f, "{} {zone}", shown(expression)),
            Self::Every { every, .. } => write!(f, "@every {}", format_span(*every)),
            Self::At(at) => write!(f, "@at {}", at.to_rfc3339()),
        }
    }
}

/// When a schedule ticks, ready to be asked.
#[derive(Debug, Clone)]
pub struct Timing(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Cron(Box<Rule>),
    Every(u64, u64),
    At(UnixMs),
}

impl Timing {
    /// The first tick after a time; nothing where there is none any more.
    pub fn after(&self, time: UnixMs) -> Option<UnixMs> {
        match &self.0 {
            Kind::Cron(rule) => rule.after(time),
            Kind::Every(every, anchor) => {
                let passed = time.0.checked_sub(*anchor).map_or(0, |passed| passed / every);
                anchor.checked_add(every.checked_mul(passed.checked_add(1)?)?).map(UnixMs)
            }
            Kind::At(at) => Some(*at).filter(|at| *at > time),
        }
    }

    /// The last tick at or before a time.
    pub fn until(&self, time: UnixMs) -> Option<UnixMs> {
        match &self.0 {
            Kind::Cron(rule) => rule.until(time),
            Kind::Every(every, anchor) => {
                let passed = time.0.checked_sub(*anchor)? / every;
                (passed > 0).then(|| UnixMs(anchor + every * passed))
            }
            Kind::At(at) => Some(*at).filter(|at| *at <= time),
        }
    }

    /// Whether there is a tick at exactly this time.
    pub fn ticks_at(&self, time: UnixMs) -> bool {
        self.until(time) == Some(time)
    }

    /// The next ticks after a time, at most `most`.
    pub fn next(&self, time: UnixMs, most: usize) -> Vec<UnixMs> {
        std::iter::successors(self.after(time), |tick| self.after(*tick)).take(most).collect()
    }
}

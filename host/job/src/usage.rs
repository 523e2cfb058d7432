//! What tenants use: the counters, how an attempt adds to them, and the days they are kept by.

use crate::name::TenantName;
use crate::outcome::Meter;
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

/// Milliseconds of a day of UTC; leap seconds are not counted, as in Unix time.
const DAY_MS: u64 = 86_400_000;

/// What is counted. Each is a counter of its own for each tenant and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Jobs that ended.
    Jobs,
    /// Attempts that ran.
    Attempts,
    /// Units of fuel.
    Fuel,
    /// Peak memory times wall time, in byte-seconds.
    MemoryByteSeconds,
    /// Wall time, in milliseconds.
    WallMs,
    /// Bytes sent to other hosts and received from them.
    EgressBytes,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 6] =
        [Self::Jobs, Self::Attempts, Self::Fuel, Self::MemoryByteSeconds, Self::WallMs, Self::EgressBytes];

    /// The token in subjects.
    pub fn token(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Attempts => "attempts",
            Self::Fuel => "fuel",
            Self::MemoryByteSeconds => "memory-byte-seconds",
            Self::WallMs => "wall-ms",
            Self::EgressBytes => "egress-bytes",
        }
    }

    /// Reads the token of a subject.
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.token() == token)
    }
}

/// What was used of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Jobs that ended.
    pub jobs: u64,
    /// Attempts that ran.
    pub attempts: u64,
    /// Units of fuel.
    pub fuel: u64,
    /// Peak memory times wall time, in byte-seconds.
    pub memory_byte_seconds: u64,
    /// Wall time, in milliseconds.
    pub wall_ms: u64,
    /// Bytes sent to other hosts and received from them.
    pub egress_bytes: u64,
}

impl Used {
    /// One job that ended.
    pub fn job() -> Self {
        Self { jobs: 1, ..Self::default() }
    }

    /// One attempt.
    pub fn attempt(meter: &Meter) -> Self {
        let byte_us = u128::from(meter.memory_peak_bytes) * u128::from(meter.wall_us);
        Self {
            jobs: 0,
            attempts: 1,
            fuel: meter.fuel_used,
            memory_byte_seconds: u64::try_from(byte_us / 1_000_000).unwrap_or(u64::MAX),
            wall_ms: meter.wall_us.div_ceil(1_000),
            egress_bytes: meter.egress_bytes,
        }
    }

    /// How much of one metric.
    pub fn get(&self, metric: Metric) -> u64 {
        match metric {
            Metric::Jobs => self.jobs,
            Metric::Attempts => self.attempts,
            Metric::Fuel => self.fuel,
            Metric::MemoryByteSeconds => self.memory_byte_seconds,
            Metric::WallMs => self.wall_ms,
            Metric::EgressBytes => self.egress_bytes,
        }
    }

    /// Sets how much of one metric.
    pub fn set(&mut self, metric: Metric, value: u64) {
        match metric {
            Metric::Jobs => self.jobs = value,
            Metric::Attempts => self.attempts = value,
            Metric::Fuel => self.fuel = value,
            Metric::MemoryByteSeconds => self.memory_byte_seconds = value,
            Metric::WallMs => self.wall_ms = value,
            Metric::EgressBytes => self.egress_bytes = value,
        }
    }
}

impl AddAssign for Used {
    fn add_assign(&mut self, other: Self) {
        for metric in Metric::ALL {
            self.set(metric, self.get(metric).saturating_add(other.get(metric)));
        }
    }
}

/// A day of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

/// A text that is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a day such as 2026-11-28")]
pub struct DayError(String);

impl Day {
    /// The day of a point in time.
    pub fn of(time: UnixMs) -> Self {
        Self(u32::try_from(time.0 / DAY_MS).unwrap_or(u32::MAX))
    }

    /// So many days earlier; the first of all where there are not so many.
    #[must_use]
    pub fn back(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// When it ends and the next one begins.
    pub fn end(self) -> UnixMs {
        UnixMs((u64::from(self.0) + 1) * DAY_MS)
    }

    fn date(self) -> jiff::civil::Date {
        let first = jiff::civil::date(1970, 1, 1);
        first.checked_add(jiff::Span::new().days(i64::from(self.0).min(2_000_000))).unwrap_or(jiff::civil::Date::MAX)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.date().to_string())
    }
}

impl FromStr for Day {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Self, DayError> {
        let bad = || DayError(text.chars().take(60).collect());
        let date: jiff::civil::Date = text.parse().map_err(|_| bad())?;
        let days = jiff::civil::date(1970, 1, 1).until(date).map_err(|_| bad())?.get_days();
        let day = u32::try_from(days).map(Self).map_err(|_| bad())?;
        // one day has one text
        if day.to_string() == text { Ok(day) } else { Err(bad()) }
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The stream of counters of all tenants.
pub const METERS: &str = "METER";

/// The subject of a counter.
pub fn subject(tenant: &TenantName, day: Day, metric: Metric) -> String {
    format!("lovage.{tenant}.meter.{day}.{}", metric.token())
}

/// The filter of a tenant's counters.
pub fn filter(tenant: &TenantName) -> String {
    format!("lovage.{tenant}.meter.>")
}

/// Reads the subject of a counter.
pub fn parse(subject: &str) -> Option<(TenantName, Day, Metric)> {
    let mut tokens = subject.split('.');
    let (Some("lovage"), Some(tenant), Some("meter")) = (tokens.next(), tokens.next(), tokens.next()) else {
        return None;
    };
    let (day, metric) = (tokens.next()?.parse().ok()?, Metric::from_token(tokens.next()?)?);
    tokens.next().is_none().then_some(())?;
    Some((tenant.parse().ok()?, day, metric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_utc_and_read_back() {
        for (ms, day) in [(0, "1970-01-01"), (DAY_MS - 1, "1970-01-01"), (DAY_MS, "1970-01-02")] {
            assert_eq!(Day::of(UnixMs(ms)).to_string(), day);
        }
        let today = Day::of(UnixMs::from_rfc3339("2028-02-29T23:59:59.999Z").unwrap());
        assert_eq!(today.to_string(), "2028-02-29");
        assert_eq!(today.end(), UnixMs::from_rfc3339("2028-03-01T00:00:00Z").unwrap());
        assert_eq!(today.back(29).to_string(), "2028-01-31");
        assert_eq!("2028-02-29".parse(), Ok(today));
        for bad in ["", "2028-2-29", "2027-02-29", "1969-12-31", "2028-02-29T00", "20280229", "tomorrow"] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_attempt_counts_its_memory_over_time() {
        let meter = Meter { fuel_used: 9, memory_peak_bytes: 64 << 20, wall_us: 1_500_000, egress_bytes: 3 };
        let used = Used::attempt(&meter);
        assert_eq!((used.attempts, used.fuel, used.wall_ms, used.egress_bytes), (1, 9, 1_500, 3));
        assert_eq!(used.memory_byte_seconds, 96 << 20);
        let most = Meter { memory_peak_bytes: u64::MAX, wall_us: u64::MAX, ..meter };
        assert_eq!(Used::attempt(&most).memory_byte_seconds, u64::MAX);
    }

    #[test]
    fn sums_do_not_overflow() {
        let mut sum = Used { fuel: u64::MAX, ..Used::job() };
        sum += Used { fuel: 1, ..Used::job() };
        assert_eq!((sum.fuel, sum.jobs), (u64::MAX, 2));
    }

    #[test]
    fn subjects_read_back() {
        let tenant: TenantName = "acme".parse().unwrap();
        for metric in Metric::ALL {
            let day = "2026-11-28".parse().unwrap();
            assert_eq!(parse(&subject(&tenant, day, metric)), Some((tenant.clone(), day, metric)));
        }
        for other in [
            "lovage.acme.meter.2026-11-28",
            "lovage.acme.meter.2026-11-28.fuel.x",
            "lovage.A.meter.2026-11-28.fuel",
            "lovage.acme.job.default.fuel",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}

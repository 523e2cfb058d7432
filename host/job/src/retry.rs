//! When a job that did not complete is tried again.

use crate::retry_on::RetryOn;
use crate::unit::{UnitError, format_span, parse_span};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most attempts that a job can have, whatever it asks for.
pub const ATTEMPTS_MAX: u32 = 100;
/// The shortest delay: the broker's schedules fire no sooner.
pub const DELAY_MIN: Duration = Duration::from_millis(250);
/// The most spans of a list.
const LIST_LENGTH_MAX: usize = 100;

/// How long to wait before each further attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backoff {
    /// Twice as long each time, up to a cap; the delay is a random part of that (full jitter), so that jobs
    /// which failed together do not come back together.
    Exponential {
        /// Before the second attempt.
        base: Duration,
        /// Never longer than this.
        cap: Duration,
    },
    /// Always the same.
    Fixed(Duration),
    /// One span for each further attempt; the last one repeats.
    List(Vec<Duration>),
}

impl Default for Backoff {
    fn default() -> Self {
        Self::Exponential { base: Duration::from_secs(2), cap: Duration::from_secs(600) }
    }
}

impl Backoff {
    /// The longest delay after attempt number `attempt` (from 1).
    pub fn longest(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(40);
        let delay = match self {
            Self::Exponential { base, cap } => base.saturating_mul(1u32 << doublings.min(31)).min(*cap),
            Self::Fixed(span) => *span,
            Self::List(spans) => {
                let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
                spans.get(place).or(spans.last()).copied().unwrap_or(DELAY_MIN)
            }
        };
        delay.max(DELAY_MIN)
    }

    /// The delay after attempt number `attempt` (from 1). `roll` is a random number in `0..1` from the caller.
    pub fn delay(&self, attempt: u32, roll: f64) -> Duration {
        let longest = self.longest(attempt);
        match self {
            Self::Exponential { .. } => longest.mul_f64(roll.clamp(0.0, 1.0)).max(DELAY_MIN),
            Self::Fixed(_) | Self::List(_) => longest,
        }
    }
}

const BACKOFF_EXPECTED: &str = "a back-off such as exponential:2s..10m, fixed:30s or list:1s,10s,1m";

impl FromStr for Backoff {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError { value: text.chars().take(60).collect(), expected: BACKOFF_EXPECTED };
        let (kind, rest) = text.split_once(':').ok_or_else(bad)?;
        match kind.trim() {
            "exponential" => {
                let (base, cap) = rest.split_once("..").ok_or_else(bad)?;
                let (base, cap) = (parse_span(base)?, parse_span(cap)?);
                if base > cap || base.is_zero() { Err(bad()) } else { Ok(Self::Exponential { base, cap }) }
            }
            "fixed" => Ok(Self::Fixed(parse_span(rest)?)),
            "list" => {
                let spans = rest.split(',').map(parse_span).collect::<Result<Vec<_>, _>>()?;
                if spans.len() > LIST_LENGTH_MAX { Err(bad()) } else { Ok(Self::List(spans)) }
            }
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exponential { base, cap } => write!(f, "exponential:{}..{}", format_span(*base), format_span(*cap)),
            Self::Fixed(span) => write!(f, "fixed:{}", format_span(*span)),
            Self::List(spans) => {
                let spans: Vec<_> = spans.iter().map(|span| format_span(*span)).collect();
                write!(f, "list:{}", spans.join(","))
            }
        }
    }
}

impl Serialize for Backoff {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Backoff {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// When and how often a task's jobs are tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub attempts_max: u32,
    /// How long to wait in between.
    pub backoff: Backoff,
    /// How an attempt must have ended to be followed by another.
    #[serde(skip_serializing_if = "is_default")]
    pub retry_on: RetryOn,
}

fn is_default(retry_on: &RetryOn) -> bool {
    *retry_on == RetryOn::default()
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts_max: 5, backoff: Backoff::default(), retry_on: RetryOn::default() }
    }
}

impl RetryPolicy {
    /// The longest time from the first attempt to the last, running time aside.
    pub fn horizon(&self) -> Duration {
        (1..self.attempts_max.min(ATTEMPTS_MAX)).map(|attempt| self.backoff.longest(attempt)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_doubles_from_two_seconds_to_ten_minutes() {
        let backoff = Backoff::default();
        let longest: Vec<_> = (1..=10).map(|n| backoff.longest(n).as_secs()).collect();
        assert_eq!(longest, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
        assert_eq!(backoff.longest(u32::MAX), Duration::from_secs(600));
    }

    #[test]
    fn a_list_repeats_its_last_span() {
        let backoff: Backoff = "list:1s,10s".parse().unwrap();
        assert_eq!((1..=4).map(|n| backoff.delay(n, 0.5).as_secs()).collect::<Vec<_>>(), [1, 10, 10, 10]);
    }

    #[test]
    fn absurd_backoffs_are_refused() {
        for bad in
            ["", "fixed", "fixed:-1s", "exponential:10m..2s", "exponential:0s..1s", "list:", "x:1s", "fixed:9999999d"]
        {
            bad.parse::<Backoff>().unwrap_err();
        }
        format!("list:{}", vec!["1s"; 101].join(",")).parse::<Backoff>().unwrap_err();
    }

    #[test]
    fn a_policy_of_an_older_catalogue_reads_as_before() {
        let text = r#"{"attempts_max":5,"backoff":"exponential:2s..10m"}"#;
        assert_eq!(serde_json::from_str::<RetryPolicy>(text).unwrap(), RetryPolicy::default());
        assert_eq!(serde_json::to_string(&RetryPolicy::default()).unwrap(), text);
    }

    proptest! {
        #[test]
        fn a_delay_is_never_early_nor_past_the_longest(attempt in 1u32..200, roll in 0.0f64..1.0) {
            let backoff = Backoff::default();
            let delay = backoff.delay(attempt, roll);
            prop_assert!(delay >= DELAY_MIN && delay <= backoff.longest(attempt));
        }

        #[test]
        fn every_written_backoff_reads_back(base in 1u64..10_000, more in 0u64..10_000_000) {
            for backoff in [
                Backoff::Exponential { base: Duration::from_millis(base), cap: Duration::from_millis(base + more) },
                Backoff::Fixed(Duration::from_millis(base)),
                Backoff::List(vec![Duration::from_millis(base), Duration::from_millis(more)]),
            ] {
                prop_assert_eq!(backoff.to_string().parse::<Backoff>().unwrap(), backoff);
            }
        }
    }
}

//! A rate: so many starts in so long, spread evenly.

use super::LimitError;
use crate::unit::{format_span, parse_span};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most starts of one span.
const COUNT_MAX: u32 = 1_000_000;
/// The shortest span; a place is a point in time to the microsecond, so that a million of them fit.
const SPAN_MIN: Duration = Duration::from_secs(1);
/// The longest span.
const SPAN_MAX: Duration = Duration::from_secs(366 * 86_400);
const EXPECTED: &str = "a rate such as 100/1m: a count from 1 to 1000000, and a span from 1s to 366d";

/// So many starts in so long. Starts are spread evenly: `100/1m` lets one start every 600 ms. A burst above 1 lets so
/// many start together after a rest. In any span of `per`, no more than `count` + `burst` - 1 places are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    count: u32,
    per: Duration,
    burst: u32,
}

impl Rate {
    /// A rate whose starts are spread evenly.
    pub fn new(count: u32, per: Duration) -> Result<Self, LimitError> {
        let fits = (1..=COUNT_MAX).contains(&count) && (SPAN_MIN..=SPAN_MAX).contains(&per);
        let value = || format!("{count}/{}", format_span(per));
        if fits { Ok(Self { count, per, burst: 1 }) } else { Err(LimitError::Rate { value: value() }) }
    }

    /// This rate, of which `burst` may start together after a rest.
    pub fn with_burst(self, burst: u32) -> Result<Self, LimitError> {
        if (1..=self.count).contains(&burst) {
            Ok(Self { burst, ..self })
        } else {
            Err(LimitError::Burst { value: burst.to_string(), most: self.count })
        }
    }

    /// The starts of one span.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The span.
    pub fn per(&self) -> Duration {
        self.per
    }

    /// How many may start together after a rest.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// The time between two places, in microseconds; rounded up, so that a span never holds one more.
    pub(super) fn step_us(&self) -> u64 {
        u64::try_from(self.per.as_micros()).unwrap_or(u64::MAX).div_ceil(u64::from(self.count.max(1)))
    }

    /// What an empty past forgives, in microseconds.
    pub(super) fn tolerance_us(&self) -> u64 {
        self.step_us().saturating_mul(u64::from(self.burst.saturating_sub(1)))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, format_span(self.per))?;
        if self.burst > 1 { write!(f, ",burst={}", self.burst) } else { Ok(()) }
    }
}

impl FromStr for Rate {
    type Err = LimitError;
    fn from_str(text: &str) -> Result<Self, LimitError> {
        let bad = || LimitError::Rate { value: text.chars().take(60).collect() };
        let (rate, burst) = match text.split_once(",burst=") {
            Some((rate, burst)) => (rate, Some(burst)),
            None => (text, None),
        };
        let (count, per) = rate.split_once('/').ok_or_else(bad)?;
        let count = count.parse().map_err(|_| bad())?;
        let rate = Self::new(count, parse_span(per).map_err(|_| bad())?).map_err(|_| bad())?;
        match burst {
            None => Ok(rate),
            Some(burst) => rate.with_burst(burst.parse().map_err(|_| bad())?),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = LimitError;
    fn try_from(text: String) -> Result<Self, LimitError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

/// What a rate should look like, for messages.
pub(super) const fn expected() -> &'static str {
    EXPECTED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_back() {
        for text in ["100/1m", "1/1s", "1000000/1s", "5/366d", "10/1m,burst=10"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("100/1m".parse::<Rate>().unwrap().step_us(), 600_000);
    }

    #[test]
    fn absurd_rates_are_refused_by_name() {
        for bad in
            ["", "5", "5/", "/1m", "x/1m", "5/0s", "0/1m", "-1/1m", "5/999ms", "1/400d", "1000001/1s", "4294967296/1m"]
        {
            let error = bad.parse::<Rate>().unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")) && error.contains("100/1m"), "{bad}: {error}");
        }
        for bad in ["5/1m,burst=0", "5/1m,burst=6", "5/1m,burst=x", "5/1m,bursts=2"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}

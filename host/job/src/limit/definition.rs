//! What an operator sets: a limit of jobs at once, of starts in a span, or both.

use super::rate::{self, Rate};
use serde::{Deserialize, Serialize};

/// The most jobs at once that a limit can name.
pub const CONCURRENCY_MAX: u32 = 1_000_000;

/// A limit that makes no sense. The text names the value and says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Not a number of jobs.
    #[error("concurrency {value:?} is not a whole number from 1 to {CONCURRENCY_MAX}; `pause` stops jobs altogether")]
    Concurrency {
        /// What was given.
        value: String,
    },
    /// Not a rate.
    #[error("{value:?} is not {}", rate::expected())]
    Rate {
        /// What was given.
        value: String,
    },
    /// More at once than the rate lets start in its span.
    #[error("a burst of {value} is not from 1 to {most}, the count of the rate")]
    Burst {
        /// What was given.
        value: String,
        /// The count of the rate.
        most: u32,
    },
    /// Neither.
    #[error("a limit needs a concurrency, a rate, or both")]
    Empty,
}

/// A limit: so many at once, so many starts in a span, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Told")]
pub struct Limit {
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<Rate>,
}

/// A limit as it was written, not yet checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    #[serde(default)]
    concurrency: Option<u32>,
    #[serde(default)]
    rate: Option<Rate>,
}

impl Limit {
    /// A limit; at least one of the two must be given.
    pub fn new(concurrency: Option<u32>, rate: Option<Rate>) -> Result<Self, LimitError> {
        match concurrency {
            Some(most) if !(1..=CONCURRENCY_MAX).contains(&most) => {
                Err(LimitError::Concurrency { value: most.to_string() })
            }
            None if rate.is_none() => Err(LimitError::Empty),
            concurrency => Ok(Self { concurrency, rate }),
        }
    }

    /// The most jobs at once.
    pub fn concurrency(&self) -> Option<u32> {
        self.concurrency
    }

    /// The most starts in a span.
    pub fn rate(&self) -> Option<&Rate> {
        self.rate.as_ref()
    }
}

impl TryFrom<Told> for Limit {
    type Error = LimitError;
    fn try_from(told: Told) -> Result<Self, LimitError> {
        Self::new(told.concurrency, told.rate)
    }
}

/// Reads a number of jobs at once.
pub fn parse_concurrency(text: &str) -> Result<u32, LimitError> {
    let bad = || LimitError::Concurrency { value: text.chars().take(60).collect() };
    let most = text.parse().map_err(|_| bad())?;
    if (1..=CONCURRENCY_MAX).contains(&most) { Ok(most) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_reads_back_and_leaves_out_what_it_does_not_say() {
        let limit = Limit::new(Some(3), None).unwrap();
        assert_eq!(serde_json::to_string(&limit).unwrap(), r#"{"concurrency":3}"#);
        let both = Limit::new(Some(CONCURRENCY_MAX), Some("5/1s".parse().unwrap())).unwrap();
        assert_eq!(serde_json::from_str::<Limit>(&serde_json::to_string(&both).unwrap()).unwrap(), both);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for bad in ["0", "-1", "4294967296", "1000001", "", "x", "1.5"] {
            let error = parse_concurrency(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")), "{bad}: {error}");
        }
        assert_eq!([parse_concurrency("1"), parse_concurrency("1000000")], [Ok(1), Ok(CONCURRENCY_MAX)]);
        for bad in ["{}", r#"{"concurrency":0}"#, r#"{"rate":"5/0s"}"#, r#"{"concurency":1}"#, "[]", "3"] {
            assert!(serde_json::from_str::<Limit>(bad).is_err(), "{bad}");
        }
    }
}

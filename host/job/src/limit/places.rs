//! The places that a job has under rates already: the header `Lovage-Reserved`.
//!
//! A place is named with the rate that gave it, so that it is worth nothing once the rate has changed. It says only
//! when the job may start under that one limit; everything else is still asked for.

use super::Rate;
use crate::subject::Lot;
use crate::unit::UnixMs;

/// The longest header that is read, in bytes.
const LENGTH_MAX: usize = 1_024;

/// The places of one job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(Vec<(String, UnixMs, String)>);

impl Places {
    /// Reads the header; what cannot be read is no place.
    pub fn from_header(text: &str) -> Self {
        if text.len() > LENGTH_MAX {
            return Self::default();
        }
        let place = |part: &str| {
            let (lot, rest) = part.split_once('=')?;
            let (at, rate) = rest.split_once('@')?;
            Some((lot.to_owned(), UnixMs(at.parse().ok()?), rate.to_owned()))
        };
        Self(text.split(';').filter_map(place).collect())
    }

    /// The header: `<lot>=<unix ms>@<rate>`, one after another with `;`.
    pub fn to_header(&self) -> String {
        let parts: Vec<String> = self.0.iter().map(|(lot, at, rate)| format!("{lot}={}@{rate}", at.0)).collect();
        parts.join(";")
    }

    /// When the job may start under a rate, where it has a place.
    pub fn at(&self, lot: &Lot, rate: &Rate) -> Option<UnixMs> {
        let rate = rate.to_string();
        self.0.iter().find(|(of, _, by)| *of == lot.as_str() && *by == rate).map(|(_, at, _)| *at)
    }

    /// Notes a place, in the stead of an earlier one under the same limit.
    pub fn add(&mut self, lot: &Lot, rate: &Rate, at: UnixMs) {
        self.0.retain(|(of, _, _)| *of != lot.as_str());
        self.0.push((lot.as_str().to_owned(), at, rate.to_string()));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_counts_under_its_own_limit_and_rate_only() {
        let (mail, other) = (Lot::new("task", "mail", None), Lot::new("task", "other", None));
        let (slow, fast): (Rate, Rate) = ("1/1m,burst=1".parse().unwrap(), "10/1m,burst=2".parse().unwrap());
        let mut places = Places::default();
        places.add(&mail, &fast, UnixMs(7));
        places.add(&other, &slow, UnixMs(9));
        places.add(&mail, &fast, UnixMs(8));
        let read = Places::from_header(&places.to_header());
        assert_eq!(read, places);
        assert_eq!((read.at(&mail, &fast), read.at(&mail, &slow)), (Some(UnixMs(8)), None));
        assert_eq!(read.at(&other, &slow), Some(UnixMs(9)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = Places::from_header(&text);
        }
    }
}

//! Which endings of an attempt are worth another one: a small set of outcomes, as a task or a publisher names it.

use crate::outcome::OutcomeKind;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The outcomes that may be tried again where someone asks for it. The others would end the same way again (the input
/// and the component do not change), or were meant to end so.
const CHOICES: [OutcomeKind; 8] = [
    OutcomeKind::Failed,
    OutcomeKind::Trapped,
    OutcomeKind::TimedOut,
    OutcomeKind::HostFault,
    OutcomeKind::OutOfFuel,
    OutcomeKind::OutOfMemory,
    OutcomeKind::StackOverflow,
    OutcomeKind::OutputTooLarge,
];
/// How many of the choices, from the first on, are tried again where nobody says otherwise.
const BY_DEFAULT: usize = 4;
/// The most words that are read.
const WORDS_MAX: usize = 32;

/// A set of outcomes after which a job is tried again. Written as their names, `failed,timed-out`, or as `none`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RetryOn(u8);

/// A text that is not such a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryOnError {
    /// Not the name of an outcome.
    #[error("{word:?} is no outcome; did you mean {near}? {} can be tried again", choices())]
    Unknown {
        /// The word.
        word: String,
        /// The nearest outcome.
        near: &'static str,
    },
    /// An outcome that is never tried again.
    #[error("what ended as {kind} is never tried again; only {} can be", choices())]
    Never {
        /// The outcome.
        kind: OutcomeKind,
    },
    /// Nothing, or far too much.
    #[error("write outcomes such as failed,timed-out, or none, or default")]
    Length,
}

fn choices() -> String {
    CHOICES.map(OutcomeKind::as_str).join(", ")
}

impl Default for RetryOn {
    /// What may pass by itself: an error of the task, a trap, a timeout, a fault of the worker. Fuel, memory, stack and
    /// output are counted the same way each time, so those are tried again only where someone asks for it.
    fn default() -> Self {
        CHOICES.into_iter().take(BY_DEFAULT).fold(Self::NONE, Self::with)
    }
}

impl RetryOn {
    /// Nothing is tried again.
    pub const NONE: Self = Self(0);

    /// Whether an attempt that ended this way is tried again.
    pub fn contains(self, kind: OutcomeKind) -> bool {
        bit(kind).is_some_and(|bit| self.0 & bit != 0)
    }

    /// The outcomes in it.
    pub fn kinds(self) -> impl Iterator<Item = OutcomeKind> {
        CHOICES.into_iter().filter(move |kind| self.contains(*kind))
    }

    /// This set and one more outcome, which must be one that can be tried again.
    pub fn try_with(self, kind: OutcomeKind) -> Result<Self, RetryOnError> {
        if bit(kind).is_some() { Ok(self.with(kind)) } else { Err(RetryOnError::Never { kind }) }
    }

    fn with(self, kind: OutcomeKind) -> Self {
        Self(self.0 | bit(kind).unwrap_or(0))
    }
}

fn bit(kind: OutcomeKind) -> Option<u8> {
    CHOICES.iter().position(|choice| *choice == kind).map(|place| 1 << place)
}

impl FromStr for RetryOn {
    type Err = RetryOnError;
    fn from_str(text: &str) -> Result<Self, RetryOnError> {
        let words: Vec<&str> = text.split(',').map(str::trim).take(WORDS_MAX + 1).collect();
        match words.as_slice() {
            ["none"] => return Ok(Self::NONE),
            ["default"] => return Ok(Self::default()),
            [""] => return Err(RetryOnError::Length),
            more if more.len() > WORDS_MAX => return Err(RetryOnError::Length),
            _ => {}
        }
        words.into_iter().try_fold(Self::NONE, |set, word| match OutcomeKind::parse(word) {
            Some(kind) => set.try_with(kind),
            None => Err(RetryOnError::Unknown { word: word.chars().take(60).collect(), near: nearest(word) }),
        })
    }
}

fn nearest(word: &str) -> &'static str {
    let lower: String = word.to_ascii_lowercase().replace('_', "-").chars().take(60).collect();
    let likeness = |kind: &OutcomeKind| strsim::jaro_winkler(kind.as_str(), &lower);
    let near = CHOICES.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    near.map_or("failed", OutcomeKind::as_str)
}

impl fmt::Display for RetryOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.pad("none");
        }
        f.pad(&self.kinds().map(OutcomeKind::as_str).collect::<Vec<_>>().join(","))
    }
}

impl fmt::Debug for RetryOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RetryOn({self})")
    }
}

impl Serialize for RetryOn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.kinds())
    }
}

impl<'de> Deserialize<'de> for RetryOn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kinds = Vec::<OutcomeKind>::deserialize(deserializer)?;
        let set = kinds.into_iter().try_fold(Self::NONE, Self::try_with);
        set.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn by_default_what_may_pass_is_tried_again() {
        assert_eq!(RetryOn::default().to_string(), "failed,trapped,timed-out,host-fault");
        assert_eq!("default".parse(), Ok(RetryOn::default()));
        assert_eq!("none".parse(), Ok(RetryOn::NONE));
        assert_eq!(" timed-out , failed,failed".parse::<RetryOn>().unwrap().to_string(), "failed,timed-out");
    }

    #[test]
    fn what_is_never_tried_again_is_refused_by_name() {
        for kind in OutcomeKind::ALL.into_iter().filter(|kind| !CHOICES.contains(kind)) {
            let error = kind.as_str().parse::<RetryOn>().unwrap_err();
            assert_eq!(error, RetryOnError::Never { kind });
            assert!(error.to_string().contains(kind.as_str()), "{error}");
        }
    }

    #[test]
    fn unknown_words_are_refused_with_the_nearest_name() {
        for (bad, near) in [("timeout", "timed-out"), ("FAILED", "failed"), ("out_of_fuel", "out-of-fuel")] {
            let error = bad.parse::<RetryOn>().unwrap_err().to_string();
            assert!(error.contains(&format!("did you mean {near}?")), "{error}");
        }
        for bad in ["", ",", "failed,", "none,failed", "failed;trapped", &"failed,".repeat(40), &"x".repeat(9_000)] {
            let error = bad.parse::<RetryOn>().unwrap_err().to_string();
            assert!(error.len() < 400, "{error}");
        }
    }

    #[test]
    fn on_the_wire_it_is_a_list_of_names() {
        let set: RetryOn = "failed,out-of-fuel".parse().unwrap();
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["failed","out-of-fuel"]"#);
        assert_eq!(serde_json::from_str::<RetryOn>(r#"["out-of-fuel","failed"]"#).unwrap(), set);
        serde_json::from_str::<RetryOn>(r#"["completed"]"#).unwrap_err();
    }

    proptest! {
        #[test]
        fn every_set_reads_back(bits: u8) {
            let set = RetryOn(bits);
            prop_assert_eq!(set.to_string().parse::<RetryOn>().unwrap(), set);
            prop_assert_eq!(set.kinds().count(), bits.count_ones() as usize);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<RetryOn>();
        }
    }
}

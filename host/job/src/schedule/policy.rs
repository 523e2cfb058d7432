//! What becomes of ticks that come late, and of runs that would overlap.

use super::{ScheduleError, Timing, shown};
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most missed ticks that are made up for.
const ALL_MAX: u32 = 1_000;

/// What becomes of ticks that were missed: not started within the starting deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    /// They are not run.
    Skip,
    /// The latest one is run, unless another tick has come since.
    #[default]
    One,
    /// The last so many are run.
    All(u32),
}

impl FromStr for Missed {
    type Err = ScheduleError;
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let count = |text: &str| text.parse().ok().filter(|count| (1..=ALL_MAX).contains(count));
        match text.split_once(':') {
            None if text == "skip" => Ok(Self::Skip),
            None if text == "one" => Ok(Self::One),
            Some(("all", most)) => count(most).map(Self::All).ok_or_else(|| ScheduleError::Missed(shown(text))),
            _ => Err(ScheduleError::Missed(shown(text))),
        }
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip => f.write_str("skip"),
            Self::One => f.write_str("one"),
            Self::All(most) => write!(f, "all:{most}"),
        }
    }
}

/// What becomes of a run while an earlier one of the same schedule has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// Both run.
    #[default]
    Allow,
    /// It is not run.
    Skip,
    /// One waits for the end of the earlier one; further ones are not run.
    Queue,
}

impl FromStr for Overlap {
    type Err = ScheduleError;
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        match text {
            "allow" => Ok(Self::Allow),
            "skip" => Ok(Self::Skip),
            "queue" => Ok(Self::Queue),
            _ => Err(ScheduleError::Overlap(shown(text))),
        }
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "allow",
            Self::Skip => "skip",
            Self::Queue => "queue",
        })
    }
}

macro_rules! as_text {
    ($type:ident) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
as_text!(Missed);
as_text!(Overlap);

/// The verdict on a tick that may come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It is run.
    Run,
    /// It was missed, and is not run.
    Skip,
}

/// Judges the tick at `slot` at the time `now`. The planner asks for ticks that nobody planned in time, and workers
/// for those that waited in their queue: both by this rule.
pub fn late(timing: &Timing, missed: Missed, deadline: Duration, slot: UnixMs, now: UnixMs) -> Late {
    let run = slot.after(deadline) >= now
        || match missed {
            Missed::Skip => false,
            Missed::One => timing.until(now) == Some(slot),
            Missed::All(most) => earliest(timing, most, now).is_some_and(|earliest| slot >= earliest),
        };
    if run { Late::Run } else { Late::Skip }
}

/// The first of the last `most` ticks up to `now`.
pub(super) fn earliest(timing: &Timing, most: u32, now: UnixMs) -> Option<UnixMs> {
    let before = |tick: &UnixMs| timing.until(UnixMs(tick.0.checked_sub(1)?));
    std::iter::successors(timing.until(now), before).take(usize::try_from(most).unwrap_or(usize::MAX)).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_back_and_others_are_refused() {
        for text in ["skip", "one", "all:1", "all:1000"] {
            assert_eq!(text.parse::<Missed>().unwrap().to_string(), text);
        }
        for bad in ["", "all", "all:0", "all:1001", "all:100000", "all:-1", "all:x", "none", "skip:1"] {
            assert!(bad.parse::<Missed>().unwrap_err().to_string().contains("all:N with N from 1 to 1000"), "{bad}");
        }
        for text in ["allow", "skip", "queue"] {
            assert_eq!(text.parse::<Overlap>().unwrap().to_string(), text);
        }
        "wait".parse::<Overlap>().unwrap_err();
    }
}

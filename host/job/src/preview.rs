//! What a retry policy will do, told beforehand: when each further attempt comes, at the earliest and at the latest.

use crate::retry::{ATTEMPTS_MAX, RetryPolicy};
use crate::unit::span;
use serde::Serialize;
use std::time::Duration;

/// When one further attempt comes, as long as the task names no delay of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The attempt, from 2.
    pub attempt: u32,
    /// The shortest wait after the attempt before.
    #[serde(with = "span")]
    pub earliest: Duration,
    /// The longest wait after the attempt before.
    #[serde(with = "span")]
    pub latest: Duration,
    /// The longest sum of all waits so far; running times come on top.
    #[serde(with = "span")]
    pub in_all: Duration,
}

impl RetryPolicy {
    /// Every further attempt of a job under this policy.
    pub fn preview(&self) -> impl Iterator<Item = Preview> {
        let mut in_all = Duration::ZERO;
        (1..self.attempts_max.min(ATTEMPTS_MAX)).map(move |before| {
            // the ends of the random range give the ends of the wait
            let (earliest, latest) = (self.backoff.delay(before, 0.0), self.backoff.longest(before));
            in_all = in_all.saturating_add(latest);
            Preview { attempt: before + 1, earliest, latest, in_all }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Failure, Outcome, RetryHint};
    use crate::retry::Backoff;
    use crate::verdict::{Verdict, judge};
    use proptest::prelude::*;

    #[test]
    fn the_default_policy_is_told_in_four_lines() {
        let told: Vec<_> = RetryPolicy::default().preview().map(|line| serde_json::to_string(&line).unwrap()).collect();
        assert_eq!(
            told,
            [
                r#"{"attempt":2,"earliest":"250ms","latest":"2s","in_all":"2s"}"#,
                r#"{"attempt":3,"earliest":"250ms","latest":"4s","in_all":"6s"}"#,
                r#"{"attempt":4,"earliest":"250ms","latest":"8s","in_all":"14s"}"#,
                r#"{"attempt":5,"earliest":"250ms","latest":"16s","in_all":"30s"}"#,
            ]
        );
    }

    #[test]
    fn a_policy_without_retries_has_no_preview() {
        for attempts_max in [0, 1] {
            assert_eq!(RetryPolicy { attempts_max, ..RetryPolicy::default() }.preview().count(), 0);
        }
        let endless = RetryPolicy { attempts_max: u32::MAX, ..RetryPolicy::default() };
        assert_eq!(endless.preview().last().map(|line| line.attempt), Some(ATTEMPTS_MAX));
    }

    fn backoffs() -> impl Strategy<Value = Backoff> {
        let ms = || (0u64..400_000_000).prop_map(Duration::from_millis);
        prop_oneof![
            (ms(), ms()).prop_map(|(a, b)| Backoff::Exponential { base: a.min(b), cap: a.max(b) }),
            ms().prop_map(Backoff::Fixed),
            prop::collection::vec(ms(), 0..5).prop_map(Backoff::List),
        ]
    }

    proptest! {
        #[test]
        fn the_preview_bounds_what_is_judged(backoff in backoffs(), attempts_max in 0u32..120, roll in 0.0f64..1.0) {
            let policy = RetryPolicy { attempts_max, backoff, ..RetryPolicy::default() };
            let failed = Outcome::Failed(Failure { message: "no".into(), details: None, retry: RetryHint::Retry });
            let mut waited = Duration::ZERO;
            let mut attempt = 1;
            for line in policy.preview() {
                let Verdict::RetryAfter(delay) = judge(&failed, attempt, &policy, roll) else {
                    panic!("attempt {} was promised", line.attempt);
                };
                attempt += 1;
                waited += delay;
                prop_assert_eq!(line.attempt, attempt);
                prop_assert!(line.earliest <= delay && delay <= line.latest, "{delay:?} of {line:?}");
                prop_assert!(waited <= line.in_all);
            }
            prop_assert_eq!(judge(&failed, attempt, &policy, roll), Verdict::Bury);
            prop_assert!(policy.horizon() >= waited);
        }
    }
}

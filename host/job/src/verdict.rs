//! What the rules say to do about an outcome.

use crate::outcome::{Outcome, RetryHint};
use crate::retry::{ATTEMPTS_MAX, DELAY_MIN, RetryPolicy};
use std::time::Duration;

/// What happens to a job after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The job is done: its result is written and nothing else.
    Finish,
    /// The job is tried again after this span.
    RetryAfter(Duration),
    /// The job is put off for this span, and the attempt does not count.
    Snooze(Duration),
    /// The job failed for good: its result is written and it becomes a dead letter.
    Bury,
}

/// The longest a task may put off its next attempt by itself.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Judges attempt number `attempt` (from 1). `roll` is a random number in `0..1` from the caller.
pub fn judge(outcome: &Outcome, attempt: u32, policy: &RetryPolicy, roll: f64) -> Verdict {
    let exhausted = attempt >= policy.attempts_max.clamp(1, ATTEMPTS_MAX);
    let hint = match outcome {
        Outcome::Completed(_) | Outcome::Cancelled { .. } => return Verdict::Finish,
        Outcome::Snoozed { delay, .. } => return Verdict::Snooze((*delay).clamp(DELAY_MIN, RETRY_AFTER_MAX)),
        other if !policy.retry_on.contains(other.kind()) => RetryHint::Never,
        // of its own failures the task knows more than the policy does
        Outcome::Failed(failure) => failure.retry,
        _ => RetryHint::Retry,
    };
    match hint {
        RetryHint::Never => Verdict::Bury,
        _ if exhausted => Verdict::Bury,
        RetryHint::Retry => Verdict::RetryAfter(policy.backoff.delay(attempt, roll)),
        RetryHint::After(span) => Verdict::RetryAfter(span.clamp(DELAY_MIN, RETRY_AFTER_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Failure, Output, Trap};
    use proptest::prelude::*;

    fn failed(retry: RetryHint) -> Outcome {
        Outcome::Failed(Failure { message: "no".into(), details: None, retry })
    }

    fn trap() -> Trap {
        Trap { message: "unreachable".into(), backtrace: vec![] }
    }

    #[test]
    fn completed_and_cancelled_jobs_are_finished() {
        let done = Outcome::Completed(Output { body: vec![], content_type: String::new() });
        assert_eq!(judge(&done, 9, &RetryPolicy::default(), 0.5), Verdict::Finish);
        let cancelled = Outcome::Cancelled { reason: "by hand".into() };
        assert_eq!(judge(&cancelled, 1, &RetryPolicy::default(), 0.5), Verdict::Finish);
    }

    #[test]
    fn a_permanent_failure_is_buried_at_once() {
        assert_eq!(judge(&failed(RetryHint::Never), 1, &RetryPolicy::default(), 0.5), Verdict::Bury);
    }

    #[test]
    fn what_would_end_the_same_way_again_is_buried_at_once() {
        for outcome in [
            Outcome::OutOfFuel { fuel: 1 },
            Outcome::OutOfMemory { memory_bytes: 1 },
            Outcome::StackOverflow(trap()),
            Outcome::OutputTooLarge { output_bytes: 1 },
            Outcome::BadInput { message: String::new() },
            Outcome::BadComponent { message: String::new() },
        ] {
            assert_eq!(judge(&outcome, 1, &RetryPolicy::default(), 0.5), Verdict::Bury, "{outcome:?}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_until_the_last_attempt() {
        for outcome in [
            failed(RetryHint::Retry),
            Outcome::Trapped(trap()),
            Outcome::TimedOut { timeout: Duration::from_secs(1) },
            Outcome::HostFault { message: String::new() },
        ] {
            let policy = RetryPolicy::default();
            assert!(matches!(judge(&outcome, 4, &policy, 0.5), Verdict::RetryAfter(_)), "{outcome:?}");
            assert_eq!(judge(&outcome, 5, &policy, 0.5), Verdict::Bury, "{outcome:?}");
        }
    }

    #[test]
    fn a_policy_names_what_is_tried_again() {
        let policy = |retry_on: &str| RetryPolicy { retry_on: retry_on.parse().unwrap(), ..RetryPolicy::default() };
        let retried = |outcome: &Outcome, retry_on| judge(outcome, 1, &policy(retry_on), 0.5) != Verdict::Bury;
        let fuel = Outcome::OutOfFuel { fuel: 1 };
        assert!(retried(&fuel, "out-of-fuel") && !retried(&fuel, "failed"));
        for hint in [RetryHint::Retry, RetryHint::After(Duration::from_secs(1))] {
            assert!(retried(&failed(hint), "failed") && !retried(&failed(hint), "timed-out,trapped"));
        }
        assert!(!retried(&failed(RetryHint::Never), "failed"), "a permanent failure is one whatever is asked for");
        assert!(!retried(&Outcome::Trapped(trap()), "none"));
    }

    #[test]
    fn a_task_names_its_own_delay() {
        let outcome = failed(RetryHint::After(Duration::from_secs(90)));
        assert_eq!(judge(&outcome, 1, &RetryPolicy::default(), 0.0), Verdict::RetryAfter(Duration::from_secs(90)));
        let absurd = failed(RetryHint::After(Duration::MAX));
        assert_eq!(judge(&absurd, 1, &RetryPolicy::default(), 0.0), Verdict::RetryAfter(RETRY_AFTER_MAX));
    }

    proptest! {
        #[test]
        fn no_job_has_more_attempts_than_its_policy(attempts_max: u32, attempt in 1u32..300) {
            let policy = RetryPolicy { attempts_max, ..RetryPolicy::default() };
            let verdict = judge(&failed(RetryHint::Retry), attempt, &policy, 0.3);
            if attempt >= attempts_max.clamp(1, ATTEMPTS_MAX) {
                prop_assert_eq!(verdict, Verdict::Bury);
            } else {
                prop_assert!(matches!(verdict, Verdict::RetryAfter(_)));
            }
        }
    }
}

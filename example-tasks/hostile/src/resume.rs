//! Tasks that go on where an earlier attempt stopped, and those that wait to be asked to.

use std::thread::sleep;
use std::time::Duration;

use lovage_task::{Job, StopReason, TaskError, cancelled, checkpoint, payload, stop_reason, task};

/// How often a waiting task asks whether it should stop.
const POLL: Duration = Duration::from_millis(5);

#[payload]
struct Snoozes {
    delay_ms: u64,
    /// How often it is put off before it completes.
    times: u32,
}

#[payload]
struct Snoozed {
    attempt: u32,
    snoozed: u32,
}

/// Puts its job off until it has done so often enough.
#[task]
fn snoozes(job: &Job, input: Snoozes) -> Result<Snoozed, TaskError> {
    let snoozed: u32 = checkpoint::load("snoozed")?.unwrap_or(0);
    if snoozed < input.times {
        checkpoint::save("snoozed", &(snoozed + 1))?;
        return Err(TaskError::snooze(Duration::from_millis(input.delay_ms), "not now"));
    }
    Ok(Snoozed { attempt: job.attempt, snoozed })
}

/// Waits until it is asked to stop, and tells why.
#[task(timeout = "60s", soft_timeout = "300ms")]
fn until_asked() -> String {
    while !cancelled() {
        sleep(POLL);
    }
    match stop_reason() {
        None => "nobody asked".into(),
        Some(StopReason::Cancelled(reason)) => format!("cancelled: {reason}"),
        Some(StopReason::SoftTimeout) => "soft-timeout".into(),
        Some(StopReason::Shutdown) => "shutdown".into(),
    }
}

#[payload]
struct Steps {
    steps: u32,
    /// The first attempt fails after so many.
    fail_after: Option<u32>,
    /// How long each takes.
    step_ms: Option<u64>,
}

#[payload]
struct Worked {
    attempt: u32,
    /// Steps that no earlier attempt had done.
    worked: u32,
}

/// Keeps each step, so that a retry skips what is done.
#[task(timeout = "60s")]
fn steps(job: &Job, input: Steps) -> Result<Worked, TaskError> {
    let mut worked = 0;
    for step in 0..input.steps {
        checkpoint::memo(&format!("step {step}"), || {
            sleep(Duration::from_millis(input.step_ms.unwrap_or(0)));
            worked += 1;
            Ok(step)
        })?;
        lovage_task::progress(f64::from(step + 1) / f64::from(input.steps), "a step is kept");
        if job.attempt == 1 && input.fail_after == Some(step + 1) {
            return Err(TaskError::retry("the first attempt fails here"));
        }
    }
    Ok(Worked { attempt: job.attempt, worked })
}

#[payload]
struct Hoard {
    key_bytes: usize,
    value_bytes: usize,
    count: u32,
}

#[payload]
struct Hoarded {
    kept: u32,
    refusal: Option<String>,
}

/// Keeps values until it is refused.
#[task]
fn hoard(input: Hoard) -> Hoarded {
    for number in 0..input.count {
        let key = format!("{number:0>width$}", width = input.key_bytes);
        if let Err(refusal) = checkpoint::save_bytes(&key, vec![7; input.value_bytes]) {
            return Hoarded { kept: number, refusal: Some(refusal.to_string()) };
        }
    }
    Hoarded { kept: input.count, refusal: None }
}

#[cfg(test)]
mod tests {
    use lovage_task::{ErrorKind, Job};

    use super::{Snoozes, Steps, snoozes, steps};

    #[test]
    fn task_snoozes_as_often_as_asked() {
        let input = || Snoozes { delay_ms: 300, times: 1 };
        let error = snoozes(&Job::sample("snoozes"), input()).err().map(|error| error.kind());
        assert_eq!(error, Some(ErrorKind::Snooze(std::time::Duration::from_millis(300))));
        assert_eq!(snoozes(&Job::sample("snoozes"), input()).ok().map(|done| done.snoozed), Some(1));
    }

    #[test]
    fn kept_steps_are_skipped() {
        let mut job = Job::sample("steps");
        let input = || Steps { steps: 3, fail_after: Some(2), step_ms: None };
        assert!(steps(&job, input()).is_err());
        job.attempt = 2;
        assert_eq!(steps(&job, input()).ok().map(|done| done.worked), Some(1));
    }
}

//! Tasks that end badly: by an error of each kind, a panic, a trap or an exit.

use std::time::Duration;

use lovage_task::{Job, TaskError, payload, task};

#[payload]
struct Flaky {
    /// The first attempt that succeeds, counting from 1.
    succeed_on: u32,
}

/// Fails retryably until the given attempt, which gives back its number.
#[task]
fn flaky(job: &Job, input: Flaky) -> Result<u32, TaskError> {
    if job.attempt < input.succeed_on {
        let (attempt, needed) = (job.attempt, input.succeed_on);
        return Err(
            TaskError::retry(format!("attempt {attempt} fails, attempt {needed} will not")).with_details(attempt)
        );
    }
    Ok(job.attempt)
}

#[payload]
struct Later {
    delay_ms: u64,
    /// The first attempt that succeeds; none does where absent.
    succeed_on: Option<u32>,
}

/// Asks to be tried again after a delay, until the given attempt.
#[task]
fn retry_later(job: &Job, input: Later) -> Result<u32, TaskError> {
    if input.succeed_on.is_some_and(|attempt| job.attempt >= attempt) {
        return Ok(job.attempt);
    }
    Err(TaskError::retry_after(Duration::from_millis(input.delay_ms), "not yet"))
}

/// Fails for good, with the input as message and details.
#[task]
fn permanent(message: Option<String>) -> Result<(), TaskError> {
    let message = message.unwrap_or_else(|| "this never works".into());
    Err(TaskError::permanent(&message).with_details(&message))
}

/// Says that its input is bad, whatever it is.
#[task]
fn picky(message: Option<String>) -> Result<(), TaskError> {
    Err(TaskError::bad_input(message.unwrap_or_else(|| "nothing is good enough".into())))
}

/// Panics with the input as message.
#[task]
fn panics(message: Option<String>) {
    panic!("{}", message.unwrap_or_else(|| "this task panics".into()));
}

/// Ends the program with this exit code; 0 counts as success for programs only.
#[task]
fn exit(code: i32) {
    std::process::exit(code);
}

/// Traps a few named functions deep, so that a backtrace has something to show.
#[task]
fn trap() -> u32 {
    open_the_box(1)
}

#[inline(never)]
fn open_the_box(layers: u32) -> u32 {
    lift_the_lid(std::hint::black_box(layers + 1)) + 1
}

#[inline(never)]
fn lift_the_lid(layers: u32) -> u32 {
    let layers = std::hint::black_box(layers);
    if layers > 0 { touch_the_wire(layers) + 1 } else { 0 }
}

#[inline(never)]
fn touch_the_wire(layers: u32) -> u32 {
    if std::hint::black_box(layers) > 0 {
        #[cfg(target_family = "wasm")]
        core::arch::wasm32::unreachable();
        #[cfg(not(target_family = "wasm"))]
        std::process::abort();
    }
    layers
}

#[cfg(test)]
mod tests {
    use lovage_task::{ErrorKind, Job};

    use super::{Flaky, Later, flaky, retry_later};

    #[test]
    fn flaky_task_succeeds_on_the_asked_attempt() {
        let mut job = Job::sample("flaky");
        assert!(flaky(&job, Flaky { succeed_on: 2 }).is_err());
        job.attempt = 2;
        assert_eq!(flaky(&job, Flaky { succeed_on: 2 }).ok(), Some(2));
    }

    #[test]
    fn delay_is_passed_on() {
        let later = Later { delay_ms: 250, succeed_on: None };
        let error = retry_later(&Job::sample("retry-later"), later).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RetryAfter(std::time::Duration::from_millis(250)));
    }
}

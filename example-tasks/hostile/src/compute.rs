//! Tasks that use up time or stack.

use std::hint::black_box;
use std::time::{Duration, Instant};

use lovage_task::{cancelled, payload, task};

/// A fixed number, so that the same input burns the same fuel everywhere; about a millisecond on a common core.
const ITERATIONS_PER_MS: u64 = 500_000;
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Loops without end.
#[task]
fn spin() {
    let mut value = 1;
    loop {
        value = step(black_box(value));
    }
}

/// Burns about this many milliseconds of processor time, always the same number of instructions.
#[task]
fn busy(ms: u64) -> u64 {
    let mut value = 1;
    for _ in 0..ms.saturating_mul(ITERATIONS_PER_MS) {
        value = step(value);
    }
    black_box(value)
}

fn step(value: u64) -> u64 {
    value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

/// Sleeps this many milliseconds and gives back how long it took.
#[task]
fn sleepy(ms: u64) -> u64 {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(ms));
    start.elapsed().as_millis() as u64
}

/// Calls itself until the stack is used up, or to the given depth.
#[task]
fn recurse(depth: Option<u64>) -> u64 {
    descend(0, depth.unwrap_or(u64::MAX))
}

#[inline(never)]
fn descend(depth: u64, depth_max: u64) -> u64 {
    if depth == depth_max {
        return 0;
    }
    // The addition after the call, and the array, keep this from becoming a loop.
    let frame = black_box([depth; 8]);
    descend(depth + 1, depth_max) + u64::from(frame.first() == Some(&depth))
}

#[payload]
struct Polls {
    polls: u64,
    cancelled: bool,
}

/// Asks every few milliseconds whether the job was cancelled, for this many milliseconds or without end.
#[task]
fn canceller(ms: Option<u64>) -> Polls {
    let start = Instant::now();
    let limit = ms.map(Duration::from_millis);
    let mut polls = 0;
    while limit.is_none_or(|limit| start.elapsed() < limit) {
        polls += 1;
        if cancelled() {
            return Polls { polls, cancelled: true };
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Polls { polls, cancelled: false }
}

#[cfg(test)]
mod tests {
    use super::{busy, recurse};

    #[test]
    fn bounded_tasks_end() {
        assert_eq!(busy(1), busy(1));
        assert_eq!(recurse(Some(100)), 100);
    }
}

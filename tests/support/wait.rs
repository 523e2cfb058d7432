//! Waiting for a state of the real system: short polls up to a deadline, and a reason when it is missed.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for what should happen soon; generous, since it is spent only where something is wrong.
pub const WITHIN: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(20);

/// Probes until it succeeds, and returns what it found.
///
/// The probe's error says what was seen instead; the last one is part of the panic after `within`.
pub async fn eventually<T, E: Display>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < deadline, "waited {within:?} for {what}; last seen: {seen}"),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// As `eventually`, for code without a runtime.
#[track_caller]
pub fn eventually_blocking<T, E: Display>(what: &str, within: Duration, mut probe: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match probe() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < deadline, "waited {within:?} for {what}; last seen: {seen}"),
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn probe_is_repeated_until_it_succeeds() {
        let mut left = 3;
        let probe = async || {
            left -= 1;
            if left == 0 { Ok("found") } else { Err(format!("{left} left")) }
        };
        assert_eq!(eventually("nothing left", WITHIN, probe).await, "found");
    }

    #[test]
    #[should_panic(expected = "for a pig to fly; last seen: a pig on the ground")]
    fn missed_deadline_says_what_was_waited_for_and_what_was_seen() {
        eventually_blocking("a pig to fly", Duration::ZERO, || Err::<(), _>("a pig on the ground"));
    }
}

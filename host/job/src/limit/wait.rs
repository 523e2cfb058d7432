//! How long a job waits in a lot before it looks again by itself.

use std::time::Duration;

/// The first wait. Whoever gives room back wakes a job sooner; this is for when that worker died.
const FIRST: Duration = Duration::from_secs(30);
/// Waits double up to this many times: ten thousand jobs that all look every half minute would be a load of their own.
const DOUBLINGS_MAX: u32 = 2;

/// How long a job that was put back `round` times before waits at most; `roll` is in `0..1` and spreads those that
/// were put back together.
pub fn safety_net(round: u32, roll: f64) -> Duration {
    let longest = FIRST.saturating_mul(1 << round.min(DOUBLINGS_MAX));
    longest.mul_f64(0.8 + 0.4 * roll.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_two_minutes_and_are_spread() {
        assert_eq!(safety_net(0, 0.0), Duration::from_secs(24));
        assert_eq!(safety_net(0, 1.0), Duration::from_secs(36));
        assert_eq!(safety_net(1, 0.5), Duration::from_secs(60));
        assert_eq!(safety_net(u32::MAX, 0.5), Duration::from_secs(120));
    }
}

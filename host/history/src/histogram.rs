//! Counts of jobs by how long their last attempt took, in fixed steps, so that they can be added up.

use serde::Serialize;
use std::time::Duration;

/// The upper ends of the steps, in microseconds; the last step has none.
pub const BOUNDS_US: [u64; STEPS - 1] = [
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    60_000_000,
    600_000_000,
];
pub(crate) const STEPS: usize = 17;

/// How many jobs took how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Histogram(pub [u64; STEPS]);

/// The step of a time.
pub(crate) fn step(wall_us: u64) -> usize {
    BOUNDS_US.iter().position(|bound| wall_us <= *bound).unwrap_or(STEPS - 1)
}

impl Histogram {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// The time that the given part of the jobs, such as 0.95, did not exceed, going evenly through the step that it
    /// falls in. Nothing where there are no jobs. Beyond the last bound, that bound.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let total: u64 = self.0.iter().sum();
        if total == 0 {
            return None;
        }
        let wanted = (total as f64 * part.clamp(0.0, 1.0)).max(1.0);
        let (mut below, mut low) = (0.0, 0);
        for (count, high) in self.0.iter().zip(BOUNDS_US) {
            let count = *count as f64;
            if below + count >= wanted {
                let within = (wanted - below) / count;
                return Some(Duration::from_micros(low) + Duration::from_micros(high - low).mul_f64(within));
            }
            below += count;
            low = high;
        }
        Some(Duration::from_micros(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_belongs_to_its_own_step() {
        for (index, bound) in BOUNDS_US.into_iter().enumerate() {
            assert_eq!((step(bound), step(bound + 1)), (index, index + 1));
        }
        assert_eq!((step(0), step(u64::MAX)), (0, STEPS - 1));
    }

    #[test]
    fn quantiles_lie_in_the_step_of_their_jobs() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        histogram.0[step(2_000)] = 90;
        histogram.0[step(80_000)] = 10;
        let at = |part| histogram.quantile(part).unwrap().as_micros();
        assert!((1_000..=2_500).contains(&at(0.5)) && (50_000..=100_000).contains(&at(0.95)));
        assert_eq!(at(0.9), 2_500);
        let mut slow = Histogram::default();
        slow.0[STEPS - 1] = 1;
        assert_eq!(slow.quantile(0.5), Some(Duration::from_secs(600)));
    }
}

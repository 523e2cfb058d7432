//! A histogram with fixed bounds that is added to without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// The upper bounds of a histogram's buckets, each included; what is larger falls into one bucket more.
#[derive(Debug, Clone, Copy)]
pub struct Buckets(pub &'static [u64]);

impl Buckets {
    /// Times from a tenth of a millisecond to an hour, in microseconds.
    pub const TIME_US: Self = Self(&[
        100,
        250,
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
        30_000_000,
        60_000_000,
        300_000_000,
        900_000_000,
        3_600_000_000,
    ]);
    /// Memory from 256 KiB to 1 GiB, in bytes.
    pub const MEMORY_BYTES: Self = Self(&[
        256 << 10,
        512 << 10,
        1 << 20,
        2 << 20,
        4 << 20,
        8 << 20,
        16 << 20,
        32 << 20,
        64 << 20,
        128 << 20,
        256 << 20,
        512 << 20,
        1 << 30,
    ]);
}

/// Counts values by size.
#[derive(Debug)]
pub struct Histogram {
    buckets: Buckets,
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

/// What a histogram has counted. Its count is the sum of the buckets, so that they never contradict each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The sum of all values.
    pub sum: u64,
    /// How many values there were.
    pub count: u64,
    /// For each bucket its upper bound, none for the last, and how many values fell into it.
    pub buckets: Vec<(Option<u64>, u64)>,
}

impl Histogram {
    /// An empty one.
    pub fn new(buckets: Buckets) -> Self {
        let counts = (0..=buckets.0.len()).map(|_| AtomicU64::new(0)).collect();
        Self { buckets, counts, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let place = self.buckets.0.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> Reading {
        let bounds = self.buckets.0.iter().map(|bound| Some(*bound)).chain([None]);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(Option<u64>, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        Reading { sum: self.sum.load(Ordering::Relaxed), count, buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(Buckets(&[10, 20]));
        [0, 9, 10, 11, 20, 21, u64::MAX >> 1].into_iter().for_each(|value| histogram.observe(value));
        let reading = histogram.read();
        assert_eq!(reading.buckets, [(Some(10), 3), (Some(20), 2), (None, 2)]);
        assert_eq!((reading.count, reading.sum), (7, 71 + (u64::MAX >> 1)));
    }

    #[test]
    fn bounds_ascend() {
        for buckets in [Buckets::TIME_US, Buckets::MEMORY_BYTES] {
            assert!(buckets.0.is_sorted_by(|a, b| a < b));
        }
    }
}

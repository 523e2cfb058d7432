//! What this process takes of its machine, as the kernel counts it. Where that cannot be told, nothing is.

use crate::stat::Stat;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Ticks of processor time in a second, in what the kernel tells programs; the same on every Linux that is in use.
const TICKS: u64 = 100;
/// What was measured is told again within this time: a shorter span says little.
const FRESH: Duration = Duration::from_millis(900);

/// Measures the time of the processor over the span since it was last asked.
#[derive(Debug, Default)]
pub struct Processor {
    last: Mutex<Option<Sample>>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    ticks: u64,
    millicores: Option<u64>,
}

impl Processor {
    /// Cores that were busy lately, in thousandths; nothing when it is asked for the first time.
    pub fn millicores(&self) -> Option<u64> {
        self.measure(Instant::now(), Stat::read()?.ticks)
    }

    fn measure(&self, at: Instant, ticks: u64) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match *last {
            Some(before) if at.saturating_duration_since(before.at) < FRESH => return before.millicores,
            before => before,
        };
        let millicores = before.map(|before| {
            let span = u64::try_from(at.saturating_duration_since(before.at).as_millis()).unwrap_or(u64::MAX).max(1);
            ticks.saturating_sub(before.ticks).saturating_mul(1_000 * 1_000 / TICKS) / span
        });
        *last = Some(Sample { at, ticks, millicores });
        millicores
    }
}

/// The memory of this process that is in use, in bytes.
pub fn memory_bytes() -> Option<u64> {
    memory(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(Stat::parse(stat).map(|stat| stat.ticks), Some(300));
        assert_eq!(memory("Name:\tx\nVmRSS:\t  2048 kB\n"), Some(2 << 20));
        assert!(memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
        for damaged in ["", "1 (x", "1 (x) S 1"] {
            assert_eq!((Stat::parse(damaged), memory(damaged)), (None, None));
        }
    }

    #[test]
    fn processor_time_is_told_over_the_span_since_the_last_question() {
        let (processor, begun) = (Processor::default(), Instant::now());
        assert_eq!(processor.measure(begun, 100), None);
        assert_eq!(processor.measure(begun + Duration::from_secs(2), 400), Some(1_500));
        assert_eq!(processor.measure(begun + Duration::from_millis(2_100), 900), Some(1_500));
    }
}

//! Clocks and randomness. A guest's clocks tell whole milliseconds: finer ones help it to time the machine and its
//! neighbours. A task that is granted `deterministic` sees the same clocks and randomness in each attempt of a job: its
//! clock begins when the job was published and goes on a millisecond with each look, however long anything takes, sleep
//! included.

use crate::attempt::request::JobInfo;
use crate::attempt::simulation::random;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// The resolution of every clock.
const RESOLUTION: Duration = Duration::from_millis(1);
const RESOLUTION_NS: u64 = 1_000_000;

/// The clock that a guest reads the time of day from.
pub(crate) type WallClock = Box<dyn HostWallClock + Send>;

/// Gives the guest of a job its clocks and, where it is granted, its randomness. What is returned is its wall clock once
/// more, for the times of its files: a finer or another one would tell it what its clocks do not.
pub(crate) fn prepare(job: &JobInfo, deterministic: bool, wasi: &mut WasiCtxBuilder) -> WallClock {
    if !deterministic {
        wasi.wall_clock(Coarse(Instant::now())).monotonic_clock(Coarse(Instant::now()));
        return Box::new(Coarse(Instant::now()));
    }
    let clock = Counted { start: Duration::from_millis(job.published_unix_ms), looks: Arc::default() };
    wasi.wall_clock(clock.clone()).monotonic_clock(clock.clone());
    let seed = seed(job);
    wasi.secure_random(Deterministic::new(random(seed, 0))).insecure_random(Deterministic::new(random(seed, 1)));
    wasi.insecure_random_seed(u128::from(seed));
    Box::new(clock)
}

/// A number of the job alone.
fn seed(job: &JobInfo) -> u64 {
    let mut hash = Sha256::new();
    hash.update(job.tenant.as_bytes());
    hash.update([0]);
    hash.update(job.id.as_bytes());
    hash.finalize().iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// The machine's clocks in whole milliseconds.
struct Coarse(Instant);

impl HostWallClock for Coarse {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }
}

impl HostMonotonicClock for Coarse {
    fn resolution(&self) -> u64 {
        RESOLUTION_NS
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_mul(RESOLUTION_NS)
    }
}

/// A clock that goes on with each look at it.
#[derive(Clone)]
struct Counted {
    start: Duration,
    looks: Arc<AtomicU64>,
}

impl Counted {
    fn look(&self) -> Duration {
        Duration::from_millis(self.looks.fetch_add(1, Ordering::Relaxed))
    }
}

impl HostWallClock for Counted {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        self.start.saturating_add(self.look())
    }
}

impl HostMonotonicClock for Counted {
    fn resolution(&self) -> u64 {
        RESOLUTION_NS
    }

    fn now(&self) -> u64 {
        u64::try_from(self.look().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str) -> JobInfo {
        JobInfo { id: id.to_owned(), tenant: "t".to_owned(), published_unix_ms: 7_000, ..JobInfo::default() }
    }

    #[test]
    fn each_attempt_of_a_job_sees_the_same() {
        let readings = |id: &str| {
            let clock = Counted { start: Duration::from_millis(job(id).published_unix_ms), looks: Arc::default() };
            let wall = |clock: &Counted| HostWallClock::now(clock).as_millis();
            (wall(&clock), HostMonotonicClock::now(&clock), wall(&clock), random(seed(&job(id)), 0))
        };
        let (first, again, other) = (readings("a"), readings("a"), readings("b"));
        assert_eq!((first.0, first.1, first.2), (7_000, 1_000_000, 7_002));
        assert_eq!(first, again);
        assert_ne!(first.3, other.3, "another job sees other randomness");
        let elsewhere = JobInfo { tenant: "u".to_owned(), ..job("a") };
        assert_ne!(seed(&job("a")), seed(&elsewhere), "and so does another tenant's of the same id");
    }

    #[test]
    fn clocks_tell_whole_milliseconds() {
        let clock = Coarse(Instant::now());
        for _ in 0..100 {
            assert_eq!(HostWallClock::now(&clock).subsec_nanos() % 1_000_000, 0);
            assert_eq!(HostMonotonicClock::now(&clock) % RESOLUTION_NS, 0);
        }
    }
}

//! A clock and randomness that a test owns, in place of the machine's.
//!
//! The time of a simulation is that of the tokio runtime it runs on. Where that is paused, as in tests of tasks, a guest
//! that sleeps costs no time, and one that computes takes none: an attempt ends the same way each time.

use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::time::Instant;
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Random bytes before they repeat.
const RANDOM_BYTES: u64 = 64 << 10;

/// What an attempt sees of time and chance.
#[derive(Debug, Clone, Copy)]
pub struct Simulation {
    /// The runtime's time at which the clock says `wall`.
    pub since: Instant,
    /// What the clock says then, from the Unix epoch.
    pub wall: Duration,
    /// The same seed gives the same random numbers.
    pub seed: u64,
}

impl Simulation {
    /// What the clock says now, from the Unix epoch.
    pub fn now(&self) -> Duration {
        self.wall + self.since.elapsed()
    }

    /// Gives the guest this clock and randomness.
    pub(crate) fn put(self, wasi: &mut WasiCtxBuilder) {
        wasi.wall_clock(self).monotonic_clock(self);
        wasi.secure_random(Deterministic::new(random(self.seed, 0)))
            .insecure_random(Deterministic::new(random(self.seed, 1)));
        wasi.insecure_random_seed(u128::from(self.seed));
    }
}

/// The bytes of one stream of randomness.
pub(crate) fn random(seed: u64, stream: u8) -> Vec<u8> {
    let block = |number: u64| {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update([stream]);
        hash.update(number.to_be_bytes());
        hash.finalize().to_vec()
    };
    (0..RANDOM_BYTES / 32).flat_map(block).collect()
}

impl HostWallClock for Simulation {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Simulation::now(self)
    }
}

impl HostMonotonicClock for Simulation {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

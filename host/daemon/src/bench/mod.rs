//! The benchmark: jobs per second and latency, end to end on a server of its own, beside a null worker.
//!
//! The null worker pulls, publishes a result and acknowledges, with no sandbox and no rules: what it does in the same
//! run, on the same server and with the same jobs, is the most that any worker could. Completion is counted in the
//! store, never by the worker.

mod attack;
mod component;
mod delayed;
mod fill;
mod ground;
mod health;
mod hostile;
mod inputs;
mod latency;
mod null;
mod rounds;
mod tenants;
mod worker;

pub use delayed::{Delayed, DelayedOptions};
pub use health::{Health, Held};
pub use hostile::{Beside, Hostile, HostileOptions};
pub use rounds::{Apart, BenchOptions, Report, run};
pub use tenants::{Shared, SharedOptions};

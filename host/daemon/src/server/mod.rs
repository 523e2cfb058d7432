//! Finds, fetches and runs a real nats-server, for `lovage dev`, the benchmark, the demo and the tests.
//!
//! Production brings its own cluster; this room exists so that everything else can be tried with nothing
//! installed. It speaks no NATS beyond reading the greeting, and knows nothing of streams, jobs or workers.
//! Every call here blocks: async callers go through `spawn_blocking` where a second of waiting matters.

mod bounded;
mod config;
mod error;
mod fetch;
mod find;
mod log;
mod ready;
mod running;
#[cfg(test)]
mod script;
mod version;

pub use config::{JetStream, Monitoring, ProcessGroup, StartOptions, SyncInterval};
pub use error::{FetchError, ServerError};
pub use find::{NatsServer, Origin, find};
pub use running::{Running, start};
pub use version::Version;

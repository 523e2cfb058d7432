//! What the suites stand on: a real nats-server, the real `lovage` binary, workers as processes, example guests.
//!
//! Everything a test starts is its own (port, store folder, cache) and ends with it, on success and on panic
//! alike. Nothing here sleeps for a fixed time: a test waits for a state, with a deadline and a reason. Being test
//! code, it panics where a test would.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod built;
mod cli;
mod environment;
mod nats;
mod process;
mod wait;
mod worker;

pub use built::{cargo, guest, lovage_binary, repository};
pub use cli::{Cli, Output};
pub use nats::Nats;
pub use process::Process;
pub use wait::{WITHIN, eventually, eventually_blocking};
pub use worker::{Worker, WorkerSetup};

//! What the suites stand on: a real nats-server, the real `lovage` binary, workers as processes, example guests.
//!
//! Everything a test starts is its own (port, store folder, cache) and ends with it, on success and on panic
//! alike. Nothing here sleeps for a fixed time: a test waits for a state, with a deadline and a reason. Being test
//! code, it panics where a test would.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod browser;
mod built;
mod cli;
mod database;
mod environment;
mod jobs;
mod keeper;
mod nats;
mod oci;
mod png;
mod process;
mod promtool;
mod stage;
mod wait;
pub mod wasm;
mod worker;

pub use browser::{Browser, Seen, Tab, find_chromium};
pub use built::{
    beside_this_program, cargo, guest, guests_build, guests_folder, guests_target, lovage_binary, repository,
};
pub use cli::{Cli, Output};
pub use database::{Database, Server as DatabaseServer, find_mariadbd, find_postgres};
pub use environment::without_settings;
pub use jobs::{Jobs, Plain};
pub use keeper::{end_with_this_process, shared_cache};
pub use lovage::bench::{Health, Held};
pub use nats::{Nats, find_nats_server};
pub use oci::{OciRegistry, REGISTRY_PASSWORD, REGISTRY_USER, find_registry};
pub use png::{png, png_size};
pub use process::Process;
pub use promtool::find_promtool;
pub use stage::{LEAN_FUEL, Seat, Stage, cli, push};
pub use wait::{WITHIN, eventually, eventually_blocking};
pub use worker::{Worker, WorkerSetup, says_ready};

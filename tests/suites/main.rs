//! End-to-end suites: a module per behaviour, against the real binary and a real nats-server.
//!
//! `cargo test -p lovage-tests` runs them all, `cargo test -p lovage-tests --test suites server::` one of them.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod bad_input;
mod bad_upload;
mod broker;
mod contract;
mod crash;
mod deploy;
mod jobs;
mod limits;
mod outcomes;
mod pauses;
mod rolling;
mod server;
mod shapes;
mod sizes;
mod small;
mod tenants;

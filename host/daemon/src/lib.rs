//! The Lovage worker, registry and command line.
//!
//! `app` puts a worker together and is the one place that knows every room; `host/docs/ARCHITECTURE.md` is the map.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic))]

pub mod access;
pub mod app;
pub mod audit;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
pub mod counters;
pub mod egress;
pub mod errands;
pub mod history;
pub mod http;
pub mod intake;
pub mod lease;
pub mod nats;
pub mod oci;
pub mod outgoing;
pub mod pipeline;
pub mod planner;
pub mod ports;
pub mod presence;
pub mod registry;
pub mod runners;
pub mod secrets;
pub mod server;
mod stat;
pub mod steer;
pub mod storage;
pub mod telemetry;
pub mod tenant_book;
pub mod tenants;
pub mod usage;
pub mod webhook;

#[cfg(test)]
mod rooms_tests;

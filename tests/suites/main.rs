//! End-to-end suites: a module per behaviour, against the real binary and a real nats-server.
//!
//! `cargo test -p lovage-tests` runs them all, `cargo test -p lovage-tests --test suites server::` one of them.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod access;
mod bad_input;
mod bad_upload;
mod broker;
mod bulk;
mod cancel;
mod capabilities;
mod capabilities_http;
mod certificates;
mod console_acts;
mod console_ground;
mod console_pages;
mod console_roles;
mod console_walk;
mod contract;
mod crash;
mod delays;
mod deploy;
mod events;
mod fairness;
mod follow;
mod groups;
mod guests;
mod history;
mod hostile;
mod http;
mod isolation;
mod jobs;
mod limits;
mod logs;
mod metrics;
mod outcomes;
mod pauses;
mod pinned;
mod quarantine;
mod quotas;
mod registry_oci;
mod retries;
mod rolling;
mod schedules;
mod scratch;
mod secrets;
mod server;
mod shapes;
mod signatures;
mod sizes;
mod small;
mod storage;
mod tenants;
mod top;
mod traces;
mod unique;
mod upheaval;
mod usage;
mod webhook;
mod worker_logs;
mod workers_set;

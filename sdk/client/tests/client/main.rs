//! What the client does with a real broker and no worker.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "tests stop where something is not as it should be"
)]

#[path = "../support/mod.rs"]
mod support;

mod cancel;
mod connect;
mod dead;
mod find;
mod schedule;
mod submit;
mod unique;
mod wait;

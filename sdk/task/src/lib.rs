//! Write Lovage tasks in Rust.
//!
//! A task is a function with `#[task]` on it. The crate is a `cdylib`, depends on `lovage-task` alone, and
//! `cargo build --release --target wasm32-wasip2` makes the component to push.
//!
//! ```
//! use lovage_task::{TaskError, payload, task};
//!
//! #[payload]
//! struct Order {
//!     /// How many were ordered.
//!     count: u32,
//!     price_cents: u64,
//! }
//!
//! /// Adds up an order.
//! #[task(timeout = "5s", attempts = 3)]
//! fn total(order: Order) -> Result<u64, TaskError> {
//!     if order.count == 0 {
//!         return Err(TaskError::bad_input("count is 0; an order has at least one item"));
//!     }
//!     u64::from(order.count)
//!         .checked_mul(order.price_cents)
//!         .ok_or_else(|| TaskError::permanent("the total does not fit in 64 bits"))
//! }
//!
//! // Natively a task is a plain function, so `cargo test` covers it.
//! assert_eq!(total(Order { count: 2, price_cents: 150 }).ok(), Some(300));
//! ```
//!
//! # Inputs and outputs
//! A type with [`payload`] (or with serde's and schemars' own derives) travels as JSON, and its JSON Schema is
//! published with the task. [`Bytes`] travels as it is. A task may take nothing, and may first take a [`&Job`](Job).
//!
//! # Failing
//! A task returns `Result<_, E>` where `E: Into<TaskError>`. Any `std::error::Error` becomes
//! [`TaskError::retry`], so `?` means "try again later"; say [`TaskError::permanent`] or
//! [`TaskError::bad_input`] where another attempt cannot help. A panic is a trap: the attempt fails and is
//! tried again. A task that returns a plain value never fails by itself.
//!
//! [`TaskError::snooze`] puts a job off without costing an attempt.
//!
//! # Long work
//! A task with `#[task(timeout = "30s", soft_timeout = "20s")]` sees [`cancelled`] turn true after 20 seconds; what it
//! then returns stands. [`checkpoint`] keeps what is done from one attempt to the next, and [`jobs`] submits further
//! jobs, once however often the attempt is repeated.
//!
//! # Beyond the sandbox
//! [`kv`], [`blobs`], [`config`] and [`secrets`] are what a task may be granted, each by name. A task that uses one imports
//! it, and is refused until it was granted; the others cost nothing.

// In the guest, the generated bindings lift and lower values through raw memory: see `guest`.
#![cfg_attr(not(target_family = "wasm"), forbid(unsafe_code))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

// The macros name this crate, also in its own tests.
extern crate self as lovage_task;

pub mod blobs;
mod bytes;
pub mod checkpoint;
mod compile_fail;
pub mod config;
mod context;
#[cfg(any(test, target_family = "wasm"))]
mod dispatch;
mod error;
#[cfg(target_family = "wasm")]
mod guest;
mod job;
pub mod jobs;
pub mod kv;
mod payload;
mod registered;
pub mod secrets;
#[cfg(feature = "tracing")]
mod trace;

pub use bytes::Bytes;
pub use context::{Level, StopReason, cancelled, log, progress, stop_reason};
pub use error::{ErrorKind, TaskError};
pub use job::Job;
pub use lovage_task_macros::{payload, task};
pub use payload::{TaskInput, TaskOutput};
#[cfg(feature = "tracing")]
pub use trace::trace_up_to;

/// What the macros name; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::payload::{Fallible, Reply};
    pub use crate::registered::{Defaults, Task};
    pub use {inventory, schemars, serde};
}

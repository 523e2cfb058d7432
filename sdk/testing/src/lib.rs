//! Tests Lovage tasks as the components they are.
//!
//! `cargo test` runs a task as a plain function. This crate runs the compiled component in the worker's own sandbox, in
//! the process of the test, without a broker: under its limits, with a clock and randomness that the test owns. A task
//! that sleeps takes no time, and the same test gives the same result each time.
//!
//! ```no_run
//! use lovage_testing::TaskTest;
//! use serde_json::json;
//!
//! # fn main() -> Result<(), lovage_testing::TestError> {
//! let report = TaskTest::new("target/wasm32-wasip2/release/order.wasm")?
//!     .task("total")
//!     .input(json!({"count": 2, "price_cents": 150}))
//!     .at("2026-03-29T00:30:00Z")
//!     .attempt(2)
//!     .run()?;
//! assert_eq!(report.json::<u64>(), Some(300));
//! assert!(report.fuel_used < 10_000_000);
//! # Ok(())
//! # }
//! ```
//!
//! [`TaskTest::run`] makes one attempt. [`TaskTest::run_to_end`] follows the task's retry policy as a worker does,
//! attempt by attempt, until the job has ended; what it submits and keeps is in the report and goes nowhere else.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

mod component;
mod report;
mod task_test;

pub use component::TestError;
pub use lovage_job::limits::LimitsWish;
pub use lovage_job::outcome::{Outcome, OutcomeKind};
pub use lovage_job::retry::{Backoff, RetryPolicy};
pub use lovage_job::verdict::Verdict;
pub use lovage_sandbox::{ChildJob, RecordedChild};
pub use report::{Attempt, Report, WholeRun};
pub use task_test::TaskTest;

//! What must not compile. Each example is wrong in one way; the wording of the errors is tested in the macros.
//!
//! Two tasks of one name:
//! ```compile_fail
//! mod one { #[lovage_task::task(name = "same")] fn a() {} }
//! mod two { #[lovage_task::task(name = "same")] fn b() {} }
//! ```
//! An input without a schema:
//! ```compile_fail
//! struct Plain;
//! #[lovage_task::task] fn a(input: Plain) {}
//! ```
//! An output that is no payload:
//! ```compile_fail
//! struct Plain;
//! #[lovage_task::task] fn a() -> Plain { Plain }
//! ```
//! An error that says nothing about retries:
//! ```compile_fail
//! #[lovage_task::task] fn a() -> Result<(), &'static str> { Ok(()) }
//! ```
//! Bytes as JSON numbers:
//! ```compile_fail
//! #[lovage_task::task] fn a(input: Vec<u8>) {}
//! ```
//! An unknown option:
//! ```compile_fail
//! #[lovage_task::task(retries = 3)] fn a() {}
//! ```

//! The pure rules of Lovage.
//!
//! Everything here is a function of its arguments: no clock, no randomness, no I/O and no async runtime, so that
//! each rule is stated once and can be tested on its own. The daemon and the clients both depend on this crate,
//! and nothing here may know about NATS connections or WebAssembly engines.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic))]

pub mod audit;
pub mod capability;
pub mod catalog;
pub mod child;
pub mod crash;
pub mod dead;
pub mod deaths;
pub mod decode;
pub mod event;
pub mod flow;
pub mod header;
pub mod job;
pub mod ledger;
pub mod limit;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod name;
pub mod outcome;
pub mod preview;
pub mod result;
pub mod retry;
pub mod retry_on;
pub mod schedule;
pub mod schema;
pub mod secret;
pub mod signature;
pub mod storage;
pub mod subject;
pub mod tenant;
pub mod token;
pub mod trace;
pub mod trail;
pub mod unique;
pub mod unit;
pub mod usage;
pub mod verdict;
pub mod worker;

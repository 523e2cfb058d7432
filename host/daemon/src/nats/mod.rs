//! The broker's side: topology, pulls, leases, settlements and stores on NATS JetStream.
//!
//! Implements the ports. Knows neither the pipeline nor the sandbox.

pub mod api;
pub mod broker;
mod confirm;
pub mod control;
mod follow;
pub mod lots;
pub mod puller;
pub mod settle;
pub mod store;
pub mod sweep;
pub mod topology;

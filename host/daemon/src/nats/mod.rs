//! The broker's side: topology, pulls, leases, settlements and stores on NATS JetStream.
//!
//! Implements the ports. Knows neither the pipeline nor the sandbox.

pub mod allowance;
pub mod api;
pub mod audit;
mod blobs;
pub mod broker;
mod buckets;
mod confirm;
pub mod control;
pub mod crashes;
pub mod deaths;
mod desk;
pub mod errands;
mod follow;
pub mod headroom;
mod heed;
mod keys;
mod limit_store;
pub mod logs;
pub mod lots;
pub mod meter;
pub mod permits;
pub mod puller;
pub mod quotas;
pub mod records;
pub mod removal;
pub mod requests;
pub mod room;
pub mod rules;
pub mod secrets;
pub mod settle;
pub mod storage;
pub mod store;
pub mod sweep;
pub mod ticks;
pub mod tokens;
pub mod topology;

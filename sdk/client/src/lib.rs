//! The client of Lovage: submits jobs, waits for their results, and looks after those that wait or failed.
//!
//! Everything goes through NATS: a [`Client`] is a connection and a tenant, and holds no state that a restart would
//! lose. What a name, subject, header or record looks like is not decided here but in `lovage_job`; this crate does
//! the talking. It never prints and never panics on what it is sent; every error says what to do next.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lovage_client::{Client, ConnectOptions, NewJob};
//!
//! let client = Client::connect(&ConnectOptions::default(), "default".parse()?).await?;
//! let job = NewJob::json("word-stats".parse()?, &serde_json::json!({"text": "to be or not to be"}))?;
//! let submitted = client.submit(job).await?;
//! let result = client.wait(&submitted.id, None).await?;
//! # let _ = result;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod cancel;
mod catalog;
mod chain;
mod claim;
mod client;
mod connect;
mod control;
mod dead;
mod events;
mod find;
mod follow;
mod group;
mod group_record;
mod input;
mod known;
mod limits;
mod link;
mod list;
mod logs;
mod manifest;
mod new_job;
mod new_schedule;
mod pauses;
mod pick;
mod prepare;
mod publish;
mod read;
mod replay;
mod result;
mod run;
mod scan;
mod schedule;
mod secrets;
mod submit;
mod unfold;
mod unique;
mod usage;
mod wait;
mod wake;
pub mod wire;
mod workers;

pub use cancel::{CancelError, CancelOptions, CancelOutcome, GRACE_MAX};
pub use chain::chain;
pub use claim::{ClaimError, PAYLOAD_BYTES_MAX};
pub use client::Client;
pub use connect::{ConnectError, ConnectOptions, Credentials, connect};
pub use control::ControlError;
pub use dead::{DeadError, DeadFilter, DeadPage, StoredLetter};
pub use find::JobState;
pub use follow::{FollowError, member_end};
pub use group::{GroupError, NewGroup, SubmittedGroup};
pub use list::{JobPage, JobSummary, ListFilter, ListState, Place};
pub use logs::AttemptLog;
pub use lovage_job::unique::Unique;
pub use manifest::Applied;
pub use new_job::{NewJob, When};
pub use new_schedule::{NewSchedule, Put, ScheduleFault};
pub use pauses::Pause;
pub use pick::{Pick, PickFilter, Picked};
pub use prepare::InvalidJob;
pub use read::ReadError;
pub use replay::{ReplayOptions, Replayed};
pub use run::RunError;
pub use secrets::SecretError;
pub use submit::{SubmitError, Submitted};
pub use usage::{StoredBytes, StoredLimits, TenantUsage};
pub use wait::WaitError;
pub use workers::WorkerError;

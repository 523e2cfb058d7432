//! What a guest may ask of its worker beyond its own sandbox, as a trait that the worker implements: children and
//! checkpoints. Nothing here knows where they go.

use futures::future::BoxFuture;
use lovage_job::flow::OnMemberFailure;
use lovage_job::name::GroupId;
use std::fmt::Debug;

/// A job that a guest submits, as it says; nothing is checked but the sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChildJob {
    /// What to run.
    pub task: String,
    /// The payload.
    pub input: Vec<u8>,
    /// The media type of the input.
    pub content_type: Option<String>,
    /// Where it waits.
    pub queue: Option<String>,
    /// Its priority: `high`, `normal` or `low`.
    pub lane: Option<&'static str>,
    /// What it is called among the children of its job.
    pub key: Option<String>,
    /// Starts no sooner than after so many milliseconds.
    pub delay_ms: Option<u64>,
    /// Further attempts after the first.
    pub retries: Option<u32>,
    /// The longest wall time of an attempt, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Labels.
    pub tags: Vec<String>,
    /// What limits per key count by.
    pub limit_key: Option<String>,
    /// The version, alias or digest to run.
    pub version: Option<String>,
    /// What runs once it has completed, as in a header.
    pub on_success: Option<String>,
    /// What runs once it has ended without completing, as in a header.
    pub on_failure: Option<String>,
    /// What runs once it is a dead letter, as in a header.
    pub on_dead: Option<String>,
    /// What runs one after another once it has completed, each as in a header.
    pub then: Vec<String>,
}

/// A group that a guest submits, as it says; nothing is checked but the sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChildGroup {
    /// The jobs that run side by side, in the order of their results.
    pub members: Vec<ChildJob>,
    /// What runs when all have ended.
    pub completion: ChildJob,
    /// What a failed member means.
    pub policy: OnMemberFailure,
    /// What it is called among the groups of its job.
    pub key: Option<String>,
}

/// A child that is held somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildId {
    /// Its id.
    pub id: String,
    /// Whether it was there before.
    pub existing: bool,
}

/// A group that is held somewhere. The ids of its members and its completion job are made from its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupHeld {
    /// Its id.
    pub id: GroupId,
    /// How many members it has.
    pub size: u32,
    /// Whether it was there before.
    pub existing: bool,
}

/// Why a worker did not do what a guest asked. The texts are for the guest and its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It can never be done: what was asked for is wrong.
    Invalid(String),
    /// A limit is reached.
    Limit(String),
    /// The component has no right to it.
    Denied(String),
    /// Not now.
    Unavailable(String),
}

/// What a worker does for the guest of one attempt. A future may be dropped before it is done: the guest was stopped.
pub trait Services: Send + Sync + Debug {
    /// Submits a job; returns once it is held for good.
    fn submit(&self, job: ChildJob) -> BoxFuture<'_, Result<ChildId, Refusal>>;
    /// Submits a group; returns once all of it is held for good.
    fn submit_group(&self, group: ChildGroup) -> BoxFuture<'_, Result<GroupHeld, Refusal>>;
    /// Keeps a value for later attempts; returns once it is stored.
    fn save(&self, key: String, value: Vec<u8>) -> BoxFuture<'_, Result<(), Refusal>>;
    /// The value under a key.
    fn load(&self, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, Refusal>>;
}

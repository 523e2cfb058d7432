//! What a guest may ask of its worker beyond its own sandbox, as a trait that the worker implements: children and
//! checkpoints. Nothing here knows where they go.

use futures::FutureExt;
use futures::future::BoxFuture;
use lovage_job::flow::OnMemberFailure;
use lovage_job::name::GroupId;
use lovage_job::secret::SecretBytes;
use lovage_job::subject::Lane;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// A job that a guest submits, as it says; nothing is checked but the sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildJob {
    /// What to run.
    pub task: String,
    /// The payload.
    pub input: Vec<u8>,
    /// The media type of the input.
    pub content_type: Option<String>,
    /// Where it waits.
    pub queue: Option<String>,
    /// Its priority.
    pub lane: Option<Lane>,
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildId {
    /// Its id.
    pub id: String,
    /// Whether it was there before.
    pub existing: bool,
}

/// A group that is held somewhere. The ids of its members and its completion job are made from its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHeld {
    /// Its id.
    pub id: GroupId,
    /// How many members it has.
    pub size: u32,
    /// Whether it was there before.
    pub existing: bool,
}

/// Why a worker did not do what a guest asked. The texts are for the guest and its author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Uses a capability. What is not granted is refused, also where the sandbox has asked for it wrongly.
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Refusal>> {
        let what = ask.what();
        async move { Err(Refusal::Denied(format!("{what} is not to be had here"))) }.boxed()
    }
}

/// What a guest asks of a capability. Plain data, so that it can cross the border of a process.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Sends an HTTP request and reads the answer to its end.
    Http(HttpAsk),
    /// Uses a key-value bucket.
    KeyValue {
        /// The bucket, as the guest names it.
        bucket: String,
        /// What to do with it.
        ask: KeyValueAsk,
    },
    /// Uses a container of blobs.
    Blob {
        /// The container, as the guest names it.
        container: String,
        /// What to do with it.
        ask: BlobAsk,
    },
    /// Reads a secret.
    Secret(String),
}

impl Ask {
    /// What is used, for people.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Http(_) => "outgoing HTTP",
            Self::KeyValue { .. } => "key-value storage",
            Self::Blob { .. } => "blob storage",
            Self::Secret(_) => "secrets",
        }
    }
}

impl Debug for Ask {
    /// Says what is asked for and nothing of what is in it: it may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what())
    }
}

/// A request to another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAsk {
    /// The method.
    pub method: String,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The host and, where one is given, the port.
    pub authority: String,
    /// The path and the query.
    pub path: String,
    /// The headers in their order, without those of the connection.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take until the connection is there, in milliseconds.
    pub connect_ms: u64,
    /// How long it may take until the first byte of the answer, in milliseconds.
    pub first_byte_ms: u64,
    /// How long it may take between two bytes of the answer, in milliseconds.
    pub between_bytes_ms: u64,
}

/// The answer of another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers in their order, without those of the connection.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Bytes that went over the network, both ways.
    pub wire_bytes: u64,
}

/// Why there is no answer of another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpFault {
    /// The task may not do that, or the request is not one.
    Denied,
    /// The host has an address that tasks may not reach.
    AddressProhibited,
    /// The attempt has made enough requests.
    TooMany,
    /// Nobody knows the host.
    NameUnknown,
    /// Nobody listens there.
    ConnectionRefused,
    /// There was no connection in time.
    ConnectTimeout,
    /// The host cannot show that it is the one.
    Tls,
    /// The answer, or more of it, did not come in time.
    ReadTimeout,
    /// The body of the request is too large.
    RequestBodySize,
    /// The body of the answer is too large.
    ResponseBodySize,
    /// The answer is cut.
    Incomplete,
    /// The answer is not HTTP.
    Protocol,
    /// The worker is at fault.
    Internal,
}

impl HttpFault {
    /// What happened, for the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "request denied",
            Self::AddressProhibited => "address prohibited",
            Self::TooMany => "too many requests",
            Self::NameUnknown => "name unknown",
            Self::ConnectionRefused => "connection refused",
            Self::ConnectTimeout => "connection timeout",
            Self::Tls => "tls fault",
            Self::ReadTimeout => "read timeout",
            Self::RequestBodySize => "request too large",
            Self::ResponseBodySize => "answer too large",
            Self::Incomplete => "answer cut",
            Self::Protocol => "protocol fault",
            Self::Internal => "worker fault",
        }
    }
}

/// What to do with a key-value bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyValueAsk {
    /// Whether there is such a bucket for the guest.
    Open,
    /// The value of a key, with its revision: [`Answer::Revision`].
    Get(String),
    /// Puts a value: [`Answer::Done`].
    Set(String, Vec<u8>),
    /// Puts a value where the key still has this revision; whether it had: [`Answer::Whether`].
    Swap(String, Vec<u8>, u64),
    /// Removes a key: [`Answer::Done`].
    Delete(String),
    /// The next keys after a cursor: [`Answer::Names`].
    Keys(Option<String>),
    /// Adds to a number and gives the sum: [`Answer::Number`].
    Increment(String, i64),
}

/// What to do with a container of blobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobAsk {
    /// When the place of the tenant's containers was made: [`Answer::Info`].
    Open,
    /// The bytes of a blob from a first to a last one, both included, as far as there are any: [`Answer::Bytes`].
    Get(String, u64, u64),
    /// Puts a blob: [`Answer::Done`].
    Put(String, Vec<u8>),
    /// Removes a blob: [`Answer::Done`].
    Delete(String),
    /// Size and time of a blob: [`Answer::Info`].
    Info(String),
    /// The names of all blobs: [`Answer::Names`].
    List,
    /// Removes all blobs: [`Answer::Done`].
    Clear,
}

/// What a capability answers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done.
    Done,
    /// Whether it is so, or was done.
    Whether(bool),
    /// An answer of another host.
    Http(HttpAnswer),
    /// No answer of another host, with the reason for the task's author.
    HttpFault(HttpFault, String),
    /// Bytes, where there are any.
    Bytes(Option<Vec<u8>>),
    /// A value, where there is one, and the revision of its key, which [`KeyValueAsk::Swap`] names.
    Revision(Option<Vec<u8>>, u64),
    /// A number.
    Number(i64),
    /// The value of a secret, where there is one.
    Secret(Option<SecretBytes>),
    /// Names, and where to go on.
    Names(Vec<String>, Option<String>),
    /// The size of a blob in bytes and when it was put, in Unix milliseconds.
    Info(Option<(u64, u64)>),
}

impl Debug for Answer {
    /// Says nothing of what is in it: it may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer")
    }
}

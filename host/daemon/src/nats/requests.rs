//! Requests that were sent with an idempotency key, and what they were answered: for a day, so that a request that is sent
//! again is answered as the first one was, by whichever server.

use crate::ports::BrokerError;
use async_nats::jetstream::{Context, kv};
use lovage_job::name::TenantName;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The bucket.
pub const REQUESTS: &str = "requests";
/// How long answers are kept.
const KEPT: Duration = Duration::from_secs(86_400);
/// How long a request that was begun blocks its key where its server never answered.
const UNDER_WAY: Duration = Duration::from_secs(120);

/// The settings of the bucket.
pub(super) fn bucket(replicas: usize) -> kv::Config {
    kv::Config {
        bucket: REQUESTS.to_owned(),
        description: "answers to requests with an idempotency key".to_owned(),
        history: 1,
        num_replicas: replicas,
        max_age: KEPT,
        limit_markers: Some(Duration::from_secs(1)),
        ..kv::Config::default()
    }
}

/// What is kept of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The SHA-256 of the request.
    pub request: String,
    /// The answer, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<KeptAnswer>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Begun {
    /// It is the first of its key: do it, and tell what it was answered.
    First(Box<Claim>),
    /// There was one before.
    Before(Kept),
}

/// The key of a request that is under way.
#[derive(Debug)]
pub struct Claim {
    bucket: kv::Store,
    key: String,
    request: String,
    revision: u64,
}

fn broker(error: impl std::fmt::Display) -> BrokerError {
    BrokerError(format!("the bucket of requests: {error}"))
}

/// Claims a key for a request, unless it is in use. `key` and `request` are hashes.
pub async fn begin(js: &Context, tenant: &TenantName, key: &str, request: &str) -> Result<Begun, BrokerError> {
    /// A claim that runs out between two looks is taken at the next one.
    const LOOKS: usize = 3;
    let bucket = js.get_key_value(REQUESTS).await.map_err(broker)?;
    let key = format!("{tenant}.{key}");
    let value = serde_json::to_vec(&Kept { request: request.to_owned(), answer: None }).map_err(broker)?;
    for _ in 0..LOOKS {
        match bucket.create_with_ttl(&key, value.clone().into(), UNDER_WAY).await {
            Ok(revision) => {
                let request = request.to_owned();
                return Ok(Begun::First(Box::new(Claim { bucket, key, request, revision })));
            }
            Err(error) if error.kind() == kv::CreateErrorKind::AlreadyExists => {}
            Err(error) => return Err(broker(error)),
        }
        let entry = bucket.entry(&key).await.map_err(broker)?;
        if let Some(entry) = entry.filter(|entry| entry.operation == kv::Operation::Put) {
            return serde_json::from_slice(&entry.value).map(Begun::Before).map_err(broker);
        }
    }
    Err(broker(format_args!("the key {key} comes and goes")))
}

impl Claim {
    /// Keeps the answer.
    pub async fn answered(self, status: u16, body: String) -> Result<(), BrokerError> {
        let kept = Kept { request: self.request, answer: Some(KeptAnswer { status, body }) };
        let value = serde_json::to_vec(&kept).map_err(broker)?;
        self.bucket.update(&self.key, value.into(), self.revision).await.map(|_| ()).map_err(broker)
    }

    /// Frees the key: nothing was done.
    pub async fn not_done(self) -> Result<(), BrokerError> {
        self.bucket.purge_expect_revision(&self.key, Some(self.revision)).await.map_err(broker)
    }
}

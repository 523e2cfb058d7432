//! What a test does with the jobs of one tenant: publishes them as any NATS client would, and looks at what became of
//! them on the broker.

use async_nats::{
    HeaderMap,
    jetstream::{self, stream::Stream},
};
use bytes::Bytes;
use lovage_client::{Client, DeadError, NewJob};
use lovage_job::{
    dead::DeadLetter,
    name::{JobId, TenantName},
    result::JobResult,
    subject::asset,
};
use std::time::Duration;

use crate::{Nats, eventually};

/// How long a job may take on a machine that is busy with other tests.
const ENDS_WITHIN: Duration = Duration::from_secs(90);

/// The jobs of one tenant.
#[derive(Clone, Debug)]
pub struct Jobs {
    /// The typed client.
    pub client: Client,
    /// The same connection for what a plain publisher does.
    pub js: jetstream::Context,
    tenant: TenantName,
    created_ms: u64,
}

/// A job that was published without a client.
#[derive(Clone, Debug)]
pub struct Plain {
    /// The id that is derived from its place in the stream.
    pub id: JobId,
    /// Its place in the stream.
    pub sequence: u64,
}

impl Jobs {
    /// Connects to the jobs of tenant `default`; a worker must have made the streams.
    pub async fn of(nats: &Nats) -> Self {
        Self::of_tenant(nats, &TenantName::default_tenant()).await
    }

    /// Connects to the jobs of a tenant; something must have made the streams.
    pub async fn of_tenant(nats: &Nats, tenant: &TenantName) -> Self {
        let tenant = tenant.clone();
        let connection = nats.connect().await;
        let js = jetstream::new(connection.clone());
        let stream =
            eventually("the stream of jobs", crate::WITHIN, async || js.get_stream(asset::jobs(&tenant)).await);
        let created = stream.await.cached_info().created.unix_timestamp_nanos() / 1_000_000;
        let created_ms = u64::try_from(created).expect("a time after 1970");
        Self { client: Client::new(connection, tenant.clone()), js, tenant, created_ms }
    }

    /// Publishes to `lovage.default.REST` and returns once the broker has the message.
    pub async fn publish(&self, rest: &str, headers: &[(&str, &str)], payload: impl Into<Bytes>) -> Plain {
        let subject = format!("lovage.{}.{rest}", self.tenant);
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.append(*name, *value));
        let sent = match headers {
            [] => self.js.publish(subject, payload.into()).await,
            _ => self.js.publish_with_headers(subject, map, payload.into()).await,
        };
        let sequence = sent.expect("a connection").await.unwrap_or_else(|error| panic!("{rest}: {error}")).sequence;
        Plain { id: JobId::from_stream(self.created_ms, sequence), sequence }
    }

    /// Submits a job and waits for its end.
    pub async fn run(&self, job: NewJob) -> JobResult {
        let id = self.client.submit(job).await.unwrap_or_else(|error| panic!("{error}")).id;
        self.result(&id).await
    }

    /// Waits for the end of a job.
    pub async fn result(&self, id: &JobId) -> JobResult {
        self.client.wait(id, Some(ENDS_WITHIN)).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits for the dead letter of a job; it comes after the result.
    pub async fn letter(&self, id: &JobId) -> DeadLetter {
        let stored = eventually("the dead letter", ENDS_WITHIN, async || self.client.dead_show(id).await);
        stored.await.letter
    }

    /// Whether a job has a dead letter now.
    pub async fn has_letter(&self, id: &JobId) -> bool {
        match self.client.dead_show(id).await {
            Ok(_) => true,
            Err(DeadError::NotFound(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until a message has left the queue for good.
    pub async fn gone(&self, sequence: u64) {
        let stream = self.stream(&asset::jobs(&self.tenant)).await;
        let gone = async || match stream.get_raw_message(sequence).await {
            Ok(message) => Err(format!("{} is still in the queue", message.subject)),
            Err(error) if error.to_string().contains("no message") => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        eventually("the message to leave its queue", ENDS_WITHIN, gone).await;
    }

    /// Waits until no job waits or runs.
    pub async fn all_done(&self, within: Duration) {
        let done = async || match self.messages(&asset::jobs(&self.tenant)).await {
            0 => Ok(()),
            left => Err(format!("{left} jobs are left")),
        };
        eventually("every job to end", within, done).await;
    }

    /// How many messages a stream holds.
    pub async fn messages(&self, stream: &str) -> u64 {
        self.stream(stream).await.cached_info().state.messages
    }

    /// How many results there are, and how often one was written: both are equal where each job ended once.
    pub async fn results_and_writes(&self) -> (u64, u64) {
        let stream = self.stream(&format!("KV_{}", asset::results(&self.tenant))).await;
        (stream.cached_info().state.messages, stream.cached_info().state.last_sequence)
    }

    /// Opens a stream. A server that has just come back may not answer at once.
    pub async fn stream(&self, name: &str) -> Stream {
        eventually(name, crate::WITHIN, async || self.js.get_stream(name).await).await
    }
}

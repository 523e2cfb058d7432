//! Where logs of attempts are stored: one stream for each tenant whose jobs log, made when the first of them does.
//!
//! A piece is written again until the broker has it, so that no result exists without its log. What the broker refuses
//! is lost with a warning instead: a job must not wait for room for its log.

use super::api::PublishReply;
use super::settle::{CONFIRM_WITHIN, PAUSE};
use crate::ports::BrokerError;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, RequestErrorKind};
use lovage_client::wire;
use lovage_job::log::{self, LogPiece};
use lovage_job::name::TenantName;
use std::time::{Duration, Instant};

/// How long logs are kept.
const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// Pieces of one place in one log: an attempt that was cut short is made again under its number.
const RUNS_MAX: i64 = 4;
/// The most pieces of a tenant; the oldest give way.
const PIECES_MAX: i64 = 1_000_000;
/// The most bytes of a tenant; the oldest give way.
const BYTES_MAX: i64 = 256 << 20;
/// How long a broker that does not answer is asked.
const SILENT_MAX: Duration = Duration::from_secs(30);
/// How often a broker that refuses is asked.
const REFUSALS_MAX: usize = 3;

/// Stores logs.
#[derive(Debug, Clone)]
pub struct Logs {
    client: Client,
    js: Context,
    replicas: usize,
}

enum Answer {
    Stored,
    NoStream,
    Refused(String),
    Silent(String),
}

impl Logs {
    /// Stores over a connection, in streams of so many copies.
    pub fn new(client: Client, replicas: usize) -> Self {
        Self { js: jetstream::new(client.clone()), client, replicas }
    }

    /// Stores a piece. A piece that is written twice is read once, so a repeat is harmless.
    pub async fn store(&self, tenant: &TenantName, piece: &LogPiece) -> Result<(), BrokerError> {
        let (began, mut refusals) = (Instant::now(), 0);
        loop {
            let said = match self.send(tenant, piece).await {
                Answer::Stored => return Ok(()),
                Answer::NoStream => match self.make(tenant).await {
                    Ok(()) => continue,
                    Err(refused) => {
                        refusals += 1;
                        refused
                    }
                },
                Answer::Refused(said) => {
                    refusals += 1;
                    said
                }
                Answer::Silent(said) => said,
            };
            if refusals >= REFUSALS_MAX {
                tracing::warn!(tenant = %tenant, job.id = %piece.id, said, "a log is refused by the broker and lost");
                return Ok(());
            }
            if began.elapsed() >= SILENT_MAX {
                return Err(BrokerError(format!("log: {said}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn send(&self, tenant: &TenantName, piece: &LogPiece) -> Answer {
        let request = async_nats::Request::new().headers(wire::to_nats(&piece.to_headers()));
        let request = request.payload(piece.text.clone().into()).timeout(Some(CONFIRM_WITHIN));
        match self.client.send_request(piece.subject(tenant), request).await {
            Ok(reply) => match serde_json::from_slice::<PublishReply>(&reply.payload) {
                Ok(PublishReply { error: None, .. }) => Answer::Stored,
                Ok(PublishReply { error: Some(error), .. }) => Answer::Refused(error.description),
                Err(error) => Answer::Refused(error.to_string()),
            },
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Answer::NoStream,
            Err(error) => Answer::Silent(error.to_string()),
        }
    }

    /// Makes the stream, unless another worker has.
    async fn make(&self, tenant: &TenantName) -> Result<(), String> {
        let config = Config {
            name: log::stream(tenant),
            description: Some(format!("logs of {tenant}")),
            subjects: vec![log::subjects(tenant)],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            num_replicas: self.replicas,
            max_age: KEPT,
            max_messages: PIECES_MAX,
            max_bytes: BYTES_MAX,
            max_messages_per_subject: RUNS_MAX,
            allow_direct: true,
            ..Config::default()
        };
        let refused = match self.js.create_stream(config).await {
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        };
        self.js.get_stream(log::stream(tenant)).await.map(|_| ()).map_err(|_| refused)
    }
}

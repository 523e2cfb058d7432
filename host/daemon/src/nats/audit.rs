//! The audit stream, for whoever changes what a tenant may do: `audit::note(&nats, name, AuditNote::new(…)).await`.
//!
//! Commands use `crate::cli::audit::note`, which warns where the note cannot be kept; parts of a worker get an
//! [`Auditor`] and call `refused`, which never waits.

use crate::audit::{Auditor, Seen};
use crate::ports::BrokerError;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, RequestErrorKind};
use bytes::Bytes;
use lovage_job::audit::{AuditEntry, AuditNote, STREAM, SUBJECTS, Who};
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

/// How long entries are kept.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// The most bytes of all entries; the oldest give way.
const BYTES_MAX: i64 = 256 << 20;
/// The most entries of one kind of one tenant: who is refused all the time pushes out nobody else's.
const EACH_MAX: i64 = 50_000;
/// How long the broker is asked who is connected, and whether an entry is stored.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Refusals that wait to be written; more are only logged.
const WAITING_MAX: usize = 256;

/// The stream's settings. Nobody deletes single entries of it.
pub fn config(replicas: usize) -> Config {
    Config {
        name: STREAM.to_owned(),
        description: Some("who changed what tenants may do, and what was refused".to_owned()),
        subjects: vec![SUBJECTS.to_owned()],
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        max_age: KEPT,
        max_bytes: BYTES_MAX,
        max_messages_per_subject: EACH_MAX,
        max_message_size: 512 << 10,
        num_replicas: replicas,
        deny_delete: true,
        allow_direct: true,
        ..Config::default()
    }
}

/// Makes the stream where it is not there.
pub async fn ensure(js: &Context, replicas: usize) -> Result<(), BrokerError> {
    if js.get_stream(STREAM).await.is_ok() {
        return Ok(());
    }
    match js.create_stream(config(replicas)).await {
        Ok(_) => Ok(()),
        // another process may have made it meanwhile
        Err(error) => {
            js.get_stream(STREAM).await.map(|_| ()).map_err(|_| BrokerError(format!("audit stream: {error}")))
        }
    }
}

/// Who this process is to the broker; `name` is what it calls itself.
pub async fn who(client: &Client, name: &str) -> Who {
    #[derive(Deserialize)]
    struct Info {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        user: Option<String>,
        account: Option<String>,
    }
    // who may not ask is known by what it says of itself
    let asked = tokio::time::timeout(ANSWER_WITHIN, client.request("$SYS.REQ.USER.INFO", Bytes::new())).await;
    let info = asked.ok().and_then(Result::ok).and_then(|reply| serde_json::from_slice::<Info>(&reply.payload).ok());
    let (user, account) = info.map(|info| (info.data.user, info.data.account)).unwrap_or_default();
    Who {
        user: user.filter(|user| !user.is_empty()),
        account,
        name: name.to_owned(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        pid: std::process::id(),
    }
}

/// Writes an entry; returns once the broker has it. `name` is the user of this machine or the worker's name.
pub async fn note(client: &Client, name: &str, note: AuditNote) -> Result<(), BrokerError> {
    write(client, who(client, name).await, note).await
}

/// Writes an entry of someone else than this process, such as the holder of a token.
pub async fn write(client: &Client, who: Who, note: AuditNote) -> Result<(), BrokerError> {
    let subject = note.subject();
    let failed = |error: &dyn std::fmt::Display| BrokerError(format!("audit stream: {error}"));
    let entry = AuditEntry { at: crate::clock::now(), who, note };
    let bytes: Bytes = serde_json::to_vec(&entry).map_err(|error| failed(&error))?.into();
    for last in [false, true] {
        let sent = client.request(subject.clone(), bytes.clone());
        let sent = tokio::time::timeout(ANSWER_WITHIN, sent).await.map_err(|error| failed(&error))?;
        match sent {
            Ok(reply) => return stored(&reply.payload),
            Err(error) if error.kind() == RequestErrorKind::NoResponders && !last => {
                ensure(&jetstream::new(client.clone()), 1).await?;
            }
            Err(error) => return Err(failed(&error)),
        }
    }
    Ok(())
}

/// What the stream answered.
fn stored(reply: &[u8]) -> Result<(), BrokerError> {
    let reply: serde_json::Value =
        serde_json::from_slice(reply).map_err(|error| BrokerError(format!("audit stream: {error}")))?;
    match reply.pointer("/error/description") {
        Some(error) => Err(BrokerError(format!("audit stream: {error}"))),
        None => Ok(()),
    }
}

/// Writes refusals of a worker: the first of its kind for each task and minute.
#[derive(Debug)]
pub struct NatsAuditor {
    seen: Mutex<Seen>,
    waiting: mpsc::Sender<AuditNote>,
}

impl NatsAuditor {
    /// An auditor, and what writes what it notes until the token ends it.
    pub fn new(client: Client, worker: String, stop: CancellationToken) -> (Arc<Self>, impl Future<Output = ()>) {
        let (waiting, mut notes) = mpsc::channel::<AuditNote>(WAITING_MAX);
        let write_all = async move {
            let myself = OnceCell::new();
            loop {
                let note = tokio::select! {
                    () = stop.cancelled() => return,
                    note = notes.recv() => note,
                };
                let Some(note) = note else { return };
                let who = myself.get_or_init(|| who(&client, &worker)).await.clone();
                if let Err(error) = write(&client, who, note).await {
                    tracing::warn!(error = %error, "a refusal is not in the audit stream");
                }
            }
        };
        (Arc::new(Self { seen: Mutex::default(), waiting }), write_all)
    }
}

impl Auditor for NatsAuditor {
    fn refused(&self, task: &str, note: AuditNote) {
        let first = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.is_first(&note, task, std::time::Instant::now())
        };
        if first && self.waiting.try_send(note).is_err() {
            tracing::warn!("refusals come faster than they can be written");
        }
    }
}

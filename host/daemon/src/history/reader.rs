//! Reads results and dead letters from a place on, without their bodies.

use super::streams::{Kind, ReadError, Source};
use async_nats::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{self, Context};
use futures::StreamExt;
use lovage_client::wire;
use lovage_history::{Buried, Ended, Entry};
use lovage_job::dead::DeadLetter;
use lovage_job::header::Headers;
use lovage_job::result::JobResult;
use lovage_job::unit::UnixMs;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Messages that are read at once.
pub(super) const CHUNK: usize = 500;
/// Bytes of headers that are read at once.
const CHUNK_BYTES: usize = 8 << 20;
/// The broker forgets a consumer that is not used for so long.
const IDLE: Duration = Duration::from_secs(30);
/// Consumers that are kept for the next chunk of their streams.
const KEPT_MAX: usize = 128;
/// A chunk that takes longer is given up.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// What was read of a stream.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) entries: Vec<Entry>,
    /// Their places in the stream.
    places: Vec<u64>,
    /// The last message that was looked at.
    pub(super) to: u64,
    /// Messages that are neither results nor dead letters.
    pub(super) damaged: u64,
    /// Whether all that the stream had when it was listed was read.
    pub(super) done: bool,
    /// When the broker stored the first of them.
    pub(super) oldest: Option<UnixMs>,
}

impl Chunk {
    /// Leaves out what comes after a place.
    pub(super) fn up_to(&mut self, place: u64) {
        self.entries.truncate(self.places.partition_point(|at| *at <= place));
    }
}

/// Reads streams; keeps the consumers of those that go on.
#[derive(Debug)]
pub(super) struct Reader {
    js: Context,
    kept: HashMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    consumer: jetstream::consumer::Consumer<pull::Config>,
    created: UnixMs,
    at: u64,
    used: Instant,
}

impl Kept {
    /// Whether it goes on there; the broker may have forgotten one that was not used for long.
    fn serves(&self, source: &Source, from: u64) -> bool {
        self.at == from && self.created == source.created && self.used.elapsed() < IDLE / 2
    }
}

impl Reader {
    pub(super) fn new(js: Context) -> Self {
        Self { js, kept: HashMap::new() }
    }

    /// What comes after message `from` of a stream.
    pub(super) async fn read(&mut self, source: &Source, from: u64) -> Result<Chunk, ReadError> {
        let read = tokio::time::timeout(READ_WITHIN, self.chunk(source, from)).await;
        let read = read.unwrap_or_else(|_| Err(ReadError(format!("{} does not answer in time", source.name))));
        if read.is_err() {
            self.kept.remove(&source.name);
        }
        read
    }

    async fn chunk(&mut self, source: &Source, from: u64) -> Result<Chunk, ReadError> {
        let failed = |error: &dyn std::fmt::Display| ReadError(format!("{}: {error}", source.name));
        let kept = self.kept.remove(&source.name).filter(|kept| kept.serves(source, from));
        let mut consumer = match kept {
            Some(kept) => kept.consumer,
            None => {
                let made = self.js.create_consumer_on_stream(config(from), &source.name).await;
                made.map_err(|error| failed(&error))?
            }
        };
        let fetch = consumer.fetch().max_messages(CHUNK).max_bytes(CHUNK_BYTES).messages();
        let mut messages = fetch.await.map_err(|error| failed(&error))?;
        let mut chunk =
            Chunk { entries: Vec::new(), places: Vec::new(), to: from, damaged: 0, done: false, oldest: None };
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| failed(&error))?;
            let info = message.info().map_err(|error| failed(&error))?;
            let (sequence, left, at) =
                (info.stream_sequence, info.pending, stored(info.published.unix_timestamp_nanos()));
            if sequence <= chunk.to {
                return Err(failed(&format!("message {sequence} after {}", chunk.to)));
            }
            chunk.to = sequence;
            chunk.done = left == 0;
            chunk.oldest = chunk.oldest.or(Some(at));
            match entry(source, at, &message.message) {
                Read::Entry(entry) => {
                    chunk.entries.push(entry);
                    chunk.places.push(sequence);
                }
                Read::Damaged => chunk.damaged += 1,
                Read::Nothing => {}
            }
        }
        if chunk.oldest.is_none() {
            // no message is no proof that there is none: the answer may have been lost
            let info = consumer.info().await.map_err(|error| failed(&error))?;
            chunk.done = info.num_pending == 0;
        }
        if chunk.done {
            // what is missing up to here was removed
            chunk.to = chunk.to.max(source.last);
        }
        self.keep(source, consumer, chunk.to).await;
        Ok(chunk)
    }

    /// Keeps a consumer that stands at `at`; one that there is no room for is removed.
    async fn keep(&mut self, source: &Source, consumer: jetstream::consumer::Consumer<pull::Config>, at: u64) {
        if self.kept.len() >= KEPT_MAX {
            self.kept.retain(|_, kept| kept.used.elapsed() < IDLE / 3);
        }
        if self.kept.len() < KEPT_MAX {
            let kept = Kept { consumer, created: source.created, at, used: Instant::now() };
            self.kept.insert(source.name.clone(), kept);
            return;
        }
        let name = consumer.cached_info().name.clone();
        if let Err(error) = self.js.delete_consumer_from_stream(&name, &source.name).await {
            tracing::debug!(error = %error, "a consumer of the history is left to end by itself");
        }
    }
}

fn config(from: u64) -> pull::Config {
    pull::Config {
        description: Some("reads for the history".to_owned()),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from + 1 },
        ack_policy: AckPolicy::None,
        headers_only: true,
        inactive_threshold: IDLE,
        num_replicas: 1,
        memory_storage: true,
        ..pull::Config::default()
    }
}

fn stored(nanoseconds: i128) -> UnixMs {
    UnixMs(u64::try_from(nanoseconds / 1_000_000).unwrap_or(0))
}

enum Read {
    Entry(Entry),
    /// The marker of something that was removed.
    Nothing,
    Damaged,
}

fn entry(source: &Source, at: UnixMs, message: &Message) -> Read {
    let headers = message.headers.as_ref().map(wire::from_nats).unwrap_or_default();
    let is_marker = headers.get("KV-Operation").is_some_and(|operation| operation != "PUT")
        || headers.get("Nats-Marker-Reason").is_some();
    if is_marker {
        return Read::Nothing;
    }
    parse(source, at, &message.subject, &headers).map_or_else(
        || {
            tracing::debug!(stream = source.name, subject = %message.subject, "an entry cannot be read and is left out");
            Read::Damaged
        },
        Read::Entry,
    )
}

/// Reads an entry, which must be of the job that its subject names.
fn parse(source: &Source, at: UnixMs, subject: &str, headers: &Headers) -> Option<Entry> {
    let named = subject.rsplit('.').next()?;
    let tenant = source.tenant.clone();
    match source.kind {
        Kind::Results => {
            let result = JobResult::from_message(headers, Vec::new()).ok()?;
            let entry = (result.record.id.as_str() == named).then_some(Ended { tenant, at, result })?;
            Some(Entry::Ended(Box::new(entry)))
        }
        Kind::Dead => {
            let letter = DeadLetter::from_message(headers, Vec::new()).ok()?;
            let entry = (letter.id.as_str() == named).then_some(Buried { tenant, at, letter })?;
            Some(Entry::Buried(Box::new(entry)))
        }
    }
}

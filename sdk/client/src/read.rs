//! Reading stored messages by direct get: one request, answered by any replica, no consumer.
//!
//! A direct get by subject puts the subject in the request's own subject, which is what a tenant's user has the right
//! to; the others name what they want in the body and need wider rights.

use crate::claim::ClaimError;
use crate::link::{AskError, Link};
use crate::publish::{STREAM_NOT_FOUND, api_error};
use crate::wire;
use async_nats::{Message, Request, RequestErrorKind, StatusCode};
use bytes::Bytes;
use lovage_job::header::Headers;
use lovage_job::unit::UnixMs;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::time::Duration;

/// The broker's number for a consumer that is not there.
const CONSUMER_NOT_FOUND: u64 = 10_014;
/// One request.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream or bucket is not there.
    #[error("the broker has no {asset}; check the tenant's name, and that a worker has been started once")]
    Missing {
        /// The stream or bucket.
        asset: String,
    },
    /// No answer.
    #[error("{asset} does not answer; the broker may be electing a leader (try again), or this user may not read it")]
    Silent {
        /// The stream or bucket.
        asset: String,
    },
    /// The user has no right to it.
    #[error("{asset} cannot be read: {reason}")]
    Forbidden {
        /// The stream or bucket.
        asset: String,
        /// Why.
        reason: String,
    },
    /// The broker refuses.
    #[error("the broker refuses to read {asset}: {reason}")]
    Refused {
        /// The stream or bucket.
        asset: String,
        /// The broker's words.
        reason: String,
    },
    /// What is stored is not what should be.
    #[error("{what} is damaged: {reason}; it was not written by this version of Lovage")]
    Damaged {
        /// What was read.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// The object that holds the body cannot be read.
    #[error(transparent)]
    Body(#[from] ClaimError),
}

/// A stored message.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    pub(crate) stored: UnixMs,
    /// Without the broker's account of the message itself.
    pub(crate) headers: Headers,
    pub(crate) payload: Bytes,
}

impl Stored {
    /// Whether the message marks its key as deleted or expired.
    pub(crate) fn is_tombstone(&self) -> bool {
        self.headers.get("KV-Operation").is_some_and(|operation| operation != "PUT")
            || self.headers.get("Nats-Marker-Reason").is_some()
    }
}

/// The headers in which a direct get tells about the message.
const ACCOUNT: [&str; 6] =
    ["Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-Last-Sequence"];

/// Reads the answer to a direct get.
pub(crate) fn stored(message: Message, asset: &str) -> Result<Option<Stored>, ReadError> {
    let refused = |reason: String| ReadError::Refused { asset: asset.to_owned(), reason };
    match message.status {
        None | Some(StatusCode::OK) => {}
        Some(StatusCode::NOT_FOUND) => return Ok(None),
        Some(StatusCode::NO_RESPONDERS) => return Err(ReadError::Missing { asset: asset.to_owned() }),
        Some(status) => {
            return Err(refused(format!("{status} {}", message.description.as_deref().unwrap_or_default())));
        }
    }
    let mut headers = message.headers.as_ref().map(wire::from_nats).unwrap_or_default();
    let told = |name: &str| headers.get(name).map(str::to_owned);
    let subject = told("Nats-Subject").ok_or_else(|| refused("the answer names no subject".to_owned()))?;
    let sequence = told("Nats-Sequence").and_then(|text| text.parse().ok()).unwrap_or(0);
    let stored = told("Nats-Time-Stamp").and_then(|text| UnixMs::from_rfc3339(&text).ok()).unwrap_or(UnixMs(0));
    headers.0.retain(|(name, _)| !ACCOUNT.contains(&name.as_str()));
    Ok(Some(Stored { subject, sequence, stored, headers, payload: message.payload }))
}

/// The last message on exactly `subject`.
pub(crate) async fn last(
    nats: &Link,
    stream: &str,
    subject: &str,
    timeout: Duration,
) -> Result<Option<Stored>, ReadError> {
    get(nats, stream, format!("$JS.API.DIRECT.GET.{stream}.{subject}"), Bytes::new(), timeout).await
}

/// The last message that the filter takes.
pub(crate) async fn last_of(nats: &Link, stream: &str, filter: &str) -> Result<Option<Stored>, ReadError> {
    let body = json!({"last_by_subj": filter}).to_string();
    get(nats, stream, format!("$JS.API.DIRECT.GET.{stream}"), body.into(), READ_TIMEOUT).await
}

/// The first message from `sequence` on that the filter takes.
pub(crate) async fn next(nats: &Link, stream: &str, filter: &str, sequence: u64) -> Result<Option<Stored>, ReadError> {
    let body = json!({"seq": sequence, "next_by_subj": filter}).to_string();
    get(nats, stream, format!("$JS.API.DIRECT.GET.{stream}"), body.into(), READ_TIMEOUT).await
}

/// The message at `sequence`.
pub(crate) async fn at(nats: &Link, stream: &str, sequence: u64) -> Result<Option<Stored>, ReadError> {
    let body = json!({"seq": sequence}).to_string();
    get(nats, stream, format!("$JS.API.DIRECT.GET.{stream}"), body.into(), READ_TIMEOUT).await
}

async fn get(
    nats: &Link,
    stream: &str,
    subject: String,
    body: Bytes,
    timeout: Duration,
) -> Result<Option<Stored>, ReadError> {
    let request = Request::new().payload(body).timeout(Some(timeout));
    let answer = nats.ask(subject, request).await;
    stored(answer.map_err(|error| fault(&error, stream))?, stream)
}

/// What the broker knows of a stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamFacts {
    pub(crate) created: UnixMs,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

#[derive(Deserialize)]
struct Info {
    created: String,
    state: InfoState,
}

#[derive(Deserialize)]
struct InfoState {
    #[serde(default)]
    first_seq: u64,
    #[serde(default)]
    last_seq: u64,
}

#[derive(Deserialize)]
struct Purged {
    #[serde(default)]
    purged: u64,
}

/// Asks the broker about a stream.
pub(crate) async fn facts(nats: &Link, stream: &str) -> Result<StreamFacts, ReadError> {
    let info: Info = call(nats, stream, "STREAM.INFO", Bytes::new()).await?;
    let created = UnixMs::from_rfc3339(&info.created);
    let created =
        created.map_err(|error| ReadError::Refused { asset: stream.to_owned(), reason: error.to_string() })?;
    Ok(StreamFacts { created, first: info.state.first_seq, last: info.state.last_seq })
}

/// The place of the last message that a consumer has delivered; nothing where there is no such consumer.
pub(crate) async fn delivered(nats: &Link, stream: &str, consumer: &str) -> Result<Option<u64>, ReadError> {
    #[derive(Deserialize)]
    struct Info {
        delivered: Delivered,
    }
    #[derive(Deserialize)]
    struct Delivered {
        #[serde(default)]
        stream_seq: u64,
    }
    let request = Request::new().payload(Bytes::new()).timeout(Some(READ_TIMEOUT));
    let answer = nats.ask(format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"), request).await;
    let answer = answer.map_err(|error| fault(&error, stream))?;
    let refused = |reason: String| ReadError::Refused { asset: stream.to_owned(), reason };
    match api_error(&answer.payload) {
        Some(error) if error.err_code == CONSUMER_NOT_FOUND => Ok(None),
        Some(error) => Err(refused(error.description)),
        None => {
            let info: Info = serde_json::from_slice(&answer.payload).map_err(|error| refused(error.to_string()))?;
            Ok(Some(info.delivered.stream_seq))
        }
    }
}

/// Removes every message that the filter takes; returns how many there were. A stream that is not there holds none.
pub(crate) async fn purge(nats: &Link, stream: &str, filter: &str) -> Result<u64, ReadError> {
    let body = json!({"filter": filter}).to_string();
    match call::<Purged>(nats, stream, "STREAM.PURGE", body.into()).await {
        Ok(purged) => Ok(purged.purged),
        Err(ReadError::Missing { .. }) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Removes one message; returns whether it was there.
pub(crate) async fn delete(nats: &Link, stream: &str, sequence: u64) -> Result<bool, ReadError> {
    let body = json!({"seq": sequence, "no_erase": true}).to_string();
    match call::<serde_json::Value>(nats, stream, "STREAM.MSG.DELETE", body.into()).await {
        Ok(_) => Ok(true),
        Err(ReadError::Missing { .. }) => Ok(false),
        Err(ReadError::Refused { .. }) if at(nats, stream, sequence).await?.is_none() => Ok(false),
        Err(error) => Err(error),
    }
}

async fn call<T: DeserializeOwned>(nats: &Link, stream: &str, verb: &str, body: Bytes) -> Result<T, ReadError> {
    let asset = || stream.to_owned();
    let request = Request::new().payload(body).timeout(Some(READ_TIMEOUT));
    let answer = nats.ask(format!("$JS.API.{verb}.{stream}"), request).await;
    let answer = answer.map_err(|error| fault(&error, stream))?;
    match api_error(&answer.payload) {
        Some(error) if error.err_code == STREAM_NOT_FOUND => Err(ReadError::Missing { asset: asset() }),
        Some(error) => Err(ReadError::Refused { asset: asset(), reason: error.description }),
        None => serde_json::from_slice(&answer.payload)
            .map_err(|error| ReadError::Refused { asset: asset(), reason: error.to_string() }),
    }
}

fn fault(error: &AskError, stream: &str) -> ReadError {
    let asset = stream.to_owned();
    let error = match error {
        AskError::Forbidden(reason) => return ReadError::Forbidden { asset, reason: reason.clone() },
        AskError::Failed(error) => error,
    };
    match error.kind() {
        RequestErrorKind::NoResponders => ReadError::Missing { asset },
        RequestErrorKind::TimedOut => ReadError::Silent { asset },
        RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::Other => {
            ReadError::Refused { asset, reason: error.to_string() }
        }
    }
}

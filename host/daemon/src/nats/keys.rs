//! One key of a bucket by its subject: read by direct get, put and removed, without opening the bucket before.

use super::api::PublishReply;
use async_nats::{Client, HeaderMap, Request, RequestError, RequestErrorKind};
use bytes::Bytes;
use std::time::Duration;

/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long the mark of a removed key stays, so that others see the removal.
pub(super) const MARK_KEPT: Duration = Duration::from_secs(60);

/// What went wrong; the text is the broker's.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    /// No answer, or none that can be read.
    #[error("{0}")]
    Answer(String),
    /// The broker does not take it; its number and its words.
    #[error("{1}")]
    Refused(u32, String),
}

impl From<RequestError> for KeyError {
    fn from(error: RequestError) -> Self {
        Self::Answer(error.to_string())
    }
}

/// The value under `subject`, where there is one, and the revision of its key, which is 0 where it was never there. A
/// bucket that is not there holds nothing.
pub(super) async fn get(client: &Client, bucket: &str, subject: &str) -> Result<(Option<Bytes>, u64), KeyError> {
    let request = Request::new().timeout(Some(ANSWER_WITHIN));
    let reply = match client.send_request(format!("$JS.API.DIRECT.GET.KV_{bucket}.{subject}"), request).await {
        Ok(reply) => reply,
        Err(error) if error.kind() == RequestErrorKind::NoResponders => return Ok((None, 0)),
        Err(error) => return Err(error.into()),
    };
    match reply.status.map(|status| status.as_u16()) {
        Some(404) => return Ok((None, 0)),
        Some(status) => return Err(KeyError::Answer(format!("the broker answered {status}"))),
        None => {}
    }
    let headers = reply.headers.unwrap_or_default();
    let revision = headers.get("Nats-Sequence").and_then(|text| text.as_str().parse().ok());
    let revision = revision.ok_or_else(|| KeyError::Answer("the answer names no sequence".to_owned()))?;
    let gone = headers.get("KV-Operation").is_some() || headers.get("Nats-Marker-Reason").is_some();
    Ok(((!gone).then_some(reply.payload), revision))
}

/// Puts a value with headers that may be conditions; returns once its stream has it.
pub(super) async fn put(client: &Client, subject: String, headers: HeaderMap, value: Bytes) -> Result<(), KeyError> {
    let request = Request::new().headers(headers).payload(value).timeout(Some(ANSWER_WITHIN));
    let reply = client.send_request(subject, request).await?;
    let reply: PublishReply =
        serde_json::from_slice(&reply.payload).map_err(|error| KeyError::Answer(error.to_string()))?;
    match reply.error {
        None => Ok(()),
        Some(error) => Err(KeyError::Refused(error.err_code, error.description)),
    }
}

/// Headers of a message without a value that removes a key, and goes by itself.
pub(super) fn removal() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("KV-Operation", "PURGE");
    headers.insert("Nats-Rollup", "sub");
    headers.insert("Nats-TTL", format!("{}s", MARK_KEPT.as_secs()));
    headers
}

//! Reading many stored messages: batched direct gets, forward or newest first, always bounded.
//!
//! There is no consumer to create or to clean up, so a listing changes nothing on the broker.

use crate::link::Link;
use crate::read::{self, READ_TIMEOUT, ReadError, Stored};
use futures::StreamExt;
use serde_json::json;

/// Messages in one request.
const BATCH: usize = 256;
/// Bytes in one request, bodies included.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// The status that ends a batch.
const END_OF_BATCH: u16 = 204;
/// The first stretch of sequences that a search for the newest messages looks at.
const STRETCH_MIN: u64 = 512;

/// What to read of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    /// Which subjects.
    pub(crate) filter: String,
    /// After so many messages, wanted or not, the scan ends.
    pub(crate) messages_max: usize,
}

/// Every message that the filter takes, oldest first.
pub(crate) async fn forward(nats: &Link, stream: &str, scan: &Scan) -> Result<Vec<Stored>, ReadError> {
    stretch(nats, stream, &scan.filter, 1, u64::MAX, scan.messages_max).await
}

/// The messages from a sequence on that the filter takes, oldest first, at most `most`.
pub(crate) async fn after(
    nats: &Link,
    stream: &str,
    filter: &str,
    sequence: u64,
    most: usize,
) -> Result<Vec<Stored>, ReadError> {
    stretch(nats, stream, filter, sequence, u64::MAX, most).await
}

/// The newest messages that the filter takes and `wanted` makes something of, at most `limit`, newest first, and
/// whether there may be more. `below` is the sequence to stay below.
///
/// The stream is searched from its end in stretches that grow while little is found in them.
pub(crate) async fn newest<T>(
    nats: &Link,
    stream: &str,
    scan: &Scan,
    (limit, below): (usize, Option<u64>),
    mut wanted: impl FnMut(Stored) -> Option<T>,
) -> Result<(Vec<T>, bool), ReadError> {
    let facts = read::facts(nats, stream).await?;
    let (mut found, mut seen, mut span) = (Vec::new(), 0usize, STRETCH_MIN);
    let mut end = below.map_or(facts.last, |below| below.saturating_sub(1).min(facts.last));
    while end >= facts.first.max(1) {
        let start = end.saturating_sub(span - 1).max(facts.first).max(1);
        let room = scan.messages_max.saturating_sub(seen);
        let messages = stretch(nats, stream, &scan.filter, start, end, room).await?;
        seen += messages.len();
        let read = messages.len();
        for message in messages.into_iter().rev() {
            if found.len() == limit {
                return Ok((found, true));
            }
            found.extend(wanted(message));
        }
        if seen >= scan.messages_max {
            return Ok((found, true));
        }
        if u64::try_from(read).unwrap_or(u64::MAX) < span / 4 {
            span = span.saturating_mul(4);
        }
        end = start - 1;
    }
    Ok((found, false))
}

/// The messages from sequence `start` to `end` that the filter takes, oldest first, at most `most`.
pub(crate) async fn stretch(
    nats: &Link,
    stream: &str,
    filter: &str,
    start: u64,
    end: u64,
    most: usize,
) -> Result<Vec<Stored>, ReadError> {
    let mut messages: Vec<Stored> = Vec::new();
    let mut next = start;
    while messages.len() < most && next <= end {
        let batch = batch(nats, stream, filter, next, BATCH.min(most - messages.len())).await?;
        let Some(last) = batch.last() else { break };
        next = last.sequence.saturating_add(1);
        messages.extend(batch.into_iter().take_while(|message| message.sequence <= end));
    }
    Ok(messages)
}

/// One batched direct get. The broker ends it with a status message.
async fn batch(nats: &Link, stream: &str, filter: &str, sequence: u64, count: usize) -> Result<Vec<Stored>, ReadError> {
    let silent = || ReadError::Silent { asset: stream.to_owned() };
    let refused = |reason: String| ReadError::Refused { asset: stream.to_owned(), reason };
    let body = json!({"seq": sequence, "next_by_subj": filter, "batch": count, "max_bytes": BATCH_BYTES_MAX});
    let inbox = nats.new_inbox();
    let mut answers = nats.subscribe(inbox.clone()).await.map_err(|error| refused(error.to_string()))?;
    let subject = format!("$JS.API.DIRECT.GET.{stream}");
    let forbidden = nats.refused(&subject);
    tokio::pin!(forbidden);
    let asked = nats.publish_with_reply(subject, inbox, body.to_string().into()).await;
    asked.map_err(|error| refused(error.to_string()))?;
    let mut messages = Vec::new();
    loop {
        let answer = tokio::select! {
            answer = tokio::time::timeout(READ_TIMEOUT, answers.next()) => answer.map_err(|_| silent())?,
            reason = &mut forbidden => return Err(ReadError::Forbidden { asset: stream.to_owned(), reason }),
        };
        let answer = answer.ok_or_else(silent)?;
        // 204 ends the batch; so does a message beyond what was asked for, which no broker sends.
        if answer.status.is_some_and(|status| status == END_OF_BATCH) || messages.len() > count {
            return Ok(messages);
        }
        match read::stored(answer, stream)? {
            Some(message) => messages.push(message),
            None => return Ok(messages),
        }
    }
}

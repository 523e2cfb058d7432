//! Finds messages that no worker can receive, and buries them.
//!
//! The broker stores any bytes as headers; the client library drops its connection over those that are no headers, and
//! the message comes again and again, at the cost of everyone who shares the connection. So after each connection
//! that was made anew, what is under way is read by its place in the stream, where headers come as data.

use super::puller::SourceName;
use super::settle::Settler;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::{HeaderName, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lovage_job::decode::Origin;
use lovage_job::subject::{asset, lane_filter};
use lovage_job::unit::UnixMs;
use serde::Deserialize;
use std::str::FromStr;

/// The most messages of one source that are read in one sweep.
const MESSAGES_MAX: u64 = 5_000;

#[derive(Deserialize)]
struct Answer {
    message: Option<Stored>,
}

/// A message as the broker's interface gives it.
#[derive(Deserialize)]
struct Stored {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
    time: String,
}

/// A message that no worker can receive.
#[derive(Debug)]
pub struct Unreadable {
    /// The subject it was published to.
    pub subject: String,
    /// Its place in the stream.
    pub origin: Origin,
    /// Its body.
    pub payload: Vec<u8>,
    /// What is wrong with its headers.
    pub reason: String,
}

/// Sweeps one source. Errors of the broker end the sweep; the next connection begins another.
pub async fn sweep(
    js: &Context,
    settler: &Settler,
    name: &SourceName,
    stream_created_ms: u64,
) -> Result<(), async_nats::Error> {
    let (stream, consumer) = (asset::jobs(&name.tenant), asset::consumer(name.lane, &name.queue));
    let consumer: PullConsumer = js.get_consumer_from_stream(consumer, &stream).await?;
    let info = consumer.cached_info();
    let (first, last) = (info.ack_floor.stream_sequence + 1, info.delivered.stream_sequence);
    if info.num_ack_pending == 0 {
        return Ok(());
    }
    let filter = lane_filter(&name.tenant, name.lane, &name.queue);
    let prefix = filter.trim_end_matches('>');
    for sequence in first..=last.min(first.saturating_add(MESSAGES_MAX)) {
        let Some(stored) = read(js, &stream, sequence).await? else { continue };
        let block = STANDARD.decode(&stored.hdrs).unwrap_or_default();
        let (true, Err(reason)) = (stored.subject.starts_with(prefix), readable(&block)) else { continue };
        let stored_at = UnixMs::from_rfc3339(&stored.time).unwrap_or(UnixMs(0));
        let unreadable = Unreadable {
            subject: stored.subject,
            origin: Origin { stream_created_ms, sequence: stored.seq, stored: stored_at },
            payload: STANDARD.decode(&stored.data).unwrap_or_default(),
            reason,
        };
        settler.bury_unreadable(&name.tenant, &unreadable).await;
        js.get_stream_no_info(&stream).await?.delete_message(sequence).await?;
        tracing::warn!(tenant = %name.tenant, sequence, reason = unreadable.reason, "a message with unreadable headers was buried");
    }
    Ok(())
}

async fn read(js: &Context, stream: &str, sequence: u64) -> Result<Option<Stored>, async_nats::Error> {
    let subject = format!("$JS.API.STREAM.MSG.GET.{stream}");
    let request = serde_json::json!({ "seq": sequence }).to_string();
    let reply = js.client().request(subject, request.into()).await?;
    Ok(serde_json::from_slice::<Answer>(&reply.payload)?.message)
}

/// Whether the client library can read a block of headers; follows its reader step by step.
fn readable(block: &[u8]) -> Result<(), String> {
    if block.is_empty() {
        return Ok(());
    }
    let text = str::from_utf8(block).map_err(|_| "its headers are not UTF-8".to_owned())?;
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("NATS/1.0").ok_or("its headers do not begin with NATS/1.0")?.trim();
    let status = status.split_once(' ').map_or(status, |(status, _)| status.trim());
    if !status.is_empty() && StatusCode::from_str(status).is_err() {
        return Err("its headers begin with a status that is no number".to_owned());
    }
    let mut continues = false;
    for line in lines.filter(|line| !line.is_empty()) {
        if continues && line.starts_with(char::is_whitespace) {
            continue;
        }
        let (name, _) = line.split_once(':').ok_or("a line of its headers has no colon")?;
        HeaderName::from_str(name).map_err(|error| format!("a header name cannot be read: {error}"))?;
        continues = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_from_bytes() {
        for good in [&b""[..], b"NATS/1.0\r\n\r\n", b"NATS/1.0\r\nA: b\r\n more\r\nC:\r\n\r\n", b"NATS/1.0 503\r\n\r\n"]
        {
            readable(good).unwrap();
        }
        for bad in [
            &b"NATS/1.0\r\nno colon at all\r\n\r\n"[..],
            b"NATS/1.0\r\nX: \xff\xfe\r\n\r\n",
            b"HTTP/1.0\r\n\r\n",
            b"NATS/1.0 abc\r\n\r\n",
        ] {
            readable(bad).unwrap_err();
        }
    }
}

//! The lots where jobs wait that may not run yet: schedules that are due late, and fired by hand as soon as there is room.

use super::api::{PublishReply, WRONG_LAST_SEQUENCE};
use crate::ports::BrokerError;
use async_nats::{Client, HeaderMap, Message};
use bytes::Bytes;
use futures::{StreamExt, stream};
use lovage_job::name::{JobId, TenantName};
use lovage_job::subject::{Lot, asset, waiting_filter};
use serde_json::json;
use std::time::Duration;

/// The most messages that are read at once.
pub(super) const BATCH: usize = 128;
/// Bytes of one answer, bodies included.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Schedules that are fired at once.
const FIRED_TOGETHER: usize = 32;
/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The status that ends a batch.
const END_OF_BATCH: u16 = 204;

/// Headers of a schedule that its due copy does not have.
const OF_SCHEDULES: [&str; 5] =
    ["Nats-Schedule", "Nats-Schedule-Target", "Nats-Msg-Id", "Nats-Expected-Last-Subject-Sequence", "Nats-Rollup"];
/// Headers in which the broker tells about a stored message.
const OF_ANSWERS: [&str; 7] = [
    "Nats-Stream",
    "Nats-Subject",
    "Nats-Sequence",
    "Nats-Time-Stamp",
    "Nats-Num-Pending",
    "Nats-Last-Sequence",
    "Nats-UpTo-Sequence",
];

/// A stored message.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) subject: String,
    pub(super) sequence: u64,
    pub(super) message: Message,
}

impl Stored {
    fn of(message: Message) -> Option<Self> {
        let headers = message.headers.as_ref()?;
        let subject = headers.get("Nats-Subject")?.to_string();
        let sequence = headers.get("Nats-Sequence")?.as_str().parse().ok()?;
        Some(Self { subject, sequence, message })
    }

    /// Whether the filter that found it finds none after it.
    pub(super) fn is_last(&self) -> bool {
        let headers = self.message.headers.as_ref();
        headers.and_then(|headers| headers.get("Nats-Num-Pending")).is_some_and(|pending| pending.as_str() == "0")
    }

    /// Whether the message marks its key as deleted or expired.
    pub(super) fn is_tombstone(&self) -> bool {
        let headers = self.message.headers.as_ref();
        headers.is_some_and(|headers| {
            headers.get("KV-Operation").is_some_and(|operation| operation.as_str() != "PUT")
                || headers.get("Nats-Marker-Reason").is_some()
        })
    }

    /// The job of a waiting message.
    pub(super) fn job(&self) -> Option<JobId> {
        self.subject.rsplit('.').next()?.parse().ok()
    }

    /// The lot of a waiting message.
    pub(super) fn lot(&self) -> Option<&str> {
        self.subject.split('.').nth(4)
    }
}

/// Sends the jobs that have waited longest in a lot to their queues, at most `most`; returns how many. A job that
/// someone else sends at the same moment is sent once: the broker fires a schedule only while it is there.
pub async fn wake(client: &Client, tenant: &TenantName, lot: &Lot, most: usize) -> Result<usize, BrokerError> {
    wake_where(client, tenant, &waiting_filter(tenant, lot), most, |_| true).await
}

/// As [`wake`], for those waiting under `filter` that `wanted` takes.
pub(super) async fn wake_where(
    client: &Client,
    tenant: &TenantName,
    filter: &str,
    most: usize,
    wanted: impl Fn(&Stored) -> bool,
) -> Result<usize, BrokerError> {
    let stream = asset::schedules(tenant);
    // jobs that come back meanwhile are behind this and are not sent again: the work has an end
    let end = last_sequence(client, &stream).await?;
    let (mut woken, mut next) = (0, 1);
    while woken < most && next <= end {
        let waiting = read(client, &stream, filter, next, BATCH.min(most - woken)).await?;
        let Some(last) = waiting.last() else { break };
        next = last.sequence + 1;
        let mut chosen = Vec::with_capacity(waiting.len());
        for waiting in waiting {
            if waiting.sequence <= end && wanted(&waiting) {
                let client = client.clone();
                chosen.push(async move { fire(&client, &waiting).await });
            }
        }
        let mut fired = stream::iter(chosen).buffered(FIRED_TOGETHER);
        while let Some(fired) = fired.next().await {
            woken += usize::from(fired?);
        }
    }
    Ok(woken)
}

/// Those that have waited longest in a lot, at most `count` and at most a batch.
pub(super) async fn oldest(
    client: &Client,
    tenant: &TenantName,
    lot: &Lot,
    count: usize,
) -> Result<Vec<Stored>, BrokerError> {
    read(client, &asset::schedules(tenant), &waiting_filter(tenant, lot), 1, count.min(BATCH)).await
}

fn fault(error: impl std::fmt::Display) -> BrokerError {
    BrokerError(format!("waiting jobs: {error}"))
}

async fn last_sequence(client: &Client, stream: &str) -> Result<u64, BrokerError> {
    let asked = client.request(format!("$JS.API.STREAM.INFO.{stream}"), Bytes::new());
    let answer = tokio::time::timeout(ANSWER_WITHIN, asked).await.map_err(fault)?.map_err(fault)?;
    let info: serde_json::Value = serde_json::from_slice(&answer.payload).map_err(fault)?;
    let last = info.pointer("/state/last_seq").and_then(serde_json::Value::as_u64);
    last.ok_or_else(|| fault(format_args!("{stream} has no last sequence")))
}

/// The messages of a stream from sequence `from` on that a filter takes, oldest first, at most `count`: one batched
/// direct get. The broker finds the first one by its index of subjects, not by a scan.
pub(super) async fn read(
    client: &Client,
    stream: &str,
    filter: &str,
    from: u64,
    count: usize,
) -> Result<Vec<Stored>, BrokerError> {
    let ask = json!({"seq": from, "next_by_subj": filter, "batch": count.max(1), "max_bytes": BATCH_BYTES_MAX});
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(fault)?;
    let subject = format!("$JS.API.DIRECT.GET.{stream}");
    client.publish_with_reply(subject, inbox, ask.to_string().into()).await.map_err(fault)?;
    let mut found = Vec::new();
    loop {
        let answer = tokio::time::timeout(ANSWER_WITHIN, answers.next()).await.map_err(fault)?;
        let answer = answer.ok_or_else(|| fault("the connection was closed"))?;
        match answer.status.map(|status| status.as_u16()) {
            None | Some(200) => found.extend(Stored::of(answer)),
            Some(END_OF_BATCH | 404) => return Ok(found),
            Some(status) => return Err(fault(format_args!("the broker answered {status}"))),
        }
        if found.len() > count {
            return Ok(found);
        }
    }
}

/// Fires a schedule now, as the broker would when it is due. False where it is gone already.
pub(super) async fn fire(client: &Client, waiting: &Stored) -> Result<bool, BrokerError> {
    let stored = waiting.message.headers.clone().unwrap_or_default();
    let Some(target) = stored.get("Nats-Schedule-Target").map(ToString::to_string) else { return Ok(false) };
    let mut headers = HeaderMap::new();
    for (name, values) in stored.iter() {
        let text: &str = name.as_ref();
        if !OF_SCHEDULES.contains(&text) && !OF_ANSWERS.contains(&text) {
            values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
        }
    }
    headers.insert("Nats-Scheduler", waiting.subject.clone());
    headers.insert("Nats-Schedule-Next", "purge");
    headers.insert("Nats-Expected-Last-Subject-Sequence", waiting.sequence.to_string());
    headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", waiting.subject.clone());
    let sent = client.request_with_headers(target, headers, waiting.message.payload.clone());
    let reply = tokio::time::timeout(ANSWER_WITHIN, sent).await.map_err(fault)?.map_err(fault)?;
    match serde_json::from_slice::<PublishReply>(&reply.payload).map_err(fault)?.error {
        None => Ok(true),
        Some(error) if error.err_code == WRONG_LAST_SEQUENCE => Ok(false),
        Some(error) => Err(fault(error.description)),
    }
}

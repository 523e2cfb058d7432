//! Makes a picture of the cluster: one list of all streams, one of the consumers of each stream that has jobs, and the
//! first waiting message of each queue that has any. The broker answers all of these from memory.

use super::picture::{Asset, Picture, QueueState, TenantState};
use async_nats::{Client, Request};
use futures::stream::{self, StreamExt, TryStreamExt};
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::{Lane, asset, lane_filter};
use lovage_job::unit::UnixMs;
use lovage_job::worker::WorkerInfo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Questions to the broker at once.
const ASKED_AT_ONCE: usize = 8;
/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// Streams that are read, at most; a broker has fewer.
const STREAMS_MAX: usize = 100_000;

/// The broker does not tell.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// No answer, or none in time.
    #[error("the broker does not answer {asked}: {reason}")]
    Silent {
        /// What was asked.
        asked: String,
        /// Why.
        reason: String,
    },
    /// An answer that cannot be read, or that says no.
    #[error("the broker says of {asked}: {reason}")]
    Refused {
        /// What was asked.
        asked: String,
        /// What it says.
        reason: String,
    },
}

/// Looks at everything.
pub async fn look(client: &Client) -> Result<Picture, LookError> {
    let (streams, workers) = tokio::join!(streams(client), workers(client));
    let mut picture = Picture { workers: workers?, ..Picture::default() };
    let mut busy = Vec::new();
    for found in streams? {
        let Some((asset, tenant)) = Asset::of_stream(&found.config.name) else { continue };
        let state = picture.tenants.entry(tenant.clone()).or_default();
        state.stored.insert(asset, (found.state.messages, found.state.bytes));
        if asset == Asset::Jobs {
            state.fill = fill(&found);
            if found.state.messages > 0 {
                // what the consumers have is taken off as it is found
                state.unserved = found.state.messages;
                busy.push(tenant);
            }
        }
    }
    // owned, so that the futures can be sent between threads
    let lanes = stream::iter(busy.into_iter().map(|tenant| lanes(client.clone(), tenant)));
    let found: Vec<Vec<_>> = lanes.buffer_unordered(ASKED_AT_ONCE).try_collect().await?;
    let asked = found.into_iter().flatten().map(|lane| with_oldest(client.clone(), lane));
    let found: Vec<_> = stream::iter(asked).buffer_unordered(ASKED_AT_ONCE).try_collect().await?;
    for lane in found {
        add(&mut picture, lane);
    }
    add_served(&mut picture);
    Ok(picture)
}

/// One lane of one queue of one tenant.
struct Found {
    tenant: TenantName,
    queue: QueueName,
    lane: Lane,
    next: u64,
    state: QueueState,
}

fn add(picture: &mut Picture, found: Found) {
    let tenant: &mut TenantState = picture.tenants.entry(found.tenant).or_default();
    tenant.waiting = tenant.waiting.saturating_add(found.state.waiting);
    let served = found.state.waiting.saturating_add(found.state.unsettled);
    tenant.unserved = tenant.unserved.saturating_sub(served);
    tenant.queues.insert((found.queue.clone(), found.lane), found.state);
    let state = picture.queues.entry((found.queue, found.lane)).or_default();
    state.waiting = state.waiting.saturating_add(found.state.waiting);
    state.unsettled = state.unsettled.saturating_add(found.state.unsettled);
    state.oldest = [state.oldest, found.state.oldest].into_iter().flatten().min();
}

/// A queue that a worker serves is there even where it has no jobs: its numbers are 0 and not missing.
fn add_served(picture: &mut Picture) {
    for queue in picture.workers.iter().flat_map(|worker| &worker.queues) {
        for lane in Lane::ALL {
            picture.queues.entry((queue.clone(), lane)).or_default();
        }
    }
}

#[derive(Deserialize)]
struct StreamPage {
    #[serde(default)]
    total: usize,
    #[serde(default, deserialize_with = "or_none")]
    streams: Vec<StreamInfo>,
}

#[derive(Deserialize)]
struct StreamInfo {
    config: StreamConfig,
    state: StreamState,
}

#[derive(Deserialize)]
struct StreamConfig {
    name: String,
    #[serde(default)]
    max_msgs: i64,
    #[serde(default)]
    max_bytes: i64,
}

#[derive(Deserialize)]
struct StreamState {
    messages: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct ConsumerPage {
    #[serde(default)]
    total: usize,
    #[serde(default, deserialize_with = "or_none")]
    consumers: Vec<ConsumerInfo>,
}

#[derive(Deserialize)]
struct ConsumerInfo {
    name: String,
    #[serde(default)]
    num_pending: u64,
    #[serde(default)]
    num_ack_pending: u64,
    delivered: Delivered,
}

#[derive(Deserialize)]
struct Delivered {
    #[serde(default)]
    stream_seq: u64,
}

/// An empty list comes as `null`.
fn or_none<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}

fn fill(stream: &StreamInfo) -> f64 {
    let ratio = |held: u64, most: i64| {
        let most = u64::try_from(most).ok().filter(|most| *most > 0);
        most.map_or(0.0, |most| super::super::samples::as_number(held) / super::super::samples::as_number(most))
    };
    ratio(stream.state.messages, stream.config.max_msgs).max(ratio(stream.state.bytes, stream.config.max_bytes))
}

async fn streams(client: &Client) -> Result<Vec<StreamInfo>, LookError> {
    let mut all: Vec<StreamInfo> = Vec::new();
    while all.len() < STREAMS_MAX {
        let page: StreamPage = ask(client, "$JS.API.STREAM.LIST", format!("{{\"offset\":{}}}", all.len())).await?;
        let (none, total) = (page.streams.is_empty(), page.total);
        all.extend(page.streams);
        if none || all.len() >= total {
            break;
        }
    }
    Ok(all)
}

async fn workers(client: &Client) -> Result<Vec<WorkerInfo>, LookError> {
    let client = lovage_client::Client::new(client.clone(), TenantName::default_tenant());
    client.workers().await.map_err(|error| LookError::Silent { asked: "workers".to_owned(), reason: error.to_string() })
}

async fn lanes(client: Client, tenant: TenantName) -> Result<Vec<Found>, LookError> {
    let subject = format!("$JS.API.CONSUMER.LIST.{}", asset::jobs(&tenant));
    let mut all: Vec<ConsumerInfo> = Vec::new();
    loop {
        let page: ConsumerPage = ask(&client, &subject, format!("{{\"offset\":{}}}", all.len())).await?;
        let (none, total) = (page.consumers.is_empty(), page.total);
        all.extend(page.consumers);
        if none || all.len() >= total {
            break;
        }
    }
    let found = |consumer: ConsumerInfo| {
        let lane = Lane::ALL.into_iter().find(|lane| consumer.name.strip_prefix(lane.token()).is_some_and(of_queue))?;
        let queue = consumer.name.strip_prefix(lane.token())?.strip_prefix('_')?.parse().ok()?;
        let state = QueueState { waiting: consumer.num_pending, unsettled: consumer.num_ack_pending, oldest: None };
        Some(Found { tenant: tenant.clone(), queue, lane, next: consumer.delivered.stream_seq + 1, state })
    };
    Ok(all.into_iter().filter_map(found).collect())
}

/// What stands after a lane in the name of its consumer.
fn of_queue(rest: &str) -> bool {
    rest.starts_with('_')
}

/// Adds when the first job was stored that no worker has.
async fn with_oldest(client: Client, mut found: Found) -> Result<Found, LookError> {
    if found.state.waiting == 0 {
        return Ok(found);
    }
    let subject = format!("$JS.API.DIRECT.GET.{}", asset::jobs(&found.tenant));
    let filter = lane_filter(&found.tenant, found.lane, &found.queue);
    let body = serde_json::json!({"seq": found.next, "next_by_subj": filter}).to_string();
    let request = Request::new().payload(body.into()).timeout(Some(ANSWER_WITHIN));
    let answer = client.send_request(subject.clone(), request).await.map_err(|error| silent(&subject, &error))?;
    // one that was taken meanwhile is not there any more
    let stored = answer.headers.as_ref().and_then(|headers| headers.get("Nats-Time-Stamp"));
    found.state.oldest = stored.and_then(|stored| UnixMs::from_rfc3339(stored.as_str()).ok());
    Ok(found)
}

fn silent(asked: &str, error: &dyn std::fmt::Display) -> LookError {
    LookError::Silent { asked: asked.to_owned(), reason: error.to_string() }
}

async fn ask<T: DeserializeOwned>(client: &Client, subject: &str, body: String) -> Result<T, LookError> {
    #[derive(Deserialize)]
    struct No {
        error: crate::nats::api::ApiError,
    }
    let request = Request::new().payload(body.into()).timeout(Some(ANSWER_WITHIN));
    let answer = client.send_request(subject.to_owned(), request).await.map_err(|error| silent(subject, &error))?;
    let refused = |reason: String| LookError::Refused { asked: subject.to_owned(), reason };
    if let Ok(No { error }) = serde_json::from_slice::<No>(&answer.payload) {
        return Err(refused(error.description));
    }
    serde_json::from_slice(&answer.payload).map_err(|error| refused(error.to_string()))
}

//! The lots where jobs wait that may not run yet: schedules that are due late, and fired by hand as soon as there is room.

use super::api::{PublishReply, WRONG_LAST_SEQUENCE};
use crate::ports::BrokerError;
use async_nats::{Client, HeaderMap, Message};
use lovage_job::name::TenantName;
use lovage_job::subject::{Lot, asset, waiting_filter};
use serde_json::json;

/// Headers of a schedule that its due copy does not have.
const OF_SCHEDULES: [&str; 5] =
    ["Nats-Schedule", "Nats-Schedule-Target", "Nats-Msg-Id", "Nats-Expected-Last-Subject-Sequence", "Nats-Rollup"];

/// Sends the jobs that have waited longest in a lot to their queues, at most `most`; returns how many. A job that
/// someone else sends at the same moment is sent once: the broker fires a schedule only while it is there.
pub async fn wake(client: &Client, tenant: &TenantName, lot: &Lot, most: usize) -> Result<usize, BrokerError> {
    let (stream, filter) = (asset::schedules(tenant), waiting_filter(tenant, lot));
    let (mut woken, mut next) = (0, 1);
    while woken < most {
        let Some((sequence, waiting)) = oldest(client, &stream, &filter, next).await? else { break };
        next = sequence + 1;
        woken += usize::from(fire(client, sequence, &waiting).await?);
    }
    Ok(woken)
}

fn fault(error: impl std::fmt::Display) -> BrokerError {
    BrokerError(format!("waiting jobs: {error}"))
}

/// The first message of a lot from sequence `from` on.
async fn oldest(client: &Client, stream: &str, filter: &str, from: u64) -> Result<Option<(u64, Message)>, BrokerError> {
    let ask = json!({"seq": from, "next_by_subj": filter}).to_string();
    let message = client.request(format!("$JS.API.DIRECT.GET.{stream}"), ask.into()).await.map_err(fault)?;
    match message.status.map(|status| status.as_u16()) {
        Some(404) => return Ok(None),
        Some(status) => return Err(fault(format_args!("the broker answered {status}"))),
        None => {}
    }
    let sequence = message.headers.as_ref().and_then(|headers| headers.get("Nats-Sequence"));
    let sequence = sequence.and_then(|text| text.as_str().parse().ok()).ok_or_else(|| fault("no sequence"))?;
    Ok(Some((sequence, message)))
}

/// Fires a schedule now, as the broker would when it is due. False where it is gone already.
async fn fire(client: &Client, sequence: u64, waiting: &Message) -> Result<bool, BrokerError> {
    let stored = waiting.headers.clone().unwrap_or_default();
    let header = |name: &str| stored.get(name).map(ToString::to_string);
    let (Some(subject), Some(target)) = (header("Nats-Subject"), header("Nats-Schedule-Target")) else {
        return Ok(false);
    };
    let mut headers = HeaderMap::new();
    for (name, values) in stored.iter() {
        let name_text = name.to_string();
        let of_reply = ["Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending"];
        if !OF_SCHEDULES.contains(&name_text.as_str()) && !of_reply.contains(&name_text.as_str()) {
            values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
        }
    }
    headers.insert("Nats-Scheduler", subject.clone());
    headers.insert("Nats-Schedule-Next", "purge");
    headers.insert("Nats-Expected-Last-Subject-Sequence", sequence.to_string());
    headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", subject);
    let reply = client.request_with_headers(target, headers, waiting.payload.clone()).await.map_err(fault)?;
    match serde_json::from_slice::<PublishReply>(&reply.payload).map_err(fault)?.error {
        None => Ok(true),
        Some(error) if error.err_code == WRONG_LAST_SEQUENCE => Ok(false),
        Some(error) => Err(fault(error.description)),
    }
}

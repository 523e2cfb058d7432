//! Schedules on the broker: definitions, planned ticks, how far they are planned, and who may run them.
//!
//! Everything is written under a condition, so whoever repeats a step after a crash finds it done.

use super::api::{PublishReply, WRONG_LAST_SEQUENCE};
use super::broker::NatsBroker;
use crate::ports::{BrokerError, Schedules};
use async_nats::{Client, HeaderMap, Message};
use bytes::Bytes;
use lovage_client::wire;
use lovage_job::name::{JobId, ScheduleName, TenantName};
use lovage_job::schedule::{Claim, Cursor, RunJob, Runs, ScheduleRecord};
use lovage_job::subject::{JobSubject, ScheduleKind, asset, schedule, tick, tick_filter};
use lovage_job::unit::UnixMs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::time::Duration;

/// How long a claim keeps a second message of its tick from running.
const CLAIM_KEPT: Duration = Duration::from_secs(14 * 86_400);
/// How long to wait for each answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

fn fault(error: impl std::fmt::Display) -> BrokerError {
    BrokerError(format!("schedules: {error}"))
}

impl Schedules for NatsBroker {
    async fn schedule(&self, tenant: &TenantName, name: &ScheduleName) -> Result<Option<ScheduleRecord>, BrokerError> {
        definition(&self.client, tenant, name).await
    }

    async fn claim(
        &self,
        tenant: &TenantName,
        name: &ScheduleName,
        tick: &JobId,
        claim: Claim,
    ) -> Result<bool, BrokerError> {
        let key = asset::claim_key(tenant, name, tick);
        let mut revision = 0;
        loop {
            if set(&self.client, &key, &claim, revision, Some(CLAIM_KEPT)).await? {
                return Ok(true);
            }
            let (held, at) = value::<Claim>(&self.client, asset::TICKS, &key).await?;
            match held {
                Some(held) if held == claim => return Ok(true),
                Some(held) if !claim.succeeds(&held) => return Ok(false),
                // a later round of the same job, or a claim that has expired
                Some(_) | None => revision = at,
            }
        }
    }

    async fn runs(&self, tenant: &TenantName, name: &ScheduleName) -> Result<(Runs, u64), BrokerError> {
        let (runs, revision) = value(&self.client, asset::TICKS, &asset::runs_key(tenant, name)).await?;
        Ok((runs.unwrap_or_default(), revision))
    }

    async fn set_runs(
        &self,
        tenant: &TenantName,
        name: &ScheduleName,
        runs: &Runs,
        revision: u64,
    ) -> Result<bool, BrokerError> {
        set(&self.client, &asset::runs_key(tenant, name), runs, revision, None).await
    }

    async fn is_under_way(&self, tenant: &TenantName, run: &RunJob) -> Result<bool, BrokerError> {
        if self.results.get(tenant, &run.id).await?.is_some() {
            return Ok(false);
        }
        // it may move from one place to the other while they are looked at, but not twice
        Ok(is_scheduled(&self.client, tenant, run).await?
            || is_queued(&self.client, tenant, run).await?
            || is_scheduled(&self.client, tenant, run).await?)
    }
}

async fn is_queued(client: &Client, tenant: &TenantName, run: &RunJob) -> Result<bool, BrokerError> {
    Ok(first(client, &asset::jobs(tenant), &run.subject).await?.is_some())
}

async fn is_scheduled(client: &Client, tenant: &TenantName, run: &RunJob) -> Result<bool, BrokerError> {
    let Ok(subject) = JobSubject::parse(&run.subject) else { return Ok(false) };
    let waiting = format!("lovage.{tenant}.sched.wait.*.{}", run.id);
    for filter in [schedule(tenant, ScheduleKind::Retry, &run.id), waiting, subject.due(&run.id)] {
        if first(client, &asset::schedules(tenant), &filter).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first message of a stream that a filter takes.
async fn first(client: &Client, stream: &str, filter: &str) -> Result<Option<Message>, BrokerError> {
    let ask = json!({"seq": 1, "next_by_subj": filter}).to_string();
    asked(client, format!("$JS.API.DIRECT.GET.{stream}"), ask.into()).await
}

async fn asked(client: &Client, subject: String, ask: Bytes) -> Result<Option<Message>, BrokerError> {
    let request = async_nats::Request::new().payload(ask).timeout(Some(ANSWER_WITHIN));
    let message = client.send_request(subject, request).await.map_err(fault)?;
    match message.status.map(|status| status.as_u16()) {
        None => Ok(Some(message)),
        Some(404) => Ok(None),
        Some(status) => Err(fault(format_args!("the broker answered {status}"))),
    }
}

/// The value of a key and the revision that a change of it must name. What cannot be read counts as not there: nobody
/// could do anything with it, and a job must not go round in circles for it.
async fn value<T: DeserializeOwned>(client: &Client, bucket: &str, key: &str) -> Result<(Option<T>, u64), BrokerError> {
    let subject = format!("$JS.API.DIRECT.GET.KV_{bucket}.$KV.{bucket}.{key}");
    let Some(message) = asked(client, subject, Bytes::new()).await? else { return Ok((None, 0)) };
    let headers = message.headers.unwrap_or_default();
    let revision = headers.get("Nats-Sequence").and_then(|text| text.as_str().parse().ok()).unwrap_or(0);
    if headers.get("KV-Operation").is_some() || headers.get("Nats-Marker-Reason").is_some() {
        return Ok((None, revision));
    }
    match serde_json::from_slice(&message.payload) {
        Ok(value) => Ok((Some(value), revision)),
        Err(error) => {
            tracing::warn!(bucket, key, error = %error, "a value cannot be read");
            Ok((None, revision))
        }
    }
}

/// Writes a key of what is known of ticks, where its revision is as expected. False where it is not.
async fn set(
    client: &Client,
    key: &str,
    value: &impl Serialize,
    revision: u64,
    kept: Option<Duration>,
) -> Result<bool, BrokerError> {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string());
    if let Some(kept) = kept {
        headers.insert("Nats-TTL", format!("{}s", kept.as_secs()));
    }
    let body = serde_json::to_vec(value).map_err(fault)?;
    write(client, format!("$KV.{}.{key}", asset::TICKS), headers, body.into()).await
}

/// Publishes once and reads the confirmation. False where the condition does not hold.
async fn write(client: &Client, subject: String, headers: HeaderMap, body: Bytes) -> Result<bool, BrokerError> {
    let request = async_nats::Request::new().headers(headers).payload(body).timeout(Some(ANSWER_WITHIN));
    let reply = client.send_request(subject, request).await.map_err(fault)?;
    match serde_json::from_slice::<PublishReply>(&reply.payload).map_err(fault)?.error {
        None => Ok(true),
        Some(error) if error.err_code == WRONG_LAST_SEQUENCE => Ok(false),
        Some(error) => Err(fault(error.description)),
    }
}

/// A schedule; nothing where it was removed.
pub async fn definition(
    client: &Client,
    tenant: &TenantName,
    name: &ScheduleName,
) -> Result<Option<ScheduleRecord>, BrokerError> {
    Ok(value(client, asset::SCHEDULES, &asset::schedule_key(tenant, name)).await?.0)
}

/// How far a schedule is planned, and the revision that a change of it must name.
pub async fn cursor(
    client: &Client,
    tenant: &TenantName,
    name: &ScheduleName,
) -> Result<(Option<Cursor>, u64), BrokerError> {
    value(client, asset::TICKS, &asset::cursor_key(tenant, name)).await
}

/// Moves the cursor of a schedule. False where someone else did so first.
pub async fn set_cursor(
    client: &Client,
    tenant: &TenantName,
    name: &ScheduleName,
    cursor: Cursor,
    revision: u64,
) -> Result<bool, BrokerError> {
    set(client, &asset::cursor_key(tenant, name), &cursor, revision, None).await
}

/// Hands a tick to the broker, which makes a job of it when it is due. One that is there already is left as it is.
pub async fn plan_tick(
    client: &Client,
    tenant: &TenantName,
    record: &ScheduleRecord,
    slot: UnixMs,
) -> Result<(), BrokerError> {
    let id = JobId::of_tick(&record.name, slot.0);
    let mut headers = wire::to_nats(&record.headers(Some(slot)));
    headers.insert("Nats-Schedule", format!("@at {}", slot.to_rfc3339()));
    headers.insert("Nats-Schedule-Target", record.subject(tenant, &id).due(&id));
    headers.insert("Nats-Msg-Id", format!("tick:{}:{}:{}", record.name, record.since.0, slot.0));
    headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
    let body = record.definition.input.bytes().ok_or_else(|| fault("an input is damaged"))?;
    let _there_already = write(client, tick(tenant, &record.name, record.since, slot), headers, body.into()).await?;
    Ok(())
}

/// Removes the planned ticks of one definition of a schedule.
pub async fn unplan(
    client: &Client,
    tenant: &TenantName,
    name: &ScheduleName,
    since: UnixMs,
) -> Result<(), BrokerError> {
    let ask = json!({"filter": tick_filter(tenant, name, since)}).to_string();
    let subject = format!("$JS.API.STREAM.PURGE.{}", asset::schedules(tenant));
    let request = async_nats::Request::new().payload(ask.into()).timeout(Some(ANSWER_WITHIN));
    let reply = client.send_request(subject, request).await.map_err(fault)?;
    match serde_json::from_slice::<PublishReply>(&reply.payload).map_err(fault)?.error {
        None => Ok(()),
        Some(error) => Err(fault(error.description)),
    }
}

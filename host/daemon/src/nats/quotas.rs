//! A tenant's quota as its streams enforce it: queued jobs, their bytes and the size of a message are refused at publish.
//!
//! Measured on a server: a stream whose limit is lowered under what it holds keeps it and refuses what is new. A due job
//! that is larger than its stream takes blocks those behind it until the limit is raised, so the limit of messages is
//! lowered only while no schedule is stored; that of the schedules themselves is lowered at once.

use super::topology::{TopologyConfig, TopologyError, fault};
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, Info};
use lovage_job::name::TenantName;
use lovage_job::subject::asset;
use lovage_job::tenant::Quota;

/// Notes in a stream that its limit of messages is that of a quota, so that it is taken back with the quota.
const OF_QUOTA: &str = "lovage-queued";
/// The broker's number for storage that it cannot keep aside.
const NO_STORAGE: &str = "10047";

/// Sees that a tenant's streams, which must be there, have the limits of its quota.
pub async fn apply(
    js: &Context,
    tenant: &TenantName,
    config: TopologyConfig,
    quota: &Quota,
) -> Result<(), TopologyError> {
    let schedules = info(js, &asset::schedules(tenant)).await?;
    let stored = schedules.state.messages;
    let mut wanted = schedules.config.clone();
    wanted.max_message_size = limit32(quota.schedule_bytes());
    update(js, &schedules.config, wanted).await?;
    let jobs = info(js, &asset::jobs(tenant)).await?;
    let mut wanted = jobs.config.clone();
    set_queued(&mut wanted, quota.queued, config.jobs_max);
    wanted.max_bytes = quota.queued_bytes.map_or(-1, |size| i64::try_from(size.0).unwrap_or(i64::MAX));
    let size = limit32(quota.message_bytes());
    let lower = size > 0 && (wanted.max_message_size <= 0 || size < wanted.max_message_size);
    if lower && stored > 0 {
        update(js, &jobs.config, wanted).await?;
        let reason = format!("messages are limited to {size} bytes once the {stored} stored schedules are through");
        return Err(fault(&asset::jobs(tenant))(&reason));
    }
    wanted.max_message_size = size;
    update(js, &jobs.config, wanted).await
}

fn limit32(bytes: Option<u64>) -> i32 {
    bytes.map_or(-1, |bytes| i32::try_from(bytes).unwrap_or(i32::MAX))
}

/// Without a quota, the limit stays that of whoever made the stream.
fn set_queued(config: &mut Config, queued: Option<u64>, jobs_max: i64) {
    match queued {
        Some(queued) => {
            config.max_messages = i64::try_from(queued).unwrap_or(i64::MAX);
            config.metadata.insert(OF_QUOTA.to_owned(), queued.to_string());
        }
        None if config.metadata.remove(OF_QUOTA).is_some() => config.max_messages = jobs_max,
        None => {}
    }
}

async fn info(js: &Context, name: &str) -> Result<Info, TopologyError> {
    let stream = js.get_stream(name).await.map_err(|error| fault(name)(&error))?;
    Ok(stream.cached_info().clone())
}

async fn update(js: &Context, before: &Config, wanted: Config) -> Result<(), TopologyError> {
    if *before == wanted {
        return Ok(());
    }
    match js.update_stream(&wanted).await {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains(NO_STORAGE) || error.to_string().contains("insufficient storage") => {
            let reason = format!(
                "the server cannot keep {} bytes of its storage aside; lower queued_bytes, or raise max_file_store",
                wanted.max_bytes
            );
            Err(fault(&wanted.name)(&reason))
        }
        Err(error) => Err(fault(&wanted.name)(&error)),
    }
}

/// Closes the stream of schedules for new delayed jobs, or opens it again. What is stored fires in any case.
pub async fn set_delays_open(js: &Context, tenant: &TenantName, open: bool) -> Result<(), TopologyError> {
    let before = info(js, &asset::schedules(tenant)).await?.config;
    let wanted = Config { subjects: schedule_subjects(tenant, open), ..before.clone() };
    update(js, &before, wanted).await
}

/// What the stream of schedules takes.
pub(super) fn schedule_subjects(tenant: &TenantName, open: bool) -> Vec<String> {
    let due = format!("lovage.{tenant}.due.>");
    match open {
        true => vec![format!("lovage.{tenant}.sched.>"), due],
        // what workers write goes on: retries, ticks, and jobs that are held back
        false => ["retry", "tick", "wait"]
            .map(|kind| format!("lovage.{tenant}.sched.{kind}.>"))
            .into_iter()
            .chain([due])
            .collect(),
    }
}

/// How much a stream holds: messages and bytes; nothing where there is no such stream.
pub async fn held(js: &Context, name: &str) -> Option<(u64, u64)> {
    let info = info(js, name).await.ok()?;
    Some((info.state.messages, info.state.bytes))
}

/// Every stream that holds what a tenant stores, but for its components.
pub fn streams(tenant: &TenantName) -> [String; 6] {
    [
        asset::jobs(tenant),
        asset::schedules(tenant),
        asset::dead(tenant),
        lovage_job::log::stream(tenant),
        format!("KV_{}", asset::results(tenant)),
        format!("OBJ_{}", asset::payloads(tenant)),
    ]
}

//! A tenant's quota as its streams enforce it: queued jobs, their bytes and the size of a message are refused at publish,
//! and what tasks keep is refused beyond its bounds.
//!
//! Measured on a server: a stream whose limit is lowered under what it holds keeps it and refuses what is new. A due job
//! that is larger than its stream takes blocks those behind it until the limit is raised, so the limit of messages is
//! lowered only while no schedule is stored; that of the schedules themselves is lowered at once.

use super::topology::{TopologyConfig, TopologyError, fault};
use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, Info};
use async_nats::jetstream::{Context, ErrorCode};
use lovage_job::name::TenantName;
use lovage_job::subject::asset;
use lovage_job::tenant::Quota;

/// Notes in a stream that its limit of messages is that of a quota, so that it is taken back with the quota.
const OF_QUOTA: &str = "lovage-queued";
/// The broker's number for storage that it cannot keep aside.
const NO_STORAGE: &str = "10047";

/// How far a quota holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// All of it.
    Whole,
    /// What is named here only later.
    Later(String),
}

/// Sees that a tenant's streams have the limits of its quota. Where it has none, workers put their own, and who is no
/// worker leaves what is there.
pub async fn apply(
    js: &Context,
    tenant: &TenantName,
    workers: Option<TopologyConfig>,
    quota: &Quota,
) -> Result<Applied, TopologyError> {
    let applied = limit_jobs(js, tenant, workers.map(|config| config.jobs_max), quota).await?;
    let kept = [
        (format!("KV_{}", asset::keyvalue(tenant)), quota.keyvalue.or(workers.map(|config| config.keyvalue))),
        (format!("OBJ_{}", asset::blobs(tenant)), quota.blobstore.or(workers.map(|config| config.blobstore))),
    ];
    for (stream, most) in kept {
        // made when first used, with its limit
        if let (Some(most), Some(there)) = (most, there(js, &stream).await?) {
            let wanted = Config { max_bytes: signed(most.0), ..there.config.clone() };
            update(js, &there.config, wanted).await?;
        }
    }
    Ok(applied)
}

async fn limit_jobs(
    js: &Context,
    tenant: &TenantName,
    jobs_max: Option<i64>,
    quota: &Quota,
) -> Result<Applied, TopologyError> {
    let streams = (there(js, &asset::schedules(tenant)).await?, there(js, &asset::jobs(tenant)).await?);
    let (Some(schedules), Some(jobs)) = streams else {
        return Ok(Applied::Later(
            "the tenant has no streams yet; they are limited once a worker made them".to_owned(),
        ));
    };
    let stored = schedules.state.messages;
    let mut wanted = schedules.config.clone();
    wanted.max_message_size = limit32(quota.schedule_bytes());
    update(js, &schedules.config, wanted).await?;
    let mut wanted = jobs.config.clone();
    set_queued(&mut wanted, quota.queued, jobs_max);
    wanted.max_bytes = quota.queued_bytes.map_or(-1, |size| signed(size.0));
    let size = limit32(quota.message_bytes());
    let lower = size > 0 && (wanted.max_message_size <= 0 || size < wanted.max_message_size);
    if lower && stored > 0 {
        update(js, &jobs.config, wanted).await?;
        let reason = format!("messages are limited to {size} bytes once the {stored} stored schedules are through");
        return Ok(Applied::Later(reason));
    }
    wanted.max_message_size = size;
    update(js, &jobs.config, wanted).await?;
    Ok(Applied::Whole)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn limit32(bytes: Option<u64>) -> i32 {
    bytes.map_or(-1, |bytes| i32::try_from(bytes).unwrap_or(i32::MAX))
}

/// Without a quota, the limit stays that of whoever made the stream; one that was a quota's becomes that of a worker.
fn set_queued(config: &mut Config, queued: Option<u64>, jobs_max: Option<i64>) {
    match (queued, jobs_max) {
        (Some(queued), _) => {
            config.max_messages = signed(queued);
            config.metadata.insert(OF_QUOTA.to_owned(), queued.to_string());
        }
        (None, Some(jobs_max)) if config.metadata.remove(OF_QUOTA).is_some() => config.max_messages = jobs_max,
        (None, _) => {}
    }
}

/// A stream that may not be there.
async fn there(js: &Context, name: &str) -> Result<Option<Info>, TopologyError> {
    match js.get_stream(name).await {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(fault(name)(&error)),
    }
}

fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

async fn update(js: &Context, before: &Config, wanted: Config) -> Result<(), TopologyError> {
    if *before == wanted {
        return Ok(());
    }
    match js.update_stream(&wanted).await {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains(NO_STORAGE) || error.to_string().contains("insufficient storage") => {
            let reason = format!(
                "the server cannot keep {} bytes of its storage aside; lower the quota, or raise max_file_store",
                wanted.max_bytes
            );
            Err(fault(&wanted.name)(&reason))
        }
        Err(error) => Err(fault(&wanted.name)(&error)),
    }
}

/// Closes the stream of schedules for new delayed jobs, or opens it again. What is stored fires in any case.
pub async fn set_delays_open(js: &Context, tenant: &TenantName, open: bool) -> Result<(), TopologyError> {
    let name = asset::schedules(tenant);
    let before = there(js, &name).await?.ok_or_else(|| fault(&name)(&"it is not there"))?.config;
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
pub async fn held(js: &Context, name: &str) -> Result<(u64, u64), TopologyError> {
    Ok(there(js, name).await?.map_or((0, 0), |info| (info.state.messages, info.state.bytes)))
}

/// Every stream that holds what a tenant stores, but for its components. What it has in buckets that tenants share is not
/// among them: operators alone write there for a tenant, and cancels and ticks, which are small and go away.
pub fn streams(tenant: &TenantName) -> [String; 9] {
    [
        asset::jobs(tenant),
        asset::schedules(tenant),
        asset::dead(tenant),
        lovage_job::log::stream(tenant),
        format!("KV_{}", asset::results(tenant)),
        format!("KV_{}", asset::state(tenant)),
        format!("OBJ_{}", asset::payloads(tenant)),
        format!("KV_{}", asset::keyvalue(tenant)),
        format!("OBJ_{}", asset::blobs(tenant)),
    ]
}

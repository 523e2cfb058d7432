//! What must be on the broker before a worker can serve a tenant: streams, consumers and buckets.
//!
//! The reasons for each setting are in `host/docs/ARCHITECTURE.md`. Everything here may be repeated: it creates what
//! is missing and leaves the rest as it is.

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, RetentionPolicy, Source, StorageType, Stream, SubjectTransform,
};
use async_nats::jetstream::{Context, kv};
use lovage_job::audit::STREAM;
use lovage_job::name::{QueueName, TenantName};
use lovage_job::storage::{BUCKETS_BYTES_DEFAULT, CONTAINERS_BYTES_DEFAULT};
use lovage_job::subject::{Lane, asset, dead_filter, lane_filter};
use lovage_job::unit::{ByteSize, UnixMs};
use lovage_job::usage::METERS;
use std::time::Duration;

/// How long a worker may hold a job without a sign of life.
pub const ACK_WAIT: Duration = Duration::from_secs(30);
/// How old a lease gets before it is extended.
pub const EXTEND_AFTER: Duration = Duration::from_secs(10);
/// How long the broker remembers message ids.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Consumers of one stream: acknowledgements on a work queue cost time for each of them.
const CONSUMERS_MAX: i32 = 48;
/// How long dead letters are kept.
const DEAD_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// How long the counters of a day are kept after the last addition to them.
const METERS_KEPT: Duration = Duration::from_secs(400 * 86_400);

/// What a tenant's streams are made with.
#[derive(Debug, Clone, Copy)]
pub struct TopologyConfig {
    /// Copies of each stream; 1, 3 or 5.
    pub replicas: usize,
    /// Jobs that may wait; a publisher beyond that is refused.
    pub jobs_max: i64,
    /// Bytes of what tasks keep under keys, where the tenant's record does not say.
    pub keyvalue: ByteSize,
    /// Bytes of the blobs that tasks keep, where the tenant's record does not say.
    pub blobstore: ByteSize,
    /// Jobs of one lane of one queue that are worked on at once, over all workers.
    pub running_max: i64,
}

impl Default for TopologyConfig {
    fn default() -> Self {
        Self {
            replicas: 1,
            jobs_max: 1_000_000,
            keyvalue: ByteSize(BUCKETS_BYTES_DEFAULT),
            blobstore: ByteSize(CONTAINERS_BYTES_DEFAULT),
            running_max: 10_000,
        }
    }
}

/// A stream, consumer or bucket that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{asset} cannot be created or opened: {reason}")]
pub struct TopologyError {
    /// Its name.
    pub asset: String,
    /// What the broker says.
    pub reason: String,
}

pub(super) fn fault(asset: &str) -> impl Fn(&dyn std::fmt::Display) -> TopologyError {
    let asset = asset.to_owned();
    move |reason| TopologyError { asset: asset.clone(), reason: reason.to_string() }
}

/// The buckets that tenants share, whose keys begin with the tenant's name and a dot, with what each is for. Who removes a
/// tenant removes its keys of all of them.
pub const SHARED: &[(&str, &str)] = &[
    (asset::CATALOG, "tasks, versions and aliases"),
    (asset::TENANTS, "tenants"),
    (asset::CONTROL, "cancels, pauses and limits"),
    (asset::SCHEDULES, "schedules"),
    (asset::TICKS, "what is planned and claimed of the ticks of schedules"),
    (asset::WEBHOOKS, "secrets that webhooks are signed with"),
    (asset::SECRETS, "sealed secrets"),
    (lovage_job::token::TOKENS, "hashes of bearer tokens"),
    (lovage_job::token::SESSIONS, "hashes of sessions of the console"),
    (lovage_job::limit::STATES, "who runs how many under each limit"),
];

/// Makes the buckets that all tenants share.
pub async fn ensure_shared(js: &Context, config: TopologyConfig) -> Result<(), TopologyError> {
    for (bucket, about) in SHARED {
        let config = kv::Config {
            bucket: (*bucket).to_owned(),
            description: (*about).to_owned(),
            history: 1,
            num_replicas: config.replicas,
            limit_markers: Some(Duration::from_secs(60)),
            ..kv::Config::default()
        };
        bucket_of(js, config).await?;
    }
    bucket_of(js, super::requests::bucket(config.replicas)).await?;
    stream_of(js, meters(config)).await?;
    super::audit::ensure(js, config.replicas).await.map_err(|error| fault(STREAM)(&error))
}

fn meters(config: TopologyConfig) -> Config {
    Config {
        name: METERS.to_owned(),
        description: Some("what tenants use, by day".to_owned()),
        subjects: vec!["lovage.*.meter.>".to_owned()],
        storage: StorageType::File,
        num_replicas: config.replicas,
        max_age: METERS_KEPT,
        max_messages_per_subject: 1,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        allow_message_counter: true,
        ..Config::default()
    }
}

pub(super) async fn bucket_of(js: &Context, config: kv::Config) -> Result<kv::Store, TopologyError> {
    let name = config.bucket.clone();
    if let Ok(store) = js.get_key_value(&name).await {
        return Ok(store);
    }
    match js.create_key_value(config).await {
        Ok(store) => Ok(store),
        // another worker may have made it meanwhile
        Err(error) => js.get_key_value(&name).await.map_err(|_| fault(&name)(&error)),
    }
}

/// Makes a tenant's streams and its buckets of results and state. Returns when the stream of jobs was created, which ids of
/// plain jobs are made from.
pub async fn ensure_tenant(js: &Context, tenant: &TenantName, config: TopologyConfig) -> Result<UnixMs, TopologyError> {
    stream_of(js, schedules(tenant, config)).await?;
    let jobs = stream_of(js, jobs(tenant, config)).await?;
    stream_of(js, dead(tenant, config)).await?;
    for (bucket, about) in [(asset::results(tenant), "results"), (asset::state(tenant), "keys, groups and checkpoints")]
    {
        let config = kv::Config {
            bucket,
            description: format!("{about} of {tenant}"),
            history: 1,
            num_replicas: config.replicas,
            limit_markers: Some(Duration::from_secs(60)),
            ..kv::Config::default()
        };
        bucket_of(js, config).await?;
    }
    let created = jobs.cached_info().created;
    let ms = created.unix_timestamp_nanos() / 1_000_000;
    Ok(UnixMs(u64::try_from(ms).unwrap_or(0)))
}

async fn stream_of(js: &Context, config: Config) -> Result<Stream, TopologyError> {
    let name = config.name.clone();
    if let Ok(stream) = js.get_stream(&name).await {
        return Ok(stream);
    }
    match js.create_stream(config).await {
        Ok(stream) => Ok(stream),
        Err(error) => js.get_stream(&name).await.map_err(|_| fault(&name)(&error)),
    }
}

fn schedules(tenant: &TenantName, config: TopologyConfig) -> Config {
    Config {
        name: asset::schedules(tenant),
        description: Some(format!("delays and retries of {tenant}")),
        subjects: super::quotas::schedule_subjects(tenant, true),
        // due copies go away once the stream of jobs has them
        retention: RetentionPolicy::WorkQueue,
        storage: StorageType::File,
        num_replicas: config.replicas,
        duplicate_window: DUPLICATE_WINDOW,
        allow_message_schedules: true,
        allow_message_ttl: true,
        allow_direct: true,
        allow_rollup: true,
        ..Config::default()
    }
}

fn jobs(tenant: &TenantName, config: TopologyConfig) -> Config {
    let due = SubjectTransform { source: format!("lovage.{tenant}.due.>"), destination: format!("lovage.{tenant}.>") };
    Config {
        name: asset::jobs(tenant),
        description: Some(format!("waiting jobs of {tenant}")),
        subjects: Lane::ALL.iter().map(|lane| format!("lovage.{tenant}.{}.>", lane.token())).collect(),
        retention: RetentionPolicy::WorkQueue,
        // a publisher to a full queue is told, and nothing is dropped
        discard: DiscardPolicy::New,
        max_messages: config.jobs_max,
        storage: StorageType::File,
        num_replicas: config.replicas,
        duplicate_window: DUPLICATE_WINDOW,
        max_consumers: CONSUMERS_MAX,
        allow_direct: true,
        sources: Some(vec![Source {
            name: asset::schedules(tenant),
            subject_transforms: vec![due],
            ..Source::default()
        }]),
        ..Config::default()
    }
}

fn dead(tenant: &TenantName, config: TopologyConfig) -> Config {
    Config {
        name: asset::dead(tenant),
        description: Some(format!("dead letters of {tenant}")),
        subjects: vec![dead_filter(tenant)],
        storage: StorageType::File,
        num_replicas: config.replicas,
        max_age: DEAD_KEPT,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        ..Config::default()
    }
}

/// Makes the consumer of one lane of a queue.
pub async fn ensure_consumer(
    js: &Context,
    tenant: &TenantName,
    queue: &QueueName,
    lane: Lane,
    config: TopologyConfig,
) -> Result<PullConsumer, TopologyError> {
    let (stream, name) = (asset::jobs(tenant), asset::consumer(lane, queue));
    let config = pull::Config {
        durable_name: Some(name.clone()),
        filter_subject: lane_filter(tenant, lane, queue),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        // attempts are counted by us; past this count a message would stay in the stream, invisible
        max_deliver: -1,
        max_ack_pending: config.running_max,
        max_waiting: 512,
        num_replicas: config.replicas,
        ..pull::Config::default()
    };
    let made = js.create_consumer_on_stream(config, &stream).await;
    made.map_err(|error| fault(&format!("consumer {name} of {stream}"))(&error))
}

//! What tenants have used, and what they store.

use crate::client::Client;
use crate::read::{ReadError, Stored};
use crate::scan::{self, Scan};
use async_nats::jetstream::stream;
use futures::TryStreamExt;
use lovage_job::name::TenantName;
use lovage_job::subject::asset;
use lovage_job::tenant::TenantRecord;
use lovage_job::unit::ByteSize;
use lovage_job::usage::{self, Day, METERS, Used};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most counters that are read: a year of a thousand tenants has more, a month has not.
const COUNTERS_MAX: usize = 500_000;

/// What one tenant used, by day, and stores now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TenantUsage {
    /// What was used on each day that anything was.
    pub days: BTreeMap<Day, Used>,
    /// All of these days together.
    pub total: Used,
    /// What is stored now.
    pub stored: StoredBytes,
    /// How much may be stored.
    pub limits: StoredLimits,
}

/// How many bytes a tenant may store. Nothing is without limit, or that nothing of it was stored yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StoredLimits {
    /// All but components, by the tenant's record.
    pub storage: Option<ByteSize>,
    /// What its tasks keep under keys, as the broker holds it.
    pub keyvalue: Option<ByteSize>,
    /// Blobs of its tasks, as the broker holds it.
    pub blobs: Option<ByteSize>,
}

/// What a tenant has on the broker, in bytes of one copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StoredBytes {
    /// Jobs that wait or run, and those that are due later.
    pub jobs: u64,
    /// Results.
    pub results: u64,
    /// Dead letters.
    pub dead: u64,
    /// Logs.
    pub logs: u64,
    /// Components.
    pub components: u64,
    /// Large payloads and outputs.
    pub payloads: u64,
    /// Keys that make jobs one, groups and checkpoints.
    pub state: u64,
    /// What tasks keep under keys.
    pub keyvalue: u64,
    /// Blobs of tasks.
    pub blobs: u64,
}

impl StoredBytes {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.counted().saturating_add(self.components)
    }

    /// What counts to the quota of storage: all but components.
    pub fn counted(&self) -> u64 {
        let Self { jobs, results, dead, logs, components: _, payloads, state, keyvalue, blobs } = *self;
        [jobs, results, dead, logs, payloads, state, keyvalue, blobs].into_iter().fold(0, u64::saturating_add)
    }
}

impl TenantUsage {
    /// Adds a stream of `tenant`; whether it is one.
    fn add(&mut self, tenant: &TenantName, info: &stream::Info) -> bool {
        let (stored, limits, name) = (&mut self.stored, &mut self.limits, &info.config.name);
        // one without a limit has none above nothing
        let most = u64::try_from(info.config.max_bytes).ok().filter(|most| *most > 0).map(ByteSize);
        let place = if *name == asset::jobs(tenant) || *name == asset::schedules(tenant) {
            &mut stored.jobs
        } else if *name == format!("KV_{}", asset::results(tenant)) {
            &mut stored.results
        } else if *name == asset::dead(tenant) {
            &mut stored.dead
        } else if *name == lovage_job::log::stream(tenant) {
            &mut stored.logs
        } else if *name == format!("OBJ_{}", asset::components(tenant)) {
            &mut stored.components
        } else if *name == format!("OBJ_{}", asset::payloads(tenant)) {
            &mut stored.payloads
        } else if *name == format!("KV_{}", asset::state(tenant)) {
            &mut stored.state
        } else if *name == format!("KV_{}", asset::keyvalue(tenant)) {
            limits.keyvalue = most;
            &mut stored.keyvalue
        } else if *name == format!("OBJ_{}", asset::blobs(tenant)) {
            limits.blobs = most;
            &mut stored.blobs
        } else {
            return false;
        };
        *place = place.saturating_add(info.state.bytes);
        true
    }
}

/// The value of a counter.
#[derive(Deserialize)]
struct Count {
    val: String,
}

impl Client {
    /// What this tenant has used since a day, that day included, and stores now. For operators: a tenant's users may
    /// not read it.
    pub async fn usage(&self, since: Day) -> Result<TenantUsage, ReadError> {
        let mut all = self.usage_where(&usage::filter(&self.tenant), since).await?;
        let mut one = all.remove(&self.tenant).unwrap_or_default();
        for record in self.tenant_records().await? {
            if record.tenant == self.tenant {
                one.limits.storage = record.quota.storage;
            }
        }
        self.each_stream(|info| {
            one.add(&self.tenant, info);
        })
        .await?;
        Ok(one)
    }

    /// What each tenant has used since a day, that day included, and stores now. For operators.
    pub async fn usage_of_all(&self, since: Day) -> Result<BTreeMap<TenantName, TenantUsage>, ReadError> {
        let mut all = self.usage_where("lovage.*.meter.>", since).await?;
        for record in self.tenant_records().await? {
            all.entry(record.tenant).or_default().limits.storage = record.quota.storage;
        }
        self.each_stream(|info| {
            let found = all.iter_mut().any(|(tenant, usage)| usage.add(tenant, info));
            let _a_stream_of_all_tenants_is_nobodys = found;
        })
        .await?;
        Ok(all)
    }

    async fn usage_where(&self, filter: &str, since: Day) -> Result<BTreeMap<TenantName, TenantUsage>, ReadError> {
        let scan = Scan { filter: filter.to_owned(), messages_max: COUNTERS_MAX };
        let mut all: BTreeMap<TenantName, TenantUsage> = BTreeMap::new();
        for stored in scan::forward(&self.nats, METERS, &scan).await? {
            let Some((tenant, day, metric)) = usage::parse(&stored.subject) else { continue };
            if day < since {
                continue;
            }
            let count = count(&stored)?;
            let one = all.entry(tenant).or_default();
            let used = one.days.entry(day).or_default();
            used.set(metric, count);
        }
        for one in all.values_mut() {
            one.days.values().for_each(|used| one.total += *used);
        }
        Ok(all)
    }

    /// The records of tenants that can be read.
    async fn tenant_records(&self) -> Result<Vec<TenantRecord>, ReadError> {
        let prefix = format!("$KV.{}.", asset::TENANTS);
        let scan = Scan { filter: format!("{prefix}>"), messages_max: COUNTERS_MAX };
        let stored = scan::forward(&self.nats, &format!("KV_{}", asset::TENANTS), &scan).await?;
        let there = stored.iter().filter(|stored| !stored.is_tombstone());
        Ok(there.filter_map(|stored| serde_json::from_slice(&stored.payload).ok()).collect())
    }

    /// Tells of each stream.
    async fn each_stream(&self, mut each: impl FnMut(&stream::Info)) -> Result<(), ReadError> {
        let mut streams = self.jetstream.streams();
        let refused = |error: String| ReadError::Refused { asset: "the list of streams".to_owned(), reason: error };
        while let Some(info) = streams.try_next().await.map_err(|error| refused(error.to_string()))? {
            each(&info);
        }
        Ok(())
    }
}

fn count(stored: &Stored) -> Result<u64, ReadError> {
    let damaged = |reason: String| ReadError::Damaged { what: format!("counter {}", stored.subject), reason };
    let count: Count = serde_json::from_slice(&stored.payload).map_err(|error| damaged(error.to_string()))?;
    count.val.parse().map_err(|_| damaged(format!("{:?} is not a count", count.val)))
}

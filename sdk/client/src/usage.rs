//! What tenants have used, and what they store.

use crate::client::Client;
use crate::read::{ReadError, Stored};
use crate::scan::{self, Scan};
use futures::TryStreamExt;
use lovage_job::name::TenantName;
use lovage_job::subject::asset;
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
    /// What tasks keep: key-value buckets and blobs.
    pub data: u64,
}

impl StoredBytes {
    /// All of it.
    pub fn total(&self) -> u64 {
        let parts = [self.jobs, self.results, self.dead, self.logs, self.components, self.payloads, self.data];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Adds a stream of `tenant`; whether it is one.
    fn add(&mut self, tenant: &TenantName, stream: &str, bytes: u64) -> bool {
        let place = if stream == asset::jobs(tenant) || stream == asset::schedules(tenant) {
            &mut self.jobs
        } else if stream == format!("KV_{}", asset::results(tenant)) {
            &mut self.results
        } else if stream == asset::dead(tenant) {
            &mut self.dead
        } else if stream == lovage_job::log::stream(tenant) {
            &mut self.logs
        } else if stream == format!("OBJ_{}", asset::components(tenant)) {
            &mut self.components
        } else if stream == format!("OBJ_{}", asset::payloads(tenant)) {
            &mut self.payloads
        } else if stream == format!("KV_{}", asset::keyvalue(tenant))
            || stream == format!("OBJ_{}", asset::blobs(tenant))
        {
            &mut self.data
        } else {
            return false;
        };
        *place = place.saturating_add(bytes);
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
        self.storage(|stream, bytes| {
            one.stored.add(&self.tenant, stream, bytes);
        })
        .await?;
        Ok(one)
    }

    /// What each tenant has used since a day, that day included, and stores now. For operators.
    pub async fn usage_of_all(&self, since: Day) -> Result<BTreeMap<TenantName, TenantUsage>, ReadError> {
        let mut all = self.usage_where("lovage.*.meter.>", since).await?;
        for tenant in self.tenant_names().await? {
            all.entry(tenant).or_default();
        }
        self.storage(|stream, bytes| {
            let found = all.iter_mut().any(|(tenant, usage)| usage.stored.add(tenant, stream, bytes));
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

    /// The names of the tenants that are noted.
    async fn tenant_names(&self) -> Result<Vec<TenantName>, ReadError> {
        let prefix = format!("$KV.{}.", asset::TENANTS);
        let scan = Scan { filter: format!("{prefix}>"), messages_max: COUNTERS_MAX };
        let stored = scan::forward(&self.nats, &format!("KV_{}", asset::TENANTS), &scan).await?;
        let there = stored.iter().filter(|stored| !stored.is_tombstone());
        Ok(there.filter_map(|stored| stored.subject.strip_prefix(&prefix)?.parse().ok()).collect())
    }

    /// Tells the name and the bytes of each stream.
    async fn storage(&self, mut each: impl FnMut(&str, u64)) -> Result<(), ReadError> {
        let mut streams = self.jetstream.streams();
        let refused = |error: String| ReadError::Refused { asset: "the list of streams".to_owned(), reason: error };
        while let Some(info) = streams.try_next().await.map_err(|error| refused(error.to_string()))? {
            each(&info.config.name, info.state.bytes);
        }
        Ok(())
    }
}

fn count(stored: &Stored) -> Result<u64, ReadError> {
    let damaged = |reason: String| ReadError::Damaged { what: format!("counter {}", stored.subject), reason };
    let count: Count = serde_json::from_slice(&stored.payload).map_err(|error| damaged(error.to_string()))?;
    count.val.parse().map_err(|_| damaged(format!("{:?} is not a count", count.val)))
}

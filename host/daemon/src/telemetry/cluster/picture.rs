//! How the cluster is at one moment, as the broker and the workers tell it.

use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::Lane;
use lovage_job::unit::UnixMs;
use lovage_job::worker::WorkerInfo;
use std::collections::BTreeMap;

/// What a stream or bucket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asset {
    /// Jobs that wait or run.
    Jobs,
    /// Delays, retries, held jobs and ticks.
    Schedules,
    /// Results.
    Results,
    /// Dead letters.
    Dead,
    /// Logs.
    Logs,
    /// Components.
    Components,
    /// Large payloads and outputs.
    Payloads,
    /// Keys that make jobs one, groups and checkpoints.
    State,
    /// What tasks keep under keys.
    KeyValue,
    /// Blobs of tasks.
    Blobs,
}

impl Asset {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Jobs,
        Self::Schedules,
        Self::Results,
        Self::Dead,
        Self::Logs,
        Self::Components,
        Self::Payloads,
        Self::State,
        Self::KeyValue,
        Self::Blobs,
    ];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Schedules => "schedules",
            Self::Results => "results",
            Self::Dead => "dead-letters",
            Self::Logs => "logs",
            Self::Components => "components",
            Self::Payloads => "payloads",
            Self::State => "state",
            Self::KeyValue => "keyvalue",
            Self::Blobs => "blobs",
        }
    }

    /// What its stream is called, before the name of the tenant.
    fn prefix(self) -> &'static str {
        match self {
            Self::Jobs => "JOBS_",
            Self::Schedules => "SCHED_",
            Self::Results => "KV_results-",
            Self::Dead => "DEAD_",
            Self::Logs => "LOGS_",
            Self::Components => "OBJ_components-",
            Self::Payloads => "OBJ_payloads-",
            Self::State => "KV_state-",
            Self::KeyValue => "KV_kv-",
            Self::Blobs => "OBJ_blobs-",
        }
    }

    /// What a stream is for, and whose it is. Streams that tenants share, and those of others, are none of these.
    pub fn of_stream(name: &str) -> Option<(Self, TenantName)> {
        Self::ALL.into_iter().find_map(|asset| Some((asset, name.strip_prefix(asset.prefix())?.parse().ok()?)))
    }
}

/// How one lane of a queue is, over all tenants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Jobs that no worker has.
    pub waiting: u64,
    /// Jobs that workers hold.
    pub unsettled: u64,
    /// When the one that has waited longest was stored.
    pub oldest: Option<UnixMs>,
}

/// What a tenant has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TenantState {
    /// Jobs that no worker has.
    pub waiting: u64,
    /// Jobs in queues that no worker has ever served.
    pub unserved: u64,
    /// Messages and bytes of its streams.
    pub stored: BTreeMap<Asset, (u64, u64)>,
    /// How full its stream of jobs is, from 0 to 1; 0 where it has no limit.
    pub fill: f64,
    /// Its queues, with their lanes.
    pub queues: BTreeMap<(QueueName, Lane), QueueState>,
}

impl TenantState {
    /// All that it takes, in bytes.
    pub fn bytes(&self) -> u64 {
        self.stored.values().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// Messages in its streams of a kind.
    pub fn messages(&self, asset: Asset) -> u64 {
        self.stored.get(&asset).map_or(0, |(messages, _)| *messages)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.waiting = self.waiting.saturating_add(other.waiting);
        self.unserved = self.unserved.saturating_add(other.unserved);
        for (asset, (messages, bytes)) in &other.stored {
            let sum = self.stored.entry(*asset).or_default();
            *sum = (sum.0.saturating_add(*messages), sum.1.saturating_add(*bytes));
        }
        self.fill = self.fill.max(other.fill);
    }
}

/// How the cluster is.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Each lane of each queue that has jobs or workers.
    pub queues: BTreeMap<(QueueName, Lane), QueueState>,
    /// Each tenant that has streams.
    pub tenants: BTreeMap<TenantName, TenantState>,
    /// The workers that answer.
    pub workers: Vec<WorkerInfo>,
}

impl Picture {
    /// At most so many lanes of queues: those with the most jobs, and of those without any the first by name.
    pub fn busiest_queues(&self, most: usize) -> Vec<(&(QueueName, Lane), &QueueState)> {
        let mut all: Vec<_> = self.queues.iter().collect();
        if all.len() > most {
            all.sort_by_key(|(_, state)| std::cmp::Reverse(state.waiting.saturating_add(state.unsettled)));
            all.truncate(most);
            all.sort_by_key(|(name, _)| (*name).clone());
        }
        all
    }

    /// Messages and bytes by what they are for, over all tenants; also of what there is nothing of.
    pub fn stored(&self) -> BTreeMap<Asset, (u64, u64)> {
        let mut all = TenantState::default();
        self.tenants.values().for_each(|tenant| all.add(tenant));
        Asset::ALL.into_iter().map(|asset| (asset, all.stored.get(&asset).copied().unwrap_or_default())).collect()
    }

    /// Jobs in queues that no worker has ever served.
    pub fn unserved(&self) -> u64 {
        self.tenants.values().map(|tenant| tenant.unserved).fold(0, u64::saturating_add)
    }

    /// How full the fullest stream of jobs is.
    pub fn fill(&self) -> f64 {
        self.tenants.values().map(|tenant| tenant.fill).fold(0.0, f64::max)
    }
}

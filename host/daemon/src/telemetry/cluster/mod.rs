//! What the broker and all workers tell together: queues, storage, dead letters, workers. Looked at on demand and at most
//! every few seconds, however often it is asked for, so that scrapes never burden the broker.

mod look;
mod picture;

pub use look::{LookError, look};
pub use picture::{Asset, Picture, QueueState, TenantState};

use super::Samples;
use super::names::{
    CLUSTER_LOOK_AGE, CLUSTER_LOOK_SECONDS, CLUSTER_UP, DEAD_LETTERS_STORED, HISTORY_LAG_SECONDS, JOBS_SCHEDULED,
    JOBS_UNSERVED, QUEUE_OLDEST, QUEUE_UNSETTLED, QUEUE_WAITING, QUEUE_WORKERS, STORED_BYTES, STORED_MESSAGES,
    STREAM_FILL, TENANT_DEAD_LETTERS, TENANT_STORED_BYTES, TENANT_WAITING, TENANTS, WORKERS, WORKERS_ATTEMPTS_MAX,
    WORKERS_ATTEMPTS_RUNNING,
};
use crate::clock::now;
use crate::counters::OTHER_TENANTS;
use async_nats::Client;
use lovage_job::worker::WorkerMode;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A picture is not made anew before it is this old.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Nor before this many times as long as it took to make.
const REST_TIMES: u32 = 5;
/// A look that takes longer is given up.
const LOOK_WITHIN: Duration = Duration::from_secs(8);
/// Queues that have series of their own; the busiest are kept.
const QUEUES_MAX: usize = 200;

/// The age of the oldest end of a job that is not in the history yet, where that is known.
pub type HistoryLag = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

/// The metrics of the cluster.
pub struct Cluster {
    client: Client,
    tenants_max: Option<usize>,
    history_lag: Option<HistoryLag>,
    looked: Mutex<Option<Looked>>,
}

struct Looked {
    at: Instant,
    took: Duration,
    /// Nothing where the broker did not tell all of it.
    picture: Option<Arc<Picture>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("tenants_max", &self.tenants_max).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Looks through an operator's connection. Tenants have series of their own where a number of them is given.
    pub fn new(client: Client, tenants_max: Option<usize>) -> Self {
        Self { client, tenants_max, history_lag: None, looked: Mutex::default() }
    }

    /// Tells also how far the history is behind.
    #[must_use]
    pub fn with_history_lag(self, lag: HistoryLag) -> Self {
        Self { history_lag: Some(lag), ..self }
    }

    /// How it is, at most a few seconds old; nothing where the broker does not tell.
    pub async fn picture(&self) -> Option<Arc<Picture>> {
        self.looked().await.0
    }

    /// The numbers of now, at most a few seconds old.
    pub async fn samples(&self) -> Samples {
        let (picture, took, age) = self.looked().await;
        let mut samples = Samples::default();
        samples.count(&CLUSTER_UP, [], u64::from(picture.is_some()));
        samples.number(&CLUSTER_LOOK_SECONDS, [], took.as_secs_f64());
        samples.number(&CLUSTER_LOOK_AGE, [], age.as_secs_f64());
        if let Some(picture) = picture {
            tell(&mut samples, &picture);
            if let Some(most) = self.tenants_max {
                tell_tenants(&mut samples, &picture, most);
            }
        }
        if let Some(lag) = self.history_lag.as_ref().and_then(|lag| lag()) {
            samples.number(&HISTORY_LAG_SECONDS, [], lag.as_secs_f64());
        }
        samples
    }

    /// Whoever asks while a look goes on waits for it and gets what it finds.
    async fn looked(&self) -> (Option<Arc<Picture>>, Duration, Duration) {
        let mut looked = self.looked.lock().await;
        let fresh = looked.as_ref().filter(|last| last.at.elapsed() < LOOK_EVERY.max(last.took * REST_TIMES));
        if let Some(last) = fresh {
            return (last.picture.clone(), last.took, last.at.elapsed());
        }
        let begun = Instant::now();
        let found = tokio::time::timeout(LOOK_WITHIN, look(&self.client)).await;
        let picture = match found {
            Ok(Ok(picture)) => Some(Arc::new(picture)),
            Ok(Err(error)) => {
                tracing::debug!(error = %error, "the cluster cannot be looked at");
                None
            }
            Err(_) => {
                tracing::debug!(within = ?LOOK_WITHIN, "the broker does not tell of the cluster in time");
                None
            }
        };
        let took = begun.elapsed();
        *looked = Some(Looked { at: Instant::now(), took, picture: picture.clone() });
        (picture, took, Duration::ZERO)
    }
}

fn tell(samples: &mut Samples, picture: &Picture) {
    let now = now();
    samples.count(&TENANTS, [], size(picture.tenants.len()));
    for ((queue, lane), state) in picture.busiest_queues(QUEUES_MAX) {
        let labels = [queue.as_str(), lane.as_str()];
        samples.count(&QUEUE_WAITING, labels, state.waiting);
        samples.count(&QUEUE_UNSETTLED, labels, state.unsettled);
        let age = state.oldest.map(|stored| now.since(stored)).unwrap_or_default();
        samples.number(&QUEUE_OLDEST, labels, age.as_secs_f64());
    }
    for (asset, (messages, bytes)) in picture.stored() {
        samples.count(&STORED_MESSAGES, [asset.as_str()], messages);
        samples.count(&STORED_BYTES, [asset.as_str()], bytes);
        match asset {
            Asset::Schedules => samples.count(&JOBS_SCHEDULED, [], messages),
            Asset::Dead => samples.count(&DEAD_LETTERS_STORED, [], messages),
            _ => {}
        }
    }
    samples.count(&JOBS_UNSERVED, [], picture.unserved());
    samples.number(&STREAM_FILL, [], picture.fill());
    tell_workers(samples, picture);
}

fn tell_workers(samples: &mut Samples, picture: &Picture) {
    let workers = &picture.workers;
    for mode in [WorkerMode::Running, WorkerMode::Quiet, WorkerMode::Draining] {
        let count = workers.iter().filter(|worker| worker.mode == mode).count();
        samples.count(&WORKERS, [mode.as_str()], size(count));
    }
    samples.count(&WORKERS_ATTEMPTS_MAX, [], size(workers.iter().map(|worker| worker.concurrency).sum()));
    samples.count(&WORKERS_ATTEMPTS_RUNNING, [], size(workers.iter().map(|worker| worker.running).sum()));
    let mut serving: BTreeMap<&str, usize> = picture.queues.keys().map(|(queue, _)| (queue.as_str(), 0)).collect();
    for worker in workers.iter().filter(|worker| worker.mode == WorkerMode::Running) {
        for queue in &worker.queues {
            *serving.entry(queue.as_str()).or_default() += 1;
        }
    }
    for (queue, count) in serving.into_iter().take(QUEUES_MAX) {
        samples.count(&QUEUE_WORKERS, [queue], size(count));
    }
}

/// The tenants with the most jobs waiting and the most stored have series of their own, all others one together.
fn tell_tenants(samples: &mut Samples, picture: &Picture, most: usize) {
    let mut all: Vec<_> = picture.tenants.iter().collect();
    all.sort_by_key(|(name, state)| (std::cmp::Reverse((state.waiting, state.bytes())), (*name).clone()));
    let (named, rest) = all.split_at(most.min(all.len()));
    let mut others = TenantState::default();
    rest.iter().for_each(|(_, state)| others.add(state));
    let named = named.iter().map(|(name, state)| (name.as_str(), *state));
    for (name, state) in named.chain([(OTHER_TENANTS, &others)]) {
        samples.count(&TENANT_WAITING, [name], state.waiting);
        samples.count(&TENANT_DEAD_LETTERS, [name], state.messages(Asset::Dead));
        samples.count(&TENANT_STORED_BYTES, [name], state.bytes());
    }
}

fn size(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;

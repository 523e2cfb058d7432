//! What is seen at one moment, on a screen or as JSON.

use crate::counters::Histogram;
use crate::telemetry::cluster::{Asset, Picture, QueueState, TenantState};
use lovage_job::name::{JobId, QueueName, TaskName, TenantName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::subject::Lane;
use lovage_job::unit::UnixMs;
use serde::Serialize;

/// What is seen.
#[derive(Debug, Clone, Serialize)]
pub(super) struct View {
    /// When.
    pub(super) at: UnixMs,
    /// Whose jobs; all where nothing is said.
    pub(super) tenant: Option<TenantName>,
    /// The seconds that rates and times are of.
    pub(super) seconds: u64,
    /// Ends of jobs each second.
    pub(super) jobs_per_second: f64,
    /// Of all attempts that ended, those that did not complete, from 0 to 1.
    pub(super) failed_ratio: f64,
    /// Retries each second.
    pub(super) retries_per_second: f64,
    /// How long attempts took, of half, 95 and 99 in a hundred; nothing where none ended.
    pub(super) duration_seconds: Option<[f64; 3]>,
    /// Ends of jobs in each of the last seconds, the newest last.
    pub(super) curve: Vec<u64>,
    /// Lanes of queues, of all tenants.
    pub(super) queues: Vec<QueueRow>,
    /// Workers.
    pub(super) workers: Vec<WorkerRow>,
    /// Tasks by how often they ran.
    pub(super) tasks: Vec<TaskRow>,
    /// The last failures, newest first.
    pub(super) failures: Vec<Failure>,
    /// Dead letters that are stored.
    pub(super) dead_letters: Option<u64>,
    /// Why queues and workers are not seen.
    pub(super) unseen: Option<String>,
}

/// A lane of a queue.
#[derive(Debug, Clone, Serialize)]
pub(super) struct QueueRow {
    pub(super) queue: String,
    pub(super) lane: Lane,
    pub(super) waiting: u64,
    pub(super) unsettled: u64,
    /// How long the first one has waited.
    pub(super) oldest_seconds: Option<f64>,
}

/// A worker.
#[derive(Debug, Clone, Serialize)]
pub(super) struct WorkerRow {
    pub(super) name: String,
    pub(super) mode: &'static str,
    pub(super) running: usize,
    pub(super) concurrency: usize,
    pub(super) queues: Vec<String>,
}

/// A task.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TaskRow {
    pub(super) task: String,
    pub(super) attempts: u64,
    pub(super) failed: u64,
    pub(super) mean_seconds: f64,
}

/// An attempt that did not complete.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Failure {
    pub(super) at: UnixMs,
    pub(super) tenant: TenantName,
    pub(super) id: JobId,
    pub(super) task: TaskName,
    pub(super) attempt: u32,
    pub(super) outcome: OutcomeKind,
    pub(super) message: String,
}

/// Puts what is known of the cluster into a view.
pub(super) fn show(view: &mut View, picture: &Picture, tenant: Option<&TenantName>) {
    let lane = |((queue, lane), state): (&(QueueName, Lane), &QueueState)| QueueRow {
        queue: queue.to_string(),
        lane: *lane,
        waiting: state.waiting,
        unsettled: state.unsettled,
        oldest_seconds: state.oldest.map(|stored| view.at.since(stored).as_secs_f64()),
    };
    view.queues = picture.queues.iter().map(lane).collect();
    view.workers = picture
        .workers
        .iter()
        .map(|worker| WorkerRow {
            name: worker.name.to_string(),
            mode: worker.mode.as_str(),
            running: worker.running,
            concurrency: worker.concurrency,
            queues: worker.queues.iter().map(ToString::to_string).collect(),
        })
        .collect();
    let of = |(name, state): (&TenantName, &TenantState)| {
        let counts = tenant.is_none_or(|tenant| tenant == name);
        if counts { state.messages(Asset::Dead) } else { 0 }
    };
    view.dead_letters = Some(picture.tenants.iter().map(of).sum());
}

/// The duration that half, 95 and 99 in a hundred do not pass, as exact as the buckets are.
pub(super) fn durations<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Option<[f64; 3]> {
    let mut counts: Vec<(Option<u64>, u64)> = Vec::new();
    for reading in histograms.map(Histogram::read) {
        if counts.is_empty() {
            counts = reading.buckets;
        } else {
            counts.iter_mut().zip(reading.buckets).for_each(|((_, sum), (_, count))| *sum += count);
        }
    }
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    (total > 0).then(|| [0.5, 0.95, 0.99].map(|share| quantile(&counts, total, share)))
}

fn quantile(counts: &[(Option<u64>, u64)], total: u64, share: f64) -> f64 {
    let wanted = total as f64 * share;
    let (mut seen, mut lower) = (0.0, 0.0);
    for (upper, count) in counts {
        let upper = upper.map_or(lower, |upper| upper as f64 / 1e6);
        if *count > 0 && seen + *count as f64 >= wanted {
            return lower + (upper - lower) * ((wanted - seen) / *count as f64);
        }
        (seen, lower) = (seen + *count as f64, upper);
    }
    lower
}

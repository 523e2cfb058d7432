//! Tenants that share a worker: what one tenant's backlog does to another's jobs, and what weights are worth.
//!
//! Round trips are timed one at a time with a pause before each, as those of a tenant with a trickle of jobs. Shares
//! are counted in the store, over a time in which every tenant has jobs waiting.

use super::component;
use super::fill::fill_with;
use super::ground::Ground;
use super::latency::{Latency, measure_of};
use anyhow::ensure;
use serde::Serialize;
use std::time::Duration;

/// Round trips of the light tenant, each time.
const SAMPLES: usize = 500;
/// Before each.
const PAUSE: Duration = Duration::from_millis(10);
/// Jobs of each tenant whose share is counted: more than can run meanwhile.
const QUEUED: usize = 20_000;
/// How long shares are counted.
const COUNTED: Duration = Duration::from_secs(30);

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct SharedOptions {
    /// Busy jobs that one tenant has waiting.
    pub backlog: usize,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Shared {
    /// Busy jobs that one tenant had waiting.
    pub backlog: usize,
    /// Another's round trips while nothing else ran.
    pub idle: Latency,
    /// The same beside the busy jobs.
    pub beside: Latency,
    /// The 99th of 100 beside the busy jobs, to that while nothing else ran.
    pub p99_ratio: f64,
    /// What tenants of different weights got.
    pub weights: Vec<WeightShare>,
}

/// What a tenant got of a worker.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct WeightShare {
    /// Its weight.
    pub weight: u32,
    /// Jobs of it that ended while they were counted.
    pub jobs: u64,
    /// How far that is from its share of all, in percent of it.
    pub off_percent: f64,
}

/// Tenants that share the worker.
pub(super) struct Bench<'a>(pub(super) Ground<'a>);

impl Bench<'_> {
    /// Measures on a worker that runs.
    pub(super) async fn measure(&self, options: SharedOptions, tell: &impl Fn(&str)) -> anyhow::Result<Shared> {
        let ground = &self.0;
        tell(&format!("round trips beside {} busy jobs of another tenant", options.backlog));
        ground.tenant("light", 1, &component::add()?).await?;
        ground.tenant("heavy", 1, &component::burn()?).await?;
        let idle = measure_of(ground.client, ("light", 0), SAMPLES, PAUSE).await?;
        fill_with(ground.client, options.backlog, "", |number| format!("lovage.heavy.job.default.burn.h-{number}"))
            .await?;
        ground.runs("heavy").await?;
        let beside = measure_of(ground.client, ("light", 1), SAMPLES, PAUSE).await?;
        ensure!(ground.jobs("heavy").await? > 0, "the backlog ended before the round trips did; give a larger one");
        ground.empty("heavy").await?;
        tell(&format!("weights 1, 2 and 4 for {COUNTED:.0?}"));
        #[allow(clippy::cast_precision_loss)]
        let p99_ratio = beside.p99_us as f64 / idle.p99_us.max(1) as f64;
        Ok(Shared { backlog: options.backlog, idle, beside, p99_ratio, weights: self.weights(&[1, 2, 4]).await? })
    }

    /// What tenants of these weights get, each of them with more jobs waiting than can run.
    async fn weights(&self, weights: &[u32]) -> anyhow::Result<Vec<WeightShare>> {
        let (ground, name) = (&self.0, |weight: &u32| format!("weight-{weight}"));
        for weight in weights {
            let tenant = name(weight);
            ground.tenant(&tenant, *weight, &component::burn()?).await?;
            fill_with(ground.client, QUEUED, "", |number| format!("lovage.{tenant}.job.default.burn.w-{number}"))
                .await?;
        }
        for weight in weights {
            ground.runs(&name(weight)).await?;
        }
        let mut before = Vec::new();
        for weight in weights {
            before.push(ground.ended(&name(weight)).await?);
        }
        tokio::time::sleep(COUNTED).await;
        let mut counts = Vec::new();
        for (weight, before) in weights.iter().zip(before) {
            counts.push((*weight, ground.ended(&name(weight)).await? - before));
        }
        for weight in weights {
            ensure!(ground.jobs(&name(weight)).await? > 0, "tenant {} ran out of jobs", name(weight));
            ground.empty(&name(weight)).await?;
        }
        Ok(shares(&counts))
    }
}

/// What each got beside what its weight gives it.
fn shares(counts: &[(u32, u64)]) -> Vec<WeightShare> {
    let (all, weights): (u64, u32) =
        counts.iter().fold((0, 0), |(jobs, sum), (weight, count)| (jobs + count, sum + weight));
    let share = |(weight, jobs): &(u32, u64)| {
        #[allow(clippy::cast_precision_loss)]
        let (due, got) = (all as f64 * f64::from(*weight) / f64::from(weights.max(1)), *jobs as f64);
        WeightShare { weight: *weight, jobs: *jobs, off_percent: (got - due) / due.max(1.0) * 100.0 }
    };
    counts.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_told_beside_the_weights() {
        let told = shares(&[(1, 110), (2, 190), (4, 400)]);
        let off: Vec<f64> = told.iter().map(|share| share.off_percent.round()).collect();
        assert_eq!(off, [10.0, -5.0, 0.0]);
    }
}

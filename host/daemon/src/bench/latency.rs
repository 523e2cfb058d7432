//! Latency: one job at a time, from publish to the outcome in the caller's hand.

use super::fill::{INPUT, id};
use anyhow::{Context as _, ensure};
use async_nats::{Client, HeaderMap};
use futures::StreamExt;
use lovage_job::header;
use serde::Serialize;
use std::time::{Duration, Instant};

/// How long one job may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Round trips, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// How many were timed.
    pub samples: usize,
    /// Half of them took at most this.
    pub p50_us: u64,
    /// 99 of 100 took at most this.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Latency {
    /// What so many times come to.
    pub(super) fn of(mut times_us: Vec<u64>) -> Self {
        times_us.sort_unstable();
        let samples = times_us.len();
        let at = |percent: usize| {
            let place = (samples * percent / 100).min(samples.saturating_sub(1));
            times_us.get(place).copied().unwrap_or(0)
        };
        Self { samples, p50_us: at(50), p99_us: at(99), max_us: at(100) }
    }
}

/// How long it has been, in microseconds.
pub(super) fn since_us(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Times `samples` jobs of the default tenant after a few to warm up.
pub(super) async fn measure(client: &Client, samples: usize, round: usize) -> anyhow::Result<Latency> {
    measure_of(client, ("default", round), samples, Duration::ZERO).await
}

/// Times `samples` jobs of a tenant after a few to warm up, with a pause before each.
pub(super) async fn measure_of(
    client: &Client,
    (tenant, round): (&str, usize),
    samples: usize,
    pause: Duration,
) -> anyhow::Result<Latency> {
    const WARM_UP: usize = 20;
    let inbox = client.new_inbox();
    let mut outcomes = client.subscribe(inbox.clone()).await?;
    let mut times = Vec::with_capacity(samples);
    for number in 0..WARM_UP + samples {
        tokio::time::sleep(pause).await;
        let subject = format!("lovage.{tenant}.job.default.add.{}", id(round, number));
        let mut headers = HeaderMap::new();
        headers.insert(header::REPLY, inbox.as_str());
        let began = Instant::now();
        client.publish_with_headers(subject, headers, INPUT.into()).await?;
        let outcome = tokio::time::timeout(WITHIN, outcomes.next()).await.context("a job did not end in time")?;
        let took = since_us(began);
        let outcome = outcome.context("the subscription ended")?;
        let body = outcome.payload;
        ensure!(body == "42", "a job gave {body:?} instead of 42: {:?}", outcome.headers);
        if number >= WARM_UP {
            times.push(took);
        }
    }
    Ok(Latency::of(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_time_that_so_many_do_not_pass() {
        let Latency { samples, p50_us, p99_us, max_us } = Latency::of((0..1_000).rev().collect());
        assert_eq!((samples, p50_us, p99_us, max_us), (1_000, 500, 990, 999));
        assert_eq!(Latency::of(vec![7]).p99_us, 7);
        assert_eq!(Latency::of(Vec::new()).p99_us, 0);
    }
}

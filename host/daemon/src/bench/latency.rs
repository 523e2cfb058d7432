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
        let took = began.elapsed();
        let outcome = outcome.context("the subscription ended")?;
        let body = outcome.payload;
        ensure!(body == "42", "a job gave {body:?} instead of 42: {:?}", outcome.headers);
        if number >= WARM_UP {
            times.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }
    times.sort_unstable();
    let at = |share: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let place = (times.len() as f64 * share) as usize;
        times.get(place.min(times.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    Ok(Latency { samples, p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0) })
}

//! Delays: jobs that are all due within a short time, held by the broker. How late they start is read from their
//! results, and that each ran once from what the consumer delivered.

use super::fill::{CONFIRM_WITHIN, INPUT, confirmed};
use anyhow::{Context as _, anyhow, ensure};
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, stream::Stream};
use async_nats::{Client, HeaderMap};
use futures::StreamExt;
use lovage_client::wire;
use lovage_job::name::{JobId, QueueName, TaskName, TenantName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::result::JobResult;
use lovage_job::subject::{JobSubject, Lane, ScheduleKind, asset, schedule};
use lovage_job::unit::UnixMs;
use serde::Serialize;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How fast the broker takes delayed jobs at the least; the first is due when all must be there.
const TAKEN_PER_S: usize = 2_000;
/// A run without progress for so long past the last due time has failed.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct DelayedOptions {
    /// How many jobs.
    pub jobs: usize,
    /// The time that their due times are spread over evenly.
    pub within: Duration,
}

/// What was measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Delayed {
    /// How many jobs; each ran once.
    pub jobs: usize,
    /// The time that they were due in, in milliseconds.
    pub within_ms: u64,
    /// Delayed jobs that the broker took in a second.
    pub submitted_per_s: f64,
    /// From the first due time to the last end.
    pub jobs_per_s: f64,
    /// Half of them started so many milliseconds late at most.
    pub late_p50_ms: u64,
    /// 99 of 100.
    pub late_p99_ms: u64,
    /// The latest.
    pub late_max_ms: u64,
}

/// Runs delayed jobs on a worker that serves the default queue; the bucket of results must be empty.
pub(super) async fn measure(client: &Client, options: DelayedOptions) -> anyhow::Result<Delayed> {
    let tenant = TenantName::default_tenant();
    let js = jetstream::new(client.clone());
    let mut results = js.get_stream(format!("KV_{}", asset::results(&tenant))).await?;
    results.purge().await?;
    let writes = results.get_info().await?.state.last_sequence;
    let before = delivered(&js, &tenant).await?;
    let lead = Duration::from_secs(3) + Duration::from_secs_f64(ratio(options.jobs, TAKEN_PER_S));
    let begun = Instant::now();
    let first = crate::clock::now().after(lead);
    let due = |number: usize| first.after(options.within.mul_f64(ratio(number, options.jobs)));
    submit(client, &tenant, options.jobs, due).await?;
    let submitted = begun.elapsed();
    ensure!(crate::clock::now() < first, "the broker took {} delayed jobs in {submitted:.1?}; try fewer", options.jobs);
    drained(&mut results, options.jobs, lead + options.within).await?;
    let ended = read(&results, options.jobs).await?;
    // a second run of a job would be one delivery more, and its result would be refused
    let (after, last) = (delivered(&js, &tenant).await?, results.get_info().await?.state.last_sequence);
    let jobs = u64::try_from(options.jobs)?;
    ensure!(after - before == jobs, "{} deliveries of {jobs} jobs", after - before);
    ensure!(last - writes == jobs, "{} results were written for {jobs} jobs", last - writes);
    let mut late = Vec::with_capacity(options.jobs);
    let mut finished = first;
    for number in 0..options.jobs {
        let result = ended.get(&id(number)?).with_context(|| format!("job {number} has no result"))?;
        ensure!(result.record.outcome == OutcomeKind::Completed, "a job ended as {}", result.record.outcome);
        ensure!(result.record.started >= due(number), "job {number} started before it was due");
        late.push(u64::try_from(result.record.started.since(due(number)).as_millis())?);
        finished = finished.max(result.record.finished);
    }
    late.sort_unstable();
    let at =
        |percent: usize| late.get((late.len() * percent / 100).min(late.len().saturating_sub(1))).copied().unwrap_or(0);
    Ok(Delayed {
        jobs: options.jobs,
        within_ms: u64::try_from(options.within.as_millis())?,
        submitted_per_s: rate(options.jobs, submitted),
        jobs_per_s: rate(options.jobs, finished.since(first)),
        late_p50_ms: at(50),
        late_p99_ms: at(99),
        late_max_ms: at(100),
    })
}

#[allow(clippy::cast_precision_loss)]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[allow(clippy::cast_precision_loss)]
fn rate(count: usize, span: Duration) -> f64 {
    count as f64 / span.as_secs_f64().max(0.001)
}

fn id(number: usize) -> anyhow::Result<JobId> {
    Ok(format!("d-{number}").parse()?)
}

/// Schedules the jobs, pipelined.
async fn submit(
    client: &Client,
    tenant: &TenantName,
    count: usize,
    due: impl Fn(usize) -> UnixMs,
) -> anyhow::Result<()> {
    let (queue, task): (_, TaskName) = (QueueName::default_queue(), "add".parse()?);
    let subject = JobSubject { tenant: tenant.clone(), lane: Lane::Normal, queue, task, id: None };
    let send = async |number: usize, reply| {
        let id = id(number)?;
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Schedule", format!("@at {}", due(number).to_rfc3339()));
        headers.insert("Nats-Schedule-Target", subject.due(&id));
        let place = schedule(tenant, ScheduleKind::Delay, &id);
        Ok(client.publish_with_reply_and_headers(place, reply, headers, INPUT.into()).await?)
    };
    confirmed(client, count, send).await
}

/// Waits for the results, which may not come before the jobs are due.
async fn drained(results: &mut Stream, jobs: usize, expected: Duration) -> anyhow::Result<()> {
    let jobs = u64::try_from(jobs)?;
    let (mut done, mut moved) = (0, Instant::now());
    while done < jobs {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now_done = results.get_info().await?.state.messages;
        if now_done > done {
            (done, moved) = (now_done, Instant::now());
        }
        ensure!(moved.elapsed() < expected + STUCK_AFTER, "stuck at {done} of {jobs} delayed jobs");
    }
    Ok(())
}

/// How many messages the worker's consumer has delivered, repeats included.
async fn delivered(js: &jetstream::Context, tenant: &TenantName) -> anyhow::Result<u64> {
    let name = asset::consumer(Lane::Normal, &QueueName::default_queue());
    let jobs = js.get_stream(asset::jobs(tenant)).await?;
    let consumer: PullConsumer = jobs.get_consumer(&name).await.map_err(|error| anyhow!("{name}: {error}"))?;
    Ok(consumer.cached_info().delivered.consumer_sequence)
}

async fn read(results: &Stream, jobs: usize) -> anyhow::Result<HashMap<JobId, JobResult>> {
    let consumer = results.create_consumer(pull::OrderedConfig::default()).await?;
    let mut messages = consumer.messages().await?;
    let mut found = HashMap::with_capacity(jobs);
    while found.len() < jobs {
        let message = tokio::time::timeout(CONFIRM_WITHIN, messages.next()).await.context("results do not come")?;
        let message = message.context("the results ended")??;
        let headers = message.headers.as_ref().map(wire::from_nats).unwrap_or_default();
        let result = JobResult::from_message(&headers, message.payload.to_vec())?;
        found.insert(result.record.id.clone(), result);
    }
    Ok(found)
}

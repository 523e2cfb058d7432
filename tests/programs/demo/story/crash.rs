//! Chapter 5: a worker is killed while it runs jobs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::StreamExt;
use lovage_client::{Client, NewJob};
use lovage_job::{name::JobId, result::JobResult, unit::UnixMs};
use serde_json::json;

use super::{Fact, jobs};
use crate::{
    measures::{count, span},
    page::Page,
    stage::Stage,
};

const JOBS: usize = 300;
/// How long each job takes, so that the worker is in the middle of some.
const JOB_MS: u64 = 150;
/// The worker is killed when so many have ended.
const KILL_AFTER: usize = 100;
/// Takes the place of the killed one.
const NEXT: &str = "worker-3";
const ENDS: &str = "lovage.default.event.sleepy.*.finished";
const RESULTS: &str = "KV_results-default";
const QUIET: Duration = Duration::from_secs(60);

pub(super) async fn tell(page: &mut Page, stage: &mut Stage) -> anyhow::Result<Fact> {
    page.heading("5  kill -9 of a worker")?;
    page.line(&format!(
        "{JOBS} jobs of {JOB_MS} ms each. After {KILL_AFTER} of them, one of the two workers is killed with no chance to say a \
         word. The jobs it was running come back when their lease ends, 30 s later, and run on the other one.",
    ))?;
    page.blank()?;
    let written_before = written(stage).await?;
    let mut ends = stage.client.nats().subscribe(ENDS).await?;
    let began = Instant::now();
    let ids = submit(&stage.client).await?;
    let mut ended = BTreeSet::new();
    while ended.len() < KILL_AFTER {
        ended.insert(next_end(&mut ends).await?);
        page.passing(&format!("{} of {JOBS} jobs have ended", ended.len()))?;
    }

    let mut worker = stage.take_worker()?;
    let (name, pid) = (worker.name, worker.pid());
    worker.kill9().await?;
    let killed = Instant::now();
    page.command(&format!("kill -9 {pid}    # {name}, {} after the start", span(began.elapsed())))?;
    page.blank()?;

    let results = {
        let mut results = std::pin::pin!(jobs::wait_all(&stage.client, &ids));
        loop {
            tokio::select! {
                results = &mut results => break results?,
                // An event is only for show: the one of a job that the worker had just ended may be lost with it.
                Ok(end) = next_end(&mut ends) => {
                    ended.insert(end);
                    page.passing(&format!("{} of {JOBS} jobs have ended", ended.len()))?;
                }
            }
        }
    };
    let took = began.elapsed();
    check(&ids, &results)?;
    let writes = written(stage).await? - written_before;
    ensure!(writes == JOBS as u64, "{writes} results were written for {JOBS} jobs");
    print(page, &results, name, killed)?;
    page.blank()?;
    page.line(&format!(
        "All {JOBS} completed, {} after the first was submitted, and {writes} results were written: exactly one each.",
        span(took)
    ))?;
    stage.spawn_worker(NEXT)?;
    for worker in &mut stage.workers {
        worker.ready().await?;
    }
    page.line(&format!("{NEXT} has taken the place of {name}."))?;
    let happened = format!("{} completed, one result each", count(results.len()));
    Ok(Fact { chapter: "5 worker killed", jobs: results.len(), happened })
}

async fn submit(client: &Client) -> anyhow::Result<Vec<JobId>> {
    let job = |_| jobs::json("sleepy", &json!(JOB_MS));
    let batch = (0..JOBS).map(job).collect::<anyhow::Result<Vec<NewJob>>>()?;
    let submits = batch.into_iter().map(|job| client.submit(job));
    let submitted = futures::future::try_join_all(submits).await?;
    Ok(submitted.into_iter().map(|submitted| submitted.id).collect())
}

/// Waits for the end of a job and returns the job's id.
async fn next_end(ends: &mut async_nats::Subscriber) -> anyhow::Result<String> {
    let end = tokio::time::timeout(QUIET, ends.next()).await;
    let end = end.with_context(|| format!("no job ended for {QUIET:?}"))?.context("the connection was closed")?;
    Ok(end.subject.split('.').nth(4).unwrap_or_default().to_owned())
}

/// Returns how many results were ever written: the bucket keeps one for each job, but its stream counts on.
async fn written(stage: &Stage) -> anyhow::Result<u64> {
    let jetstream = async_nats::jetstream::new(stage.client.nats().clone());
    Ok(jetstream.get_stream(RESULTS).await?.cached_info().state.last_sequence)
}

fn check(ids: &[JobId], results: &[JobResult]) -> anyhow::Result<()> {
    for result in results {
        jobs::completed(result)?;
    }
    let different: BTreeSet<_> = results.iter().map(|result| result.record.id.as_str()).collect();
    ensure!(different.len() == ids.len(), "{} jobs have {} results", ids.len(), different.len());
    Ok(())
}

fn print(page: &mut Page, results: &[JobResult], killed: &str, at: Instant) -> anyhow::Result<()> {
    let mut workers: BTreeMap<&str, (usize, UnixMs)> = BTreeMap::new();
    for record in results.iter().map(|result| &result.record) {
        let (jobs, last) = workers.entry(&record.worker).or_insert((0, record.finished));
        (*jobs, *last) = (*jobs + 1, record.finished.max(*last));
    }
    let first = results.iter().map(|result| result.record.published).min().unwrap_or(UnixMs(0));
    let rows = workers.iter().map(|(name, (jobs, last))| {
        let fate = if *name == killed { format!("killed {} ago", span(at.elapsed())) } else { "up".to_owned() };
        vec![(*name).to_owned(), count(*jobs), span(last.since(first)), fate]
    });
    page.table(&["WORKER", "JOBS COMPLETED", "LAST ONE AFTER", "STATE"], &rows.collect::<Vec<_>>())?;
    Ok(())
}

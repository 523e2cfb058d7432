//! A rolling restart: workers are replaced one after another under a steady flow, and no job notices.

use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use lovage_client::NewJob;
use lovage_job::{name::JobId, outcome::OutcomeKind};
use lovage_tests::{Jobs, Nats, WITHIN, Worker, WorkerSetup, cli, push, shared_cache};
use serde_json::json;

const BATCHES: u64 = 24;
const BATCH: u64 = 20;

#[tokio::test]
async fn a_rolling_restart_costs_no_attempt_and_runs_no_job_twice() {
    let nats = Nats::start();
    push(&cli(&nats), "hostile", &["--export", "sleepy"]);
    let (mut one, mut two) = (worker(&nats, "one-old").start(), worker(&nats, "two-old").start());
    let jobs = Jobs::of(&nats).await;
    let mut events = jobs.client.events().await.unwrap();
    jobs.client.nats().flush().await.unwrap();
    let mut ids = Vec::new();
    let mut new = Vec::new();
    for batch in 0..BATCHES {
        // short ones and longer ones, of which some run at every restart
        let flow = stream::iter(0..BATCH).map(|number| sleepy(if number % 5 == 0 { 700 } else { 5 }));
        let submitted: Vec<JobId> =
            jobs.client.submit_many(flow, 32).map(|(_, submitted)| submitted.unwrap().id).collect().await;
        let last = submitted[0].clone();
        ids.extend(submitted);
        if batch == BATCHES / 4 {
            one.sigterm();
            new.push(worker(&nats, "one-new").start());
            assert_eq!(one.wait(WITHIN).code(), Some(0));
        } else if batch == BATCHES / 2 {
            two.sigterm();
            new.push(worker(&nats, "two-new").start());
            assert_eq!(two.wait(WITHIN).code(), Some(0));
        } else {
            // the flow goes with the work, so that restarts come in its midst
            jobs.result(&last).await;
        }
    }
    let read = stream::iter(ids.clone()).map(|id| {
        let jobs = &jobs;
        async move { jobs.result(&id).await }
    });
    let results: Vec<_> = read.buffer_unordered(32).collect().await;
    for result in &results {
        let record = &result.record;
        assert_eq!((record.outcome, record.attempt), (OutcomeKind::Completed, 1), "{result:?}");
        assert!(result.trail.0.is_empty(), "{result:?}");
    }
    let count = BATCHES * BATCH;
    assert_eq!(jobs.results_and_writes().await, (count, count), "one end was written for each job");
    let (mut started, mut finished) = (HashMap::<JobId, usize>::new(), HashMap::<JobId, usize>::new());
    // every end is told once all results are there; what comes after this silence would be a second run
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(2), events.next()).await {
        match event.what.token() {
            "started" => *started.entry(event.id).or_default() += 1,
            "finished" => *finished.entry(event.id).or_default() += 1,
            other => panic!("no job is put back: {other} of {}", event.id),
        }
    }
    assert!(started.values().all(|count| *count == 1), "{started:?}");
    assert!(finished.len() == ids.len() && finished.values().all(|count| *count == 1), "{} ended", finished.len());
    assert_eq!(jobs.messages("JOBS_default").await, 0);
    let seen: std::collections::BTreeSet<&str> = results.iter().map(|result| result.record.worker.as_str()).collect();
    assert!(["one-old", "two-old", "one-new", "two-new"].iter().all(|name| seen.contains(name)), "{seen:?}");
}

fn worker(nats: &Nats, name: &str) -> WorkerSetup {
    Worker::of(nats).name(name).concurrency(8).cache_dir(shared_cache())
}

fn sleepy(ms: u64) -> NewJob {
    NewJob::json("sleepy".parse().unwrap(), &json!(ms)).unwrap()
}

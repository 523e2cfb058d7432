//! Ends that nobody planned, and those that somebody did: of workers, of the broker, in the middle of jobs.

use std::{collections::HashSet, time::Duration};

use async_nats::HeaderMap;
use futures::{StreamExt, stream};
use lovage_client::NewJob;
use lovage_job::{
    event::Event,
    name::{Digest, JobId},
    outcome::{Meter, OutcomeKind},
    result::{JobResult, ResultRecord},
    trail::Trail,
    unit::UnixMs,
};
use lovage_tests::{Cli, Jobs, Nats, WITHIN, Worker, WorkerSetup, cli, eventually, push, shared_cache};
use serde_json::json;

/// Leases of a worker that is gone run out after 30 s.
const RECOVERED_WITHIN: Duration = Duration::from_secs(100);

#[tokio::test]
async fn every_job_of_a_killed_worker_completes_once() {
    let nats = ground();
    let (mut one, _two) = (worker(&nats, "one").start(), worker(&nats, "two").start());
    let jobs = Jobs::of(&nats).await;
    let ids = submit(&jobs, 400).await;
    results(&jobs, 60).await;
    one.kill9();
    jobs.all_done(RECOVERED_WITHIN).await;
    let ended = all_completed_once(&jobs, &ids).await;
    let workers: HashSet<&str> = ended.iter().map(|result| result.record.worker.as_str()).collect();
    assert_eq!(workers, HashSet::from(["one", "two"]), "both had jobs");
}

#[tokio::test]
async fn job_that_outlasts_its_lease_is_run_once() {
    let nats = ground();
    let (_one, _two) = (worker(&nats, "one").start(), worker(&nats, "two").start());
    let jobs = Jobs::of(&nats).await;
    let id: JobId = "long".parse().unwrap();
    let mut events = jobs.client.events_of(&id).await.unwrap();
    let job = sleepy(36_000).id(id.clone()).timeout(Duration::from_secs(80));
    jobs.client.submit(job).await.unwrap();
    let result = jobs.result(&id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1), "{:?}", result.error);
    assert!(result.record.meter.wall_us >= 36_000_000, "{:?}", result.record.meter);
    let mut told = Vec::new();
    while told.last() != Some(&"finished") {
        told.push(events.next().await.unwrap().what.token());
    }
    assert_eq!(told, ["started", "finished"], "it was started once");
    jobs.all_done(WITHIN).await;
    let stream = jobs.stream("JOBS_default").await;
    let consumer: async_nats::jetstream::consumer::PullConsumer = stream.get_consumer("job_default").await.unwrap();
    let info = consumer.cached_info();
    assert_eq!((info.delivered.consumer_sequence, info.num_redelivered), (1, 0), "it was delivered once");
}

#[tokio::test]
async fn killed_and_restarted_broker_loses_nothing_and_workers_go_on() {
    let mut nats = ground();
    let mut worker = worker(&nats, "steady").start();
    let jobs = Jobs::of(&nats).await;
    let mut ids = Vec::new();
    for kill in [true, false] {
        let before = jobs.results_and_writes().await.0;
        ids.extend(submit(&jobs, 240).await);
        results(&jobs, before + 40).await;
        if kill {
            nats.kill9();
        } else {
            nats.stop();
        }
        nats.restart();
        jobs.all_done(RECOVERED_WITHIN).await;
        assert_eq!(worker.ended(), None, "the worker is the one that was started");
    }
    all_completed_once(&jobs, &ids).await;
    // It does not stall afterwards.
    let next = tokio::time::timeout(WITHIN, jobs.run(sleepy(1))).await.expect("a job soon after the restart");
    assert_eq!(next.record.outcome, OutcomeKind::Completed);
}

#[tokio::test]
async fn worker_that_starts_before_its_broker_waits_for_it_or_says_so() {
    let mut nats = ground();
    nats.stop();
    let mut worker = worker(&nats, "early").spawn();
    let told = async || match worker.ended() {
        Some(status) => Ok(status.code()),
        None => Err("it still runs"),
    };
    let code = eventually("the worker to give up", WITHIN, told).await;
    assert_eq!(code, Some(3));
    assert!(worker.stderr().contains("no NATS server answers"), "{}", worker.stderr());
}

#[tokio::test]
async fn sigterm_lets_running_jobs_end_and_takes_no_more() {
    let nats = ground();
    let mut worker = worker(&nats, "leaving").start();
    let jobs = Jobs::of(&nats).await;
    let running = start(&jobs, sleepy(2_500)).await;
    worker.sigterm();
    worker.says("that it drains", WITHIN, |line| line.contains("draining"));
    let late = jobs.client.submit(sleepy(1)).await.unwrap().id;
    assert_eq!(worker.wait(WITHIN).code(), Some(0));
    let result = jobs.client.result(&running).await.unwrap().expect("the running job ended before the worker did");
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1));
    assert_eq!(jobs.client.result(&late).await.unwrap(), None, "no new job after the signal");
    assert_eq!(jobs.messages("JOBS_default").await, 1, "and it waits for the next worker");
    let _next = self::worker(&nats, "next").start();
    assert_eq!(jobs.result(&late).await.record.worker, "next");
}

#[tokio::test]
async fn interrupted_job_goes_to_another_worker_as_its_first_attempt() {
    let nats = ground();
    let mut hasty = worker(&nats, "hasty").arg("--drain").arg("0s").start();
    let jobs = Jobs::of(&nats).await;
    let id = start(&jobs, sleepy(6_000)).await;
    hasty.sigterm();
    assert_eq!(hasty.wait(WITHIN).code(), Some(0));
    assert_eq!(jobs.client.result(&id).await.unwrap(), None);
    // A second signal does the same to a worker that would wait.
    let mut events = jobs.client.events_of(&id).await.unwrap();
    jobs.client.nats().flush().await.unwrap();
    let mut patient = worker(&nats, "patient").start();
    first_is_start(&mut events).await;
    patient.sigterm();
    patient.says("that it drains", WITHIN, |line| line.contains("draining"));
    patient.sigterm();
    assert_eq!(patient.wait(WITHIN).code(), Some(0));
    assert_eq!(jobs.client.result(&id).await.unwrap(), None);
    let _last = worker(&nats, "last").start();
    let result = jobs.result(&id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1));
    assert_eq!(result.record.worker, "last");
    assert!(result.trail.0.is_empty(), "the interrupted runs are no attempts: {:?}", result.trail);
    assert!(!jobs.has_letter(&id).await);
}

#[tokio::test]
async fn end_that_is_written_already_stands() {
    let nats = ground();
    let _worker = worker(&nats, "second").start();
    let jobs = Jobs::of(&nats).await;
    // A job that would complete and one that would be buried; another worker was faster with each.
    for (id, task, payload) in [("won", "sleepy", "1"), ("lost", "permanent", "\"no\"")] {
        let earlier = written(&jobs, id.parse().unwrap()).await;
        let plain = jobs.publish(&format!("job.default.{task}.{id}"), &[], payload).await;
        jobs.gone(plain.sequence).await;
        assert_eq!(jobs.client.result(&earlier.record.id).await.unwrap(), Some(earlier.clone()), "{id}");
        assert!(!jobs.has_letter(&earlier.record.id).await, "a job that completed is no dead letter");
    }
    assert_eq!(jobs.results_and_writes().await, (2, 2));
}

/// Writes the end of a job as a faster worker would have.
async fn written(jobs: &Jobs, id: JobId) -> JobResult {
    let at = UnixMs(1_800_000_000_000);
    let record = ResultRecord {
        id: id.clone(),
        task: Some("sleepy".parse().unwrap()),
        queue: Some("default".parse().unwrap()),
        lane: None,
        outcome: OutcomeKind::Completed,
        digest: Some(Digest::of(b"first")),
        version: None,
        attempt: 1,
        published: at,
        started: at,
        finished: at,
        meter: Meter { fuel_used: 1, memory_peak_bytes: 2, wall_us: 3, egress_bytes: 0 },
        worker: "first".to_owned(),
        tags: Vec::new(),
        payload: None,
        trace_id: None,
    };
    let content_type = Some("application/json".to_owned());
    let result = JobResult { record, error: None, trail: Trail::default(), content_type, body: b"17".to_vec() };
    let headers: HeaderMap = lovage_client::wire::to_nats(&result.to_headers());
    let subject = format!("$KV.results-default.{id}");
    jobs.js.publish_with_headers(subject, headers, result.body.clone().into()).await.unwrap().await.unwrap();
    result
}

/// A new machine: nothing is there yet, and several processes begin at once.
#[test]
fn processes_that_share_a_new_cache_do_not_trip_over_each_other() {
    let component = crate::small::numbers(&[("answer", 7)]);
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("task.wasm");
        std::fs::write(&file, &component).unwrap();
        let cache = folder.path().join("cache");
        let run = || Cli::without_server().ok(["run", file.to_str().unwrap(), "--cache-dir", cache.to_str().unwrap()]);
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..6).map(|_| scope.spawn(run)).collect();
            assert!(runs.into_iter().all(|run| run.join().unwrap().trim() == "7"));
        });
    }
}

fn ground() -> Nats {
    let nats = Nats::start();
    for export in ["sleepy", "permanent"] {
        push(&cli(&nats), "hostile", &["--export", export]);
    }
    nats
}

fn worker(nats: &Nats, name: &str) -> WorkerSetup {
    Worker::of(nats).name(name).concurrency(8).cache_dir(shared_cache())
}

fn sleepy(ms: u64) -> NewJob {
    NewJob::json("sleepy".parse().unwrap(), &json!(ms)).unwrap()
}

/// Submits jobs, a fourth of which sleep for a while.
async fn submit(jobs: &Jobs, count: u64) -> Vec<JobId> {
    let flow = stream::iter(0..count).map(|number| sleepy(if number % 4 == 0 { 200 } else { 1 }));
    let submitted = jobs.client.submit_many(flow, 64);
    submitted.map(|(_, submitted)| submitted.unwrap().id).collect().await
}

/// Waits until there are so many results.
async fn results(jobs: &Jobs, count: u64) {
    let there = async || match jobs.results_and_writes().await.0 {
        results if results >= count => Ok(()),
        results => Err(format!("{results} results")),
    };
    eventually("the jobs to be under way", WITHIN, there).await;
}

/// Submits a job and waits until it runs.
async fn start(jobs: &Jobs, job: NewJob) -> JobId {
    let id: JobId = format!("run-{}", jobs.messages("JOBS_default").await).parse().unwrap();
    let mut events = jobs.client.events_of(&id).await.unwrap();
    jobs.client.submit(job.id(id.clone())).await.unwrap();
    first_is_start(&mut events).await;
    id
}

async fn first_is_start(events: &mut (impl StreamExt<Item = Event> + Unpin)) {
    let first = tokio::time::timeout(WITHIN, events.next()).await.expect("a start in time").unwrap();
    assert_eq!(first.what.token(), "started", "{first:?}");
}

/// Checks that each job has one end, a good one, and nothing else is left of it.
async fn all_completed_once(jobs: &Jobs, ids: &[JobId]) -> Vec<JobResult> {
    let read = stream::iter(ids.to_vec()).map(|id| async move { jobs.result(&id).await });
    let results: Vec<JobResult> = read.buffer_unordered(32).collect().await;
    for result in &results {
        let record = &result.record;
        assert_eq!((record.outcome, record.attempt), (OutcomeKind::Completed, 1), "{result:?}");
    }
    let count = ids.len() as u64;
    assert_eq!(jobs.results_and_writes().await, (count, count), "one end was written for each job");
    assert_eq!(jobs.messages("DEAD_default").await, 0);
    results
}

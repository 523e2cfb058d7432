//! Limits over all workers: how many run at once, how many start in a span, and how those that wait are woken.

use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use lovage_client::{CancelOutcome, JobState, ListFilter, ListState, NewJob, When};
use lovage_job::{
    limit::{Limit, LimitScope},
    name::JobId,
    outcome::OutcomeKind,
    result::JobResult,
    unit::UnixMs,
};
use lovage_tests::{Cli, Jobs, Nats, WITHIN, Worker, WorkerSetup, cli, eventually, push, shared_cache};
use serde_json::json;

/// Permits of a worker that is gone lapse after a minute.
const LAPSED_WITHIN: Duration = Duration::from_secs(150);

#[tokio::test]
async fn no_more_than_the_limit_run_at_once_over_two_workers() {
    let nats = ground();
    // workers know the limits there are before they take their first job
    cli(&nats).ok(["limit", "set", "task", "sleepy", "--concurrency", "3"]);
    let (_one, _two) = (worker(&nats, "one").start(), worker(&nats, "two").start());
    let jobs = Jobs::of(&nats).await;
    let ids = submit(&jobs, 24, |_| sleepy(150)).await;
    let results = results(&jobs, &ids).await;
    assert!(results.iter().all(completed_at_first), "{results:?}");
    let most = results.iter().map(|result| running_at(&results, result.record.started)).max();
    assert!(most.is_some_and(|most| most <= 3), "{most:?} ran at once");
    assert_eq!(jobs.results_and_writes().await, (24, 24));
}

#[tokio::test]
async fn a_key_waits_for_its_own_jobs_only_and_a_held_job_is_found_listed_and_cancelled() {
    let nats = ground();
    let cli = cli(&nats);
    let _worker = worker(&nats, "one").start();
    let jobs = Jobs::of(&nats).await;
    cli.ok(["limit", "set", "key", "sleepy", "--concurrency", "1"]);
    limit_is_known(&jobs).await;
    start(&jobs, sleepy(60_000).limit_key("customer a").timeout(Duration::from_secs(80)), "a-long").await;
    cli.ok(["submit", "sleepy", "1", "--id", "a-held", "--limit-key", "customer a"]);
    let other = jobs.run(sleepy(1).limit_key("customer b")).await;
    let without = jobs.run(sleepy(1)).await;
    assert!(completed_at_first(&other) && completed_at_first(&without));
    let held = held(&jobs, "a-held").await;
    assert_eq!(held.0, "the limit of its key of task sleepy");
    let listed = jobs.client.list(&ListFilter { state: Some(ListState::Held), ..ListFilter::default() }).await.unwrap();
    assert_eq!(listed.jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["a-held"]);
    assert_eq!(listed.jobs[0].waits_for.as_deref(), Some(held.0.as_str()));
    assert_eq!(cli.json(["job", "show", "a-held"])["state"], "held");
    assert_eq!(cli.json(["job", "list", "--state", "held"])[0]["waits_for"], held.0.as_str());
    let again = jobs.client.submit(sleepy(1).id(id("a-held"))).await.unwrap();
    assert!(again.existing, "it is known where it waits: {again:?}");
    assert_eq!(jobs.client.cancel(&id("a-held"), "no more").await.unwrap(), CancelOutcome::Cancelled);
    let result = jobs.result(&id("a-held")).await;
    assert_eq!((result.record.outcome, result.record.task.is_some()), (OutcomeKind::Cancelled, true));
    assert_eq!(jobs.client.find(&id("a-long")).await.unwrap().name(), "queued");
    jobs.client.cancel(&id("a-long"), "enough").await.unwrap();
}

#[tokio::test]
async fn a_waiting_job_runs_as_soon_as_there_is_room() {
    let nats = ground();
    let _worker = worker(&nats, "one").start();
    let jobs = Jobs::of(&nats).await;
    jobs.client.set_limit(&of_task("sleepy"), &at_once(1)).await.unwrap();
    limit_is_known(&jobs).await;
    start(&jobs, sleepy(70_000).timeout(Duration::from_secs(90)), "long").await;
    for name in ["first", "second", "third"] {
        jobs.client.submit(sleepy(1).id(id(name))).await.unwrap();
        held(&jobs, name).await;
    }
    let dues = [held(&jobs, "first").await.1, held(&jobs, "second").await.1, held(&jobs, "third").await.1];
    // More room wakes as many as fit, one after another.
    jobs.client.set_limit(&of_task("sleepy"), &at_once(2)).await.unwrap();
    let mut started = Vec::new();
    for (name, due) in ["first", "second", "third"].into_iter().zip(dues) {
        let result = jobs.result(&id(name)).await;
        assert!(completed_at_first(&result), "{result:?}");
        assert!(result.record.started < due, "{name} was not woken but looked by itself");
        started.push(result.record.started);
    }
    assert!(started.is_sorted(), "first come, first served: {started:?}");
    jobs.client.cancel(&id("long"), "enough").await.unwrap();
}

#[tokio::test]
async fn jobs_that_wait_for_a_removed_limit_run() {
    let nats = ground();
    let cli = cli(&nats);
    let _worker = worker(&nats, "one").start();
    let jobs = Jobs::of(&nats).await;
    cli.ok(["limit", "set", "tenant", "--concurrency", "1"]);
    limit_is_known(&jobs).await;
    start(&jobs, sleepy(70_000).timeout(Duration::from_secs(90)), "long").await;
    jobs.client.submit(sleepy(1).id(id("held"))).await.unwrap();
    let (waits_for, due) = held(&jobs, "held").await;
    assert_eq!(waits_for, "the limit of the tenant");
    assert_eq!(cli.json(["limit", "list"]), json!([{"scope": "tenant", "concurrency": 1, "rate": null}]));
    cli.ok(["limit", "remove", "tenant"]);
    let result = jobs.result(&id("held")).await;
    assert!(completed_at_first(&result) && result.record.started < due, "{result:?}");
    jobs.client.cancel(&id("long"), "enough").await.unwrap();
}

#[tokio::test]
async fn starts_under_a_rate_are_spread_and_each_job_is_put_back_once() {
    const STEP_MS: u64 = 250;
    let nats = ground();
    cli(&nats).ok(["limit", "set", "task", "sleepy", "--rate", "4/1s"]);
    let (_one, _two) = (worker(&nats, "one").start(), worker(&nats, "two").start());
    let jobs = Jobs::of(&nats).await;
    let mut events = jobs.client.events().await.unwrap();
    jobs.client.nats().flush().await.unwrap();
    let begun = now();
    let ids = submit(&jobs, 16, |_| sleepy(1)).await;
    let results = results(&jobs, &ids).await;
    assert!(results.iter().all(completed_at_first), "{results:?}");
    let mut started: Vec<UnixMs> = results.iter().map(|result| result.record.started).collect();
    started.sort();
    for (place, started) in (0..).zip(&started) {
        let earliest = begun.after(Duration::from_millis(STEP_MS * place));
        assert!(*started >= earliest, "start {place} came {:?} too soon", earliest.since(*started));
    }
    let (mut put_back, mut finished) = (HashMap::<JobId, usize>::new(), 0);
    while finished < ids.len() {
        let event = tokio::time::timeout(WITHIN, events.next()).await.expect("events of every end").unwrap();
        match event.what.token() {
            "retrying" => *put_back.entry(event.id).or_default() += 1,
            "finished" => finished += 1,
            _ => {}
        }
    }
    assert!(put_back.values().all(|count| *count == 1), "{put_back:?}");
}

#[tokio::test]
async fn permits_of_a_killed_worker_lapse_and_its_job_does_not_wait_for_itself() {
    let nats = ground();
    let mut one = worker(&nats, "one").start();
    let jobs = Jobs::of(&nats).await;
    jobs.client.set_limit(&LimitScope::Queue("default".parse().unwrap()), &at_once(1)).await.unwrap();
    limit_is_known(&jobs).await;
    start(&jobs, sleepy(4_000), "lost").await;
    jobs.client.submit(sleepy(1).id(id("next"))).await.unwrap();
    held(&jobs, "next").await;
    one.kill9();
    let _two = worker(&nats, "two").start();
    for name in ["next", "lost"] {
        let result = jobs.client.wait(&id(name), Some(LAPSED_WITHIN)).await.unwrap();
        assert!(completed_at_first(&result), "{result:?}");
        assert_eq!(result.record.worker, "two");
    }
}

#[test]
fn a_limit_that_makes_no_sense_is_refused_by_name() {
    let cli = Cli::without_server();
    for (args, named) in [
        (&["limit", "set", "task", "t", "--concurrency", "0"][..], "\"0\""),
        (&["limit", "set", "task", "t", "--concurrency", "4294967296"], "4294967296"),
        (&["limit", "set", "task", "t", "--concurrency", "-1"], "-1"),
        (&["limit", "set", "queue", "q", "--rate", "5/0s"], "5/0s"),
        (&["limit", "set", "queue", "q", "--rate", "x/1m"], "x/1m"),
        (&["limit", "set", "queue", "q", "--rate", "1/400d"], "1/400d"),
        (&["limit", "set", "queue", "q", "--rate", "5/1m", "--burst", "6"], "burst of 6"),
        (&["limit", "set", "queue", "Q!", "--concurrency", "1"], "Q!"),
        (&["limit", "set", "task", "t"], "concurrency"),
        (&["limit", "set", "zone", "z", "--concurrency", "1"], "zone"),
        (&["pause", "worker", "w"], "worker"),
        (&["worker", "--strict", "--queue", "a=2,b"], "a=2"),
        (&["worker", "--queue", "a=2,a"], "given twice"),
        (&["worker", "--queue", "a=0"], "weight \"0\""),
    ] {
        let output = cli.run(args).fails_with(2);
        assert!(output.stderr.contains(named), "{args:?}: {}", output.stderr);
    }
}

#[tokio::test]
async fn a_limit_key_that_is_too_long_is_refused_before_it_is_sent() {
    let nats = ground();
    let _worker = worker(&nats, "one").start();
    let key = "k".repeat(10_000);
    let output = cli(&nats).run(["submit", "sleepy", "1", "--limit-key", &key]).fails_with(2);
    assert!(output.stderr.contains("10000 bytes"), "{}", output.stderr);
    let jobs = Jobs::of(&nats).await;
    let plain = jobs.publish("job.default.sleepy", &[("Lovage-Limit-Key", &key)], "1").await;
    let result = jobs.result(&plain.id).await;
    assert_eq!(result.record.outcome, OutcomeKind::Undecodable);
    let missing = cli(&nats).run(["limit", "remove", "task", "sleepy"]).fails_with(4);
    assert!(missing.stderr.contains("no limit of task sleepy"), "{}", missing.stderr);
}

trait Name {
    fn name(&self) -> &'static str;
}

impl Name for JobState {
    fn name(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Delayed { .. } => "delayed",
            Self::WaitingRetry { .. } => "waiting-retry",
            Self::Held { .. } => "held",
            Self::Done(_) => "done",
            Self::Unknown => "unknown",
        }
    }
}

#[tokio::test]
async fn a_job_that_expires_while_it_waits_ends_then_and_says_both_times() {
    let nats = ground();
    let _worker = worker(&nats, "one").start();
    let jobs = Jobs::of(&nats).await;
    jobs.client.set_limit(&of_task("sleepy"), &at_once(1)).await.unwrap();
    limit_is_known(&jobs).await;
    start(&jobs, sleepy(80_000).timeout(Duration::from_secs(100)), "long").await;
    let expires = now().after(Duration::from_secs(4));
    jobs.client.submit(sleepy(1).id(id("brief")).expires(When::At(expires))).await.unwrap();
    let (waits_for, due) = held(&jobs, "brief").await;
    assert_eq!((waits_for.as_str(), due), ("the limit of task sleepy", expires), "it looks again when it expires");
    let result = jobs.result(&id("brief")).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Expired, 0), "{result:?}");
    let error = result.error.unwrap().message;
    assert!(error.contains(&expires.to_rfc3339()) && error.contains("its turn came at"), "{error}");
    assert_eq!(jobs.client.find(&id("long")).await.unwrap().name(), "queued", "nothing woke it");
    jobs.client.cancel(&id("long"), "enough").await.unwrap();
}

fn ground() -> Nats {
    let nats = Nats::start();
    push(&cli(&nats), "hostile", &["--export", "sleepy"]);
    push(&cli(&nats), "hostile", &["--export", "levels"]);
    nats
}

fn worker(nats: &Nats, name: &str) -> WorkerSetup {
    Worker::of(nats).name(name).concurrency(8).cache_dir(shared_cache())
}

fn sleepy(ms: u64) -> NewJob {
    NewJob::json("sleepy".parse().unwrap(), &json!(ms)).unwrap()
}

fn id(text: &str) -> JobId {
    text.parse().unwrap()
}

fn of_task(name: &str) -> LimitScope {
    LimitScope::Task(name.parse().unwrap())
}

fn at_once(count: u32) -> Limit {
    Limit::new(Some(count), None).unwrap()
}

fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixMs(u64::try_from(since.as_millis()).unwrap())
}

/// Waits until every worker follows the limits set so far: the watches of one connection hear changes in order, and a
/// pause set after them is obeyed only then.
async fn limit_is_known(jobs: &Jobs) {
    let probe = LimitScope::Task("levels".parse().unwrap());
    jobs.client.set_limit(&probe, &at_once(1)).await.unwrap();
    let counted = async || {
        let before = jobs.messages("KV_limits").await;
        let ran: Vec<JobResult> =
            results(jobs, &submit(jobs, 6, |_| NewJob::new("levels".parse().unwrap(), "")).await).await;
        assert!(ran.iter().all(|result| result.record.outcome == OutcomeKind::Completed));
        match jobs.messages("KV_limits").await {
            after if after > before || before > 0 => Ok(()),
            after => Err(format!("{after} records of limits")),
        }
    };
    eventually("the limits to be followed", WITHIN, counted).await;
    jobs.client.remove_limit(&probe).await.unwrap();
}

async fn submit(jobs: &Jobs, count: u64, job: impl Fn(u64) -> NewJob) -> Vec<JobId> {
    let flow = stream::iter((0..count).map(job).collect::<Vec<_>>());
    let submitted = jobs.client.submit_many(flow, 64);
    submitted.map(|(_, submitted)| submitted.unwrap().id).collect().await
}

async fn results(jobs: &Jobs, ids: &[JobId]) -> Vec<JobResult> {
    let read = stream::iter(ids.to_vec()).map(|id| async move { jobs.result(&id).await });
    read.buffer_unordered(32).collect().await
}

/// Submits a job and waits until it runs.
async fn start(jobs: &Jobs, job: NewJob, name: &str) {
    let mut events = jobs.client.events_of(&id(name)).await.unwrap();
    jobs.client.submit(job.id(id(name))).await.unwrap();
    let first = tokio::time::timeout(WITHIN, events.next()).await.expect("a start in time").unwrap();
    assert_eq!(first.what.token(), "started", "{first:?}");
}

/// Waits until a job is held; returns what for, and until when at most.
async fn held(jobs: &Jobs, name: &str) -> (String, UnixMs) {
    let look = async || match jobs.client.find(&id(name)).await.unwrap() {
        JobState::Held { waits_for, due, attempt: 1 } => Ok((waits_for, due)),
        other => Err(format!("{other:?}")),
    };
    eventually("the job to be held", WITHIN, look).await
}

fn completed_at_first(result: &JobResult) -> bool {
    result.record.outcome == OutcomeKind::Completed && result.record.attempt == 1 && result.trail.0.is_empty()
}

/// How many surely ran at a time: from their starts, for as long as the guests took.
fn running_at(results: &[JobResult], time: UnixMs) -> usize {
    let runs = |result: &&JobResult| {
        let end = result.record.started.after(Duration::from_micros(result.record.meter.wall_us));
        result.record.started <= time && time < end
    };
    results.iter().filter(runs).count()
}

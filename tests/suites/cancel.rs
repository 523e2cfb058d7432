//! Cancelling: of jobs that run, politely and not, over crashes, and of many by a filter.

use std::time::{Duration, Instant};

use futures::StreamExt;
use lovage_client::{CancelOptions, CancelOutcome, JobState, NewJob};
use lovage_job::{event::Event, name::JobId, outcome::OutcomeKind};
use lovage_tests::{Jobs, Nats, Stage, WITHIN, Worker, WorkerSetup, cli, eventually, push, shared_cache};
use serde_json::{Value, json};

fn with_grace(seconds: u64) -> CancelOptions {
    CancelOptions { reason: "enough of it".into(), grace: Duration::from_secs(seconds) }
}

/// Submits a job and returns once its attempt has begun.
async fn start(jobs: &Jobs, task: &str, input: &str, id: &str) -> JobId {
    let id: JobId = id.parse().unwrap();
    let mut events = jobs.client.events_of(&id).await.unwrap();
    let job = NewJob::new(task.parse().unwrap(), input.to_owned()).id(id.clone()).timeout(Duration::from_secs(300));
    jobs.client.submit(job.unchecked()).await.unwrap();
    let begun = tokio::time::timeout(WITHIN, events.next()).await.expect("a start in time");
    assert!(begun.is_some_and(|event: Event| event.what.token() == "started"));
    id
}

#[tokio::test]
async fn polite_guest_sees_its_cancel_and_ends_by_itself_within_the_grace() {
    let seat = Stage::seat().await;
    // It polls for as long as it may, and so ends long before the grace only where it heard.
    let id = start(&seat.jobs, "canceller", "120000", "grace-polite").await;
    let asked = Instant::now();
    let told = seat.jobs.client.cancel_with(&id, &with_grace(60)).await.unwrap();
    assert_eq!(told, CancelOutcome::Cancelled);
    assert!(asked.elapsed() < Duration::from_secs(50), "{:?}", asked.elapsed());
    let result = seat.jobs.result(&id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Cancelled, 1));
    assert_eq!(result.record.worker, "worker", "the worker tells the end, with what the guest used");
    assert!(result.record.meter.fuel_used > 0);
    assert_eq!(result.error.unwrap().message, "enough of it");
    let again = seat.jobs.client.cancel_with(&id, &with_grace(60)).await.unwrap();
    assert_eq!(again, CancelOutcome::AlreadyDone(OutcomeKind::Cancelled));
}

#[tokio::test]
async fn impolite_guest_is_stopped_when_the_grace_is_over() {
    let seat = Stage::seat().await;
    // one that sleeps hears of nothing
    let id = start(&seat.jobs, "sleepy", "200000", "grace-sleepy").await;
    let asked = Instant::now();
    assert_eq!(seat.jobs.client.cancel_with(&id, &with_grace(2)).await.unwrap(), CancelOutcome::Cancelled);
    assert!(asked.elapsed() >= Duration::from_millis(1_900), "it had its grace: {:?}", asked.elapsed());
    let result = seat.jobs.result(&id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Cancelled, 1));
    assert_eq!(result.error.unwrap().message, "enough of it");
    seat.stage.worker_lives();
}

#[tokio::test]
async fn guest_that_ends_well_within_its_grace_has_completed() {
    let seat = Stage::seat().await;
    // It never asks, so it never hears.
    let id = start(&seat.jobs, "sleepy", "3000", "grace-unheard").await;
    let told = seat.jobs.client.cancel_with(&id, &with_grace(60)).await.unwrap();
    assert_eq!(told, CancelOutcome::AlreadyDone(OutcomeKind::Completed));
    assert_eq!(seat.jobs.result(&id).await.record.outcome, OutcomeKind::Completed);
}

#[tokio::test]
async fn grace_does_not_hold_up_the_cancel_of_what_only_waits() {
    let seat = Stage::seat().await;
    let job = || NewJob::new("echo".parse().unwrap(), "1").queue("nobody-serves-grace".parse().unwrap());
    let queued = seat.jobs.client.submit(job()).await.unwrap().id;
    let delayed = seat.jobs.client.submit(job().delay(Duration::from_secs(3600))).await.unwrap().id;
    for id in [queued, delayed] {
        let asked = Instant::now();
        assert_eq!(seat.jobs.client.cancel_with(&id, &with_grace(600)).await.unwrap(), CancelOutcome::Cancelled);
        assert!(asked.elapsed() < Duration::from_secs(300));
    }
}

#[tokio::test]
async fn cancel_outlives_the_worker_the_server_and_its_canceller() {
    let mut nats = Nats::start();
    push(&cli(&nats), "hostile", &[]);
    let mut worker = worker(&nats, "one").start();
    let jobs = Jobs::of(&nats).await;
    let id = start(&jobs, "sleepy", "250000", "durable").await;
    worker.kill9();
    // The canceller goes away before the end: what it noted stays.
    let cancelling = jobs.client.clone();
    let of = id.clone();
    let canceller = tokio::spawn(async move { cancelling.cancel_with(&of, &with_grace(3_000)).await });
    let control = jobs.js.get_key_value("control").await.unwrap();
    let noted = async || match control.get("default.cancel.durable").await.unwrap() {
        Some(_) => Ok(()),
        None => Err("nothing is noted"),
    };
    eventually("the cancel to be noted", WITHIN, noted).await;
    canceller.abort();
    nats.kill9();
    nats.restart();
    let _worker = self::worker(&nats, "two").start();
    // its lease runs out, and the worker that gets it knows that it is cancelled
    let result = jobs.result(&id).await;
    assert_eq!(
        (result.record.outcome, result.error.unwrap().message.as_str()),
        (OutcomeKind::Cancelled, "enough of it")
    );
    assert_eq!(result.record.worker, "two");
    jobs.all_done(WITHIN).await;
}

#[tokio::test]
async fn jobs_are_cancelled_by_filter_after_they_were_counted() {
    let seat = Stage::seat().await;
    let (cli, client) = (&seat.stage.cli, &seat.jobs.client);
    let job = |tag: &str| {
        NewJob::new("echo".parse().unwrap(), "1").queue("filtered-cancels".parse().unwrap()).tag(tag.to_owned())
    };
    let mut waiting = Vec::new();
    for n in 0..6 {
        let new = if n % 2 == 0 { job("go") } else { job("go").delay(Duration::from_secs(3600)) };
        waiting.push(client.submit(new).await.unwrap().id);
    }
    let stays = client.submit(job("stay")).await.unwrap().id;
    let by_tag = ["job", "cancel", "--queue", "filtered-cancels", "--tag", "go"];
    let with = |more: &[&'static str]| by_tag.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    assert_eq!(cli.json(with(&["--dry-run"])), json!({"count": 6, "dry_run": true}));
    let refused = cli.run(by_tag).fails_with(2);
    assert!(refused.stderr.contains("6 jobs to cancel; nothing was changed"), "{}", refused.stderr);
    assert_eq!(cli.json(with(&["--older-than", "1d", "--yes"])), json!({"count": 0, "dry_run": false}));
    assert_eq!(cli.json(with(&["--state", "delayed", "--dry-run"]))["count"], 3);
    assert_eq!(cli.json(with(&["--task", "other", "--dry-run"]))["count"], 0);

    let told = cli.run(with(&["--yes", "--reason", "by tag", "--json"])).ok();
    let told: Vec<Value> = told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 6);
    assert!(told.iter().all(|line| line["cancel"] == "cancelled"), "{told:?}");
    for id in &waiting {
        let JobState::Done(result) = client.find(id).await.unwrap() else { panic!("{id} goes on") };
        assert_eq!(result.record.outcome, OutcomeKind::Cancelled);
        assert_eq!((result.error.unwrap().message, result.record.tags), ("by tag".to_owned(), vec!["go".to_owned()]));
    }
    assert!(matches!(client.find(&stays).await.unwrap(), JobState::Queued { .. }));

    // What has ended is told and stays as it is; what is not known is told.
    let id = waiting[0].as_str();
    assert_eq!(cli.run(["job", "cancel", id]).ok().stdout, format!("{id} cancelled\n"));
    let done = client.submit(NewJob::new("echo".parse().unwrap(), "1")).await.unwrap().id;
    seat.jobs.result(&done).await;
    let told = cli.run(["job", "cancel", done.as_str(), stays.as_str()]).fails_with(1);
    assert!(told.stderr.contains(&format!("{done} had ended before: completed")), "{}", told.stderr);
    assert_eq!(told.stdout, format!("{stays} cancelled\n"), "one that has ended does not keep the others");
    let none = cli.run(["job", "cancel"]).fails_with(2);
    assert!(none.stderr.contains("nothing to cancel"), "{}", none.stderr);
    for bad in [["--grace", "2h"], ["--grace", "-1s"], ["--older-than", "soon"]] {
        let _ = cli.run(["job", "cancel", "x"].iter().chain(&bad)).fails_with(2);
    }
}

#[tokio::test]
async fn running_jobs_are_cancelled_by_filter_too() {
    let seat = Stage::seat().await;
    let id: JobId = "filtered-runs".parse().unwrap();
    let mut events = seat.jobs.client.events_of(&id).await.unwrap();
    let job = NewJob::new("sleepy".parse().unwrap(), "240000").id(id.clone()).tag("filtered-runs");
    seat.jobs.client.submit(job.timeout(Duration::from_secs(300))).await.unwrap();
    tokio::time::timeout(WITHIN, events.next()).await.expect("a start in time").unwrap();
    let told = seat.stage.cli.json(["job", "cancel", "--tag", "filtered-runs", "--state", "queued", "--yes"]);
    assert_eq!(told["cancel"], "cancelled");
    assert_eq!(seat.jobs.result(&id).await.record.outcome, OutcomeKind::Cancelled);
}

fn worker(nats: &Nats, name: &str) -> WorkerSetup {
    Worker::of(nats).name(name).cache_dir(shared_cache())
}

//! Delayed jobs: held by the broker, many of them, listed and cancelled, and never early.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use lovage_client::{InvalidJob, NewJob, SubmitError};
use lovage_job::{outcome::OutcomeKind, unit::UnixMs};
use lovage_tests::{Nats, Stage, WITHIN, Worker, cli, eventually, push, shared_cache};
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn delayed_jobs_are_never_early_and_each_runs_once() {
    const JOBS: u64 = 300;
    let seat = Stage::seat().await;
    let began = now();
    let due = |n: u64| began.after(Duration::from_secs(4) + Duration::from_millis(n * 5));
    let jobs = stream::iter(0..JOBS).map(|n| {
        let id = format!("due-{n}").parse().unwrap();
        NewJob::json("echo".parse().unwrap(), &n).unwrap().id(id).at(due(n))
    });
    let told: Vec<_> = seat.jobs.client.submit_many(jobs, 64).collect().await;
    assert!(told.iter().all(|(_, submitted)| submitted.as_ref().is_ok_and(|submitted| !submitted.existing)));
    for n in 0..JOBS {
        let result = seat.jobs.result(&format!("due-{n}").parse().unwrap()).await;
        assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1));
        assert!(result.record.started >= due(n), "job {n} was early");
    }
}

#[tokio::test]
async fn times_that_cannot_be_are_refused_and_those_that_passed_are_now() {
    let seat = Stage::seat().await;
    let (cli, client) = (&seat.stage.cli, &seat.jobs.client);
    for bad in [
        ["--delay", "-5s"],
        ["--delay", "99999999999999999999s"],
        ["--delay", "367d"],
        ["--delay", "soon"],
        ["--at", "10000-01-01T00:00:00Z"],
        ["--at", "2126-11-23T18:30:00Z"],
        ["--at", "2026-11-23"],
    ] {
        let told = cli.run(["submit", "echo", "1"].iter().chain(&bad)).fails_with(2);
        assert!(told.stdout.is_empty() && !told.stderr.is_empty(), "{bad:?}");
    }
    let told = client.submit(NewJob::new("echo".parse().unwrap(), "1").delay(Duration::MAX)).await.unwrap_err();
    assert!(matches!(told, SubmitError::Invalid(InvalidJob::DueTooLate { .. })), "{told}");
    let told = cli.json(["submit", "echo", "1", "--at", "2020-01-01T00:00:00Z"]);
    assert_eq!(told["state"], "queued");
    seat.jobs.result(&told["id"].as_str().unwrap().parse().unwrap()).await;
    let year = cli.json(["submit", "echo", "1", "--delay", "366d", "--tag", "in-a-year"]);
    assert_eq!(year["state"], "delayed");
    assert_eq!(cli.json(["job", "cancel", "--tag", "in-a-year", "--yes"])["cancel"], "cancelled");
}

#[tokio::test]
async fn many_pending_delays_are_listed_and_cancelled_without_a_worker_taking_part() {
    const JOBS: u64 = 3_000;
    let nats = Nats::start();
    let cli = cli(&nats);
    push(&cli, "hostile", &["--export", "echo"]);
    let mut lines = String::new();
    (0..JOBS).for_each(|n| lines.push_str(&format!("{{\"input\":{n},\"tags\":[\"third-{}\"]}}\n", n % 3)));
    let args = ["submit", "echo", "--jsonl", "-", "--envelope", "--delay", "1h"];
    let ids = cli.run_with(args, lines.as_bytes()).ok().stdout;
    assert_eq!(ids.lines().count() as u64, JOBS);

    let listed = cli.json(["job", "list", "--state", "delayed", "--limit", "10"]);
    assert_eq!(listed.as_array().unwrap().len(), 10);
    let count =
        |tag: &str| cli.json(["job", "cancel", "--tag", tag, "--state", "delayed", "--dry-run"])["count"].clone();
    assert_eq!(count("third-1"), 1_000);
    let told = cli.run(["job", "cancel", "--tag", "third-1", "--yes"]).ok();
    assert_eq!(told.stdout.lines().count(), 1_000);
    assert!(told.stderr.contains("1000 cancelled, 0 not"), "{}", told.stderr);
    assert_eq!((count("third-1"), count("third-0")), (json!(0), json!(1_000)));
    let jobs = lovage_tests::Jobs::of(&nats).await;
    assert_eq!((jobs.messages("SCHED_default").await, jobs.results_and_writes().await.0), (2_000, 1_000));
    // A worker that comes has nothing to do.
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    assert_eq!(jobs.messages("JOBS_default").await, 0);
}

#[tokio::test]
async fn delays_outlive_a_killed_server() {
    let mut nats = Nats::start();
    push(&cli(&nats), "hostile", &["--export", "echo"]);
    let jobs = lovage_tests::Jobs::of(&nats).await;
    let mut ids = Vec::new();
    for n in 0..20u64 {
        let job = NewJob::json("echo".parse().unwrap(), &n).unwrap().delay(Duration::from_secs(2));
        ids.push(jobs.client.submit(job).await.unwrap().id);
    }
    let later = jobs.client.submit(NewJob::new("echo".parse().unwrap(), "1").delay(HOUR)).await.unwrap().id;
    nats.kill9();
    nats.restart();
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    for id in &ids {
        assert_eq!(jobs.result(id).await.record.outcome, OutcomeKind::Completed);
    }
    assert_eq!(jobs.results_and_writes().await, (20, 20), "each ran once");
    let found = async || match jobs.client.find(&later).await {
        Ok(lovage_client::JobState::Delayed { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("the later one", WITHIN, found).await;
}

#[tokio::test]
async fn benchmark_runs_delayed_jobs_and_tells_how_late_they_were() {
    let began = Instant::now();
    let args =
        ["bench", "--jobs", "100", "--rounds", "1", "--samples", "10", "--delayed", "200", "--delayed-within", "2s"];
    let report: Value = lovage_tests::Cli::without_server().json(args);
    let delayed = &report["delayed"];
    assert_eq!((&delayed["jobs"], &delayed["within_ms"]), (&json!(200), &json!(2_000)));
    let late = |name: &str| delayed[name].as_u64().unwrap_or_else(|| panic!("{report}"));
    assert!(late("late_p50_ms") <= late("late_p99_ms") && late("late_p99_ms") <= late("late_max_ms"));
    assert!(u128::from(late("late_max_ms")) < began.elapsed().as_millis());
    assert!(delayed["jobs_per_s"].as_f64().unwrap() > 0.0 && delayed["submitted_per_s"].as_f64().unwrap() > 0.0);
}

fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixMs(since.as_millis().try_into().unwrap())
}

//! Jobs that are one by their key, as producers and scripts see them, with a worker that runs them.

use std::{collections::HashSet, time::Duration};

use futures::future::join_all;
use lovage_client::{JobState, NewJob, Unique};
use lovage_job::outcome::OutcomeKind;
use lovage_tests::{Seat, Stage};
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(3600);

fn echo(input: &Value, unique: Unique) -> NewJob {
    NewJob::json("echo".parse().unwrap(), input).unwrap().unique(unique)
}

async fn output(seat: &Seat, id: &lovage_job::name::JobId) -> Value {
    let result = seat.jobs.result(id).await;
    assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    serde_json::from_slice(&result.body).unwrap()
}

#[tokio::test]
async fn many_submitters_of_one_key_get_one_job_that_runs_once() {
    let seat = Stage::seat().await;
    let before = seat.jobs.results_and_writes().await;
    for rule in [Unique::idempotent("race", HOUR), Unique::throttle("race", HOUR)] {
        let submit = |n: usize| seat.jobs.client.submit(echo(&json!(n), rule.clone()));
        let told = join_all((0..100).map(submit)).await;
        let told: Vec<_> = told.into_iter().map(|submitted| submitted.unwrap()).collect();
        let ids: HashSet<_> = told.iter().map(|submitted| submitted.id.clone()).collect();
        assert_eq!(ids.len(), 1, "{rule:?}");
        assert_eq!(told.iter().filter(|submitted| !submitted.existing).count(), 1, "{rule:?}");
        let id = ids.into_iter().next().unwrap();
        output(&seat, &id).await;
        let late = seat.jobs.client.submit(echo(&json!("late"), rule.clone())).await.unwrap();
        assert_eq!((late.id, late.existing), (id, true), "{rule:?}");
    }
    assert!(seat.jobs.results_and_writes().await.0 >= before.0 + 2);
}

#[tokio::test]
async fn key_of_an_active_job_is_free_once_it_has_ended() {
    let seat = Stage::seat().await;
    let submit = || seat.jobs.client.submit(echo(&json!(1), Unique::active("until-it-ends")));
    let first = submit().await.unwrap();
    output(&seat, &first.id).await;
    let second = submit().await.unwrap();
    assert!(!second.existing && second.id != first.id);
    // A job that waits for its next attempt still holds its key.
    let failing = || {
        let job = NewJob::json("flaky".parse().unwrap(), &json!({"succeed_on": 2})).unwrap();
        seat.jobs.client.submit(job.backoff("fixed:1h".parse().unwrap()).unique(Unique::active("retries")))
    };
    let first = failing().await.unwrap();
    let waits = async || match seat.jobs.client.find(&first.id).await.unwrap() {
        JobState::WaitingRetry { .. } => Ok(()),
        other => Err(format!("{other:?}")),
    };
    lovage_tests::eventually("the first attempt to fail", lovage_tests::WITHIN, waits).await;
    let again = failing().await.unwrap();
    assert_eq!((&again.id, again.existing), (&first.id, true));
    seat.jobs.client.cancel(&first.id, "").await.unwrap();
    assert!(!failing().await.unwrap().existing, "a cancelled job has ended");
}

#[tokio::test]
async fn debounced_job_runs_once_with_the_last_input() {
    let seat = Stage::seat().await;
    let submit = |n: u32| {
        // long enough that all submissions come before it, on any machine
        seat.jobs.client.submit(echo(&json!(n), Unique::debounce("typing", Duration::from_secs(4))))
    };
    let first = submit(0).await.unwrap();
    for n in 1..10 {
        let next = submit(n).await.unwrap();
        assert_eq!((&next.id, next.existing), (&first.id, true));
    }
    assert_eq!(output(&seat, &first.id).await, json!(9));
    let result = seat.jobs.result(&first.id).await;
    assert!(result.record.started.since(result.record.published) < HOUR);
    let next = submit(10).await.unwrap();
    assert!(!next.existing && next.id != first.id);
}

#[tokio::test]
async fn command_line_says_which_job_a_key_stands_for() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let submit = |options: &[&str]| {
        let args = ["submit", "echo", "1", "--queue", "nobody-serves-keys"];
        cli.json(args.iter().chain(options))
    };
    for options in [
        ["--idempotency-key", "shell", "--window", "10m"].as_slice(),
        &["--idempotency-key", "shell-default"],
        &["--unique", "shell"],
        &["--unique", "shell", "--debounce", "1h", "--debounce-max", "2h"],
        &["--unique", "shell", "--throttle", "1h"],
    ] {
        let (first, again) = (submit(options), submit(options));
        assert_eq!((&first["existing"], &again["existing"]), (&json!(false), &json!(true)), "{options:?}");
        assert_eq!(first["id"], again["id"], "{options:?}");
    }
    for options in [
        ["--idempotency-key", "k", "--window", "0s"].as_slice(),
        &["--idempotency-key", "k", "--window", "367d"],
        &["--idempotency-key", ""],
        &["--idempotency-key", &"k".repeat(10_000)],
        &["--unique", "k", "--throttle", "999ms"],
        &["--unique", "k", "--debounce", "5s", "--delay", "5s"],
        &["--unique", "k", "--debounce", "5s", "--debounce-max", "4s"],
        &["--unique", "k", "--id", "j"],
        &["--window", "5s"],
        &["--debounce", "5s"],
    ] {
        let args = ["submit", "echo", "1", "--queue", "nobody-serves-keys"];
        let told = cli.run(args.iter().chain(options)).fails_with(2);
        assert!(told.stdout.is_empty() && !told.stderr.is_empty(), "{options:?}");
    }
}

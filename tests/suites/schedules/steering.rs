//! Overlapping runs, and what people do to a schedule that is under way.

use std::time::Duration;

use futures::StreamExt;
use lovage_client::JobState;
use lovage_job::{
    name::JobId,
    outcome::OutcomeKind::{Completed, Skipped},
    result::JobResult,
};
use lovage_tests::{Stage, eventually};
use serde_json::json;

use super::{TICKS_WITHIN, clock_reaches, now, of_kind, runs, runs_until, slot};

/// A run that waits is due by itself after 30 s: one that begins sooner was woken.
const WOKEN_WITHIN: Duration = Duration::from_secs(20);

/// Checks that no two of these runs were under way at once.
fn assert_apart(ended: &[JobResult]) {
    let mut completed = of_kind(ended, Completed);
    completed.sort_by_key(|run| run.record.started);
    for pair in completed.windows(2) {
        assert!(pair[0].record.finished <= pair[1].record.started, "{:?} and {:?}", pair[0].record, pair[1].record);
    }
}

#[tokio::test]
async fn run_that_overlaps_is_skipped_with_the_one_that_is_under_way() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let options = ["--every", "1s", "--task", "sleepy", "--input", "3500", "--overlap", "skip", "--tag", "alone"];
    cli.ok(["schedule", "add", "alone"].iter().chain(&options));
    let enough = |ended: &[_]| of_kind(ended, Completed).len() >= 2 && of_kind(ended, Skipped).len() >= 3;
    let ended = runs_until(&seat.jobs, "alone", "runs and skipped ones", enough).await;
    cli.ok(["schedule", "remove", "alone"]);
    assert_apart(&ended);
    let skipped = of_kind(&ended, Skipped)[0];
    let told = &skipped.error.as_ref().unwrap().message;
    let active = ended.iter().any(|run| told.contains(&format!("run {} of schedule alone", run.record.id)));
    assert!(active, "{told}");
    assert_eq!((skipped.record.attempt, skipped.record.meter.fuel_used), (0, 0));
    assert!(!seat.jobs.has_letter(&skipped.record.id).await, "a skipped run is no dead letter");
}

#[tokio::test]
async fn one_run_waits_for_the_end_of_another_and_is_woken_by_it() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let options = ["--every", "1s", "--task", "sleepy", "--input", "3500", "--overlap", "queue", "--tag", "in-line"];
    cli.ok(["schedule", "add", "in-line"].iter().chain(&options));
    let enough = |ended: &[_]| of_kind(ended, Completed).len() >= 3 && !of_kind(ended, Skipped).is_empty();
    let ended = runs_until(&seat.jobs, "in-line", "three runs", enough).await;
    cli.ok(["schedule", "remove", "in-line"]);
    assert_apart(&ended);
    let mut completed = of_kind(&ended, Completed);
    completed.sort_by_key(|run| run.record.started);
    let (first, second) = (&completed[0].record, &completed[1].record);
    assert!(second.started.since(first.finished) < WOKEN_WITHIN, "{first:?} {second:?}");
    let waited = second.started.0 - slot(completed[1]);
    assert!(waited > 1_000, "the second run came {waited} ms after its tick, and the first took 3500");
}

#[tokio::test]
async fn cancel_of_a_run_wakes_the_one_that_waits_for_it() {
    let seat = Stage::seat().await;
    let (cli, client) = (&seat.stage.cli, &seat.jobs.client);
    let at = "2099-01-01T00:00:00Z";
    let options = ["--at", at, "--task", "sleepy", "--input", "60000", "--run-timeout", "80s", "--overlap", "queue"];
    cli.ok(["schedule", "add", "by-turns"].iter().chain(&options));
    let run = async || client.run_schedule(&"by-turns".parse().unwrap()).await.unwrap();
    let mut events = client.events().await.unwrap();
    client.nats().flush().await.unwrap();
    let mut happens = async |id: &JobId, what: &str| loop {
        let event = tokio::time::timeout(TICKS_WITHIN, events.next()).await.expect("an event in time").unwrap();
        if event.id == *id && event.what.token() == what {
            return event;
        }
    };
    let first = run().await;
    happens(&first, "started").await;
    let second = run().await;
    let waiting = async || match client.find(&second).await.unwrap() {
        JobState::Held { due, .. } => Ok(due),
        other => Err(format!("{other:?}")),
    };
    let due = eventually("the second run to wait", TICKS_WITHIN, waiting).await;
    client.cancel(&first, "the next, please").await.unwrap();
    let started = happens(&second, "started").await;
    assert!(started.at < due, "it was not woken but looked by itself at {due:?}: {started:?}");
    client.cancel(&second, "enough").await.unwrap();
    cli.ok(["schedule", "remove", "by-turns"]);
}

#[tokio::test]
async fn overlapping_runs_are_allowed_unless_said_otherwise() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let options = ["--every", "1s", "--task", "sleepy", "--input", "4000", "--tag", "crowd"];
    cli.ok(["schedule", "add", "crowd"].iter().chain(&options));
    let ended = runs_until(&seat.jobs, "crowd", "three runs", |ended| ended.len() >= 3).await;
    cli.ok(["schedule", "remove", "crowd"]);
    assert!(of_kind(&ended, Skipped).is_empty());
    assert!(ended.windows(2).any(|pair| pair[1].record.started < pair[0].record.finished));
}

#[tokio::test]
async fn paused_schedule_misses_nothing_and_runs_by_hand() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let options = ["--every", "1s", "--task", "sleepy", "--input", "1", "--missed", "all:1000", "--tag", "paused"];
    cli.ok(["schedule", "add", "paused"].iter().chain(&options));
    runs_until(&seat.jobs, "paused", "a tick", |ended| !ended.is_empty()).await;
    cli.ok(["schedule", "pause", "paused"]);
    let paused = cli.json(["schedule", "show", "paused"]);
    assert_eq!((&paused["paused"], &paused["next"]), (&json!(true), &json!([])));
    let paused = paused["since"].as_u64().unwrap();
    let stream = seat.jobs.stream("SCHED_default").await;
    eventually("the planned ticks to be taken back", TICKS_WITHIN, async || {
        let mut left = stream.info_with_subjects("lovage.default.sched.tick.paused.>").await.unwrap();
        match futures::StreamExt::next(&mut left).await {
            None => Ok(()),
            Some(subject) => Err(format!("{subject:?}")),
        }
    })
    .await;
    clock_reaches(lovage_job::unit::UnixMs(now().0 + 3_000)).await;
    // It runs by hand, paused or not.
    let id: JobId = cli.ok(["schedule", "run", "paused"]).trim().parse().unwrap();
    assert_eq!(seat.jobs.result(&id).await.record.outcome, Completed);
    let last = cli.json(["schedule", "show", "paused"])["last"].clone();
    assert_eq!((&last["id"], &last["outcome"]), (&json!(id), &json!("completed")));
    cli.ok(["schedule", "resume", "paused"]);
    let resumed = cli.json(["schedule", "show", "paused"])["since"].as_u64().unwrap();
    let goes_on = |ended: &[JobResult]| ended.iter().any(|run| run.record.id != id && slot(run) > resumed);
    runs_until(&seat.jobs, "paused", "ticks after the resume", goes_on).await;
    cli.ok(["schedule", "remove", "paused"]);
    let ended = runs(&seat.jobs, "paused").await;
    for run in ended.iter().filter(|run| run.record.id != id && (paused..=resumed).contains(&slot(run))) {
        assert_eq!(run.record.outcome, Skipped, "a tick of the pause was run: {:?}", run.record);
    }
}

#[tokio::test]
async fn edited_schedule_runs_what_it_says_now() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let add = |input: &str| {
        let args = ["schedule", "add", "edited", "--every", "1s", "--task", "echo", "--tag", "edited", "--input"];
        cli.json(args.iter().chain(&[input]))["schedule"].clone()
    };
    assert_eq!(add("1"), "added");
    assert_eq!(add("1"), "unchanged");
    runs_until(&seat.jobs, "edited", "a tick", |ended| !ended.is_empty()).await;
    assert_eq!(add("2"), "changed");
    let since = cli.json(["schedule", "show", "edited"])["since"].as_u64().unwrap();
    let later = |ended: &[JobResult]| ended.iter().filter(|run| slot(run) > since).count() >= 3;
    let ended = runs_until(&seat.jobs, "edited", "ticks of the new one", later).await;
    cli.ok(["schedule", "remove", "edited"]);
    for run in &ended {
        let expected: &[u8] = if slot(run) > since { b"2" } else { b"1" };
        assert_eq!(run.body, expected, "{:?}", run.record);
    }
}

#[tokio::test]
async fn one_off_runs_once_and_a_replay_of_a_tick_runs_again() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let at = lovage_job::unit::UnixMs(now().0 + 1_500).to_rfc3339();
    let args = ["schedule", "add", "once", "--at", &at, "--task", "permanent", "--input", "\"no\"", "--tag", "once"];
    cli.ok(args);
    let ended = runs_until(&seat.jobs, "once", "its tick", |ended| !ended.is_empty()).await;
    let id = ended[0].record.id.clone();
    assert_eq!(cli.json(["schedule", "show", "once"])["next"], json!([]));
    let letter = seat.jobs.letter(&id).await;
    cli.ok(["dead", "replay", id.as_str()]);
    let again = async || match seat.jobs.client.result(&id).await.unwrap() {
        Some(result) if result.record.started > letter.buried => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("the replay to run", TICKS_WITHIN, again).await;
    cli.ok(["schedule", "remove", "once"]);
}

#[tokio::test]
async fn run_that_waits_for_another_attempt_is_under_way() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let input = r#"{"delay_ms":4000,"succeed_on":2}"#;
    let options = ["--every", "1s", "--task", "retry-later", "--input", input, "--overlap", "skip", "--tag", "again"];
    cli.ok(["schedule", "add", "again"].iter().chain(&options));
    let enough = |ended: &[_]| of_kind(ended, Completed).len() >= 2 && of_kind(ended, Skipped).len() >= 2;
    let ended = runs_until(&seat.jobs, "again", "runs and skipped ones", enough).await;
    cli.ok(["schedule", "remove", "again"]);
    let completed = of_kind(&ended, Completed);
    assert!(completed.iter().all(|run| run.record.attempt == 2), "{completed:?}");
    for pair in completed.windows(2) {
        // the first attempt of a run begins after the last one of the run before
        assert!(pair[1].trail.0[0].started >= pair[0].record.finished, "{pair:?}");
    }
}

#[tokio::test]
async fn queued_ticks_of_a_paused_schedule_are_skipped() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let options = ["--every", "1s", "--task", "sleepy", "--input", "1", "--tag", "stuck", "--queue", "stuck"];
    cli.ok(["schedule", "add", "stuck", "--missed", "all:1000"].iter().chain(&options));
    let queued = lovage_client::ListFilter {
        tag: Some("stuck".to_owned()),
        state: Some(lovage_client::ListState::Queued),
        ..lovage_client::ListFilter::default()
    };
    eventually("two ticks in a queue that nobody serves", TICKS_WITHIN, async || {
        match seat.jobs.client.list(&queued).await.unwrap().jobs.len() {
            2.. => Ok(()),
            few => Err(few.to_string()),
        }
    })
    .await;
    cli.ok(["schedule", "pause", "stuck"]);
    let _late = seat.stage.worker("late").arg("--queue").arg("stuck").start();
    let ended = runs_until(&seat.jobs, "stuck", "the ends of both", |ended| ended.len() >= 2).await;
    cli.ok(["schedule", "remove", "stuck"]);
    assert!(ended.iter().all(|run| run.record.outcome == Skipped), "{ended:?}");
    let told = &ended[0].error.as_ref().unwrap().message;
    assert_eq!(told, "schedule stuck is paused");
}

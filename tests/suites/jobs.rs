//! Jobs as their publishers see them: plain messages, headers, replies, deadlines, cancels and retries.

use std::time::{Duration, Instant};

use futures::StreamExt;
use lovage_client::{CancelOutcome, JobState, NewJob, Unique};
use lovage_job::{
    name::{Digest, TaskName},
    outcome::OutcomeKind,
    result::JobResult,
    subject::Lane,
};
use lovage_tests::{Stage, WITHIN, eventually};
use serde_json::{Value, json};

const TEXT: &str = r#"{"text":"To be or not to be."}"#;

#[tokio::test]
async fn plain_publish_needs_only_subject_and_payload() {
    let seat = Stage::seat().await;
    let plain = seat.jobs.publish("job.default.word-stats", &[], TEXT).await;
    assert!(plain.id.as_str().starts_with('s') && plain.id.as_str().ends_with(&format!("-{}", plain.sequence)));
    let result = seat.jobs.result(&plain.id).await;
    assert_eq!(outcome(&result), (OutcomeKind::Completed, 1));
    assert_eq!((json(&result)["words"].clone(), json(&result)["unique"].clone()), (json!(6), json!(4)));
    assert_eq!(result.content_type.as_deref(), Some("application/json"));
    let record = &result.record;
    assert_eq!((record.task.as_ref().map(TaskName::as_str), record.lane), (Some("word-stats"), Some(Lane::Normal)));
    assert_eq!((record.worker.as_str(), record.version.as_ref().map(|v| v.as_str())), ("worker", Some("1")));
    assert!(record.meter.fuel_used > 0 && record.meter.memory_peak_bytes > 0 && record.meter.wall_us > 0);
    assert!(record.published <= record.started && record.started <= record.finished);
    seat.jobs.gone(plain.sequence).await;
    assert!(matches!(seat.jobs.client.find(&plain.id).await.unwrap(), JobState::Done(done) if *done == result));
}

#[tokio::test]
async fn headers_refine_a_plain_job_and_only_own_ones_reach_the_guest() {
    let seat = Stage::seat().await;
    let headers = [
        ("Lovage-Id", "refined-1"),
        ("Lovage-Tag", "first"),
        ("Lovage-Tag", "second"),
        ("Lovage-Timeout", "7s"),
        ("Lovage-Retries", "2"),
        ("Nats-Msg-Id", "once"),
        ("Content-Type", "text/plain"),
        ("X-Colour", "blue"),
    ];
    let published = seat.jobs.publish("job.default.context", &headers, "12345").await;
    let result = seat.jobs.result(&"refined-1".parse().unwrap()).await;
    assert_eq!(result.record.tags, ["first", "second"]);
    let seen = json(&result);
    assert_eq!((seen["id"].clone(), seen["attempts_max"].clone()), (json!("refined-1"), json!(3)));
    assert_eq!((seen["input_bytes"].clone(), seen["content_type"].clone()), (json!(5), json!("text/plain")));
    let remaining = seen["remaining_ms"].as_u64().unwrap();
    assert!((1..=7_000).contains(&remaining), "the timeout of 7 s was not applied: {seen}");
    let names: Vec<String> = serde_json::from_value::<Vec<(String, String)>>(seen["headers"].clone())
        .unwrap()
        .into_iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    assert!(names.contains(&"x-colour".to_owned()), "{names:?}");
    assert!(names.iter().all(|name| !name.starts_with("lovage-") && !name.starts_with("nats-")), "{names:?}");
    assert_eq!((seen["arguments"].clone(), seen["environment"].clone()), (json!([]), json!([])));
    // The same message id is the broker's duplicate: nothing is stored and nothing runs again.
    assert_eq!(seat.jobs.publish("job.default.context", &headers, "12345").await.sequence, published.sequence);
}

#[tokio::test]
async fn job_id_in_the_subject_names_the_job_in_every_lane() {
    let seat = Stage::seat().await;
    for lane in Lane::ALL {
        let id = format!("Subject_{lane}");
        seat.jobs.publish(&format!("{}.default.word-stats.{id}", lane.token()), &[], TEXT).await;
        let result = seat.jobs.result(&id.parse().unwrap()).await;
        assert_eq!((outcome(&result), result.record.lane), ((OutcomeKind::Completed, 1), Some(lane)));
    }
}

#[tokio::test]
async fn outcome_is_pushed_to_the_reply_subject() {
    let seat = Stage::seat().await;
    let nats = seat.stage.nats.connect().await;
    let inbox = nats.new_inbox();
    let mut replies = nats.subscribe(inbox.clone()).await.unwrap();
    nats.flush().await.unwrap();
    for (task, payload, expected) in
        [("word-stats", TEXT, OutcomeKind::Completed), ("permanent", "\"no\"", OutcomeKind::Failed)]
    {
        let plain = seat.jobs.publish(&format!("job.default.{task}"), &[("Lovage-Reply", &inbox)], payload).await;
        let reply = tokio::time::timeout(WITHIN, replies.next()).await.expect("a reply in time").unwrap();
        let headers = lovage_client::wire::from_nats(reply.headers.as_ref().unwrap());
        let pushed = JobResult::from_message(&headers, reply.payload.to_vec()).unwrap();
        assert_eq!((&pushed.record.id, pushed.record.outcome), (&plain.id, expected));
        assert_eq!(pushed, seat.jobs.result(&plain.id).await);
    }
}

#[tokio::test]
async fn empty_body_is_enough_for_a_task_without_input() {
    let seat = Stage::seat().await;
    // `speak` would take text; `levels` takes nothing and `hog` may be told nothing.
    let plain = seat.jobs.publish("job.default.levels", &[], "").await;
    let result = seat.jobs.result(&plain.id).await;
    assert_eq!(outcome(&result), (OutcomeKind::Completed, 1), "{:?}", result.error);
    let told = seat.jobs.client.submit(NewJob::new(task("levels"), "")).await;
    assert!(told.is_ok(), "{told:?}");
}

#[tokio::test]
async fn expired_job_is_not_run() {
    let seat = Stage::seat().await;
    let headers = [("Lovage-Expires", "2020-01-01T00:00:00Z")];
    let plain = seat.jobs.publish("job.default.word-stats", &headers, TEXT).await;
    let result = seat.jobs.result(&plain.id).await;
    assert_eq!(outcome(&result), (OutcomeKind::Expired, 0));
    assert_eq!(result.record.meter.fuel_used, 0);
    let reason = result.error.unwrap().message;
    assert!(reason.contains("2020-01-01T00:00:00"), "{reason}");
    // One that is still worth starting is run.
    let soon = seat.jobs.publish("job.default.word-stats", &[("Lovage-Expires", "5m")], TEXT).await;
    assert_eq!(outcome(&seat.jobs.result(&soon.id).await), (OutcomeKind::Completed, 1));
}

#[tokio::test]
async fn delayed_job_waits_for_its_time() {
    let seat = Stage::seat().await;
    let job = NewJob::new(task("word-stats"), TEXT).delay(Duration::from_millis(1_500));
    let submitted = Instant::now();
    let id = seat.jobs.client.submit(job).await.unwrap().id;
    assert!(matches!(seat.jobs.client.find(&id).await.unwrap(), JobState::Delayed { .. }));
    let result = seat.jobs.result(&id).await;
    assert_eq!(outcome(&result), (OutcomeKind::Completed, 1));
    assert!(submitted.elapsed() >= Duration::from_millis(1_500), "{:?}", submitted.elapsed());
}

#[tokio::test]
async fn running_job_stops_soon_after_it_is_cancelled() {
    let seat = Stage::seat().await;
    // The first one asks whether it was cancelled, the second sleeps, the third never gives way.
    for (name, input) in [("canceller", "null"), ("sleepy", "25000"), ("spin", "null")] {
        let id = format!("cancel-{name}").parse().unwrap();
        let mut events = seat.jobs.client.events_of(&id).await.unwrap();
        let job = NewJob::new(task(name), input).id(id.clone()).unchecked();
        seat.jobs.client.submit(job).await.unwrap();
        let started = tokio::time::timeout(WITHIN, events.next()).await.expect("a start in time").unwrap();
        assert_eq!(started.what.token(), "started");
        let asked = Instant::now();
        let told = seat.jobs.client.cancel(&id, "no longer needed").await.unwrap();
        assert_ne!(told, CancelOutcome::AlreadyDone(OutcomeKind::Completed));
        let result = seat.jobs.result(&id).await;
        let took = asked.elapsed();
        assert_eq!(result.record.outcome, OutcomeKind::Cancelled, "{name}");
        assert_eq!(result.error.unwrap().message, "no longer needed");
        assert!(took < Duration::from_secs(8), "{name} was told cancelled after {took:?}");
        assert!(!seat.jobs.has_letter(&id).await, "a cancelled job is no dead letter");
    }
    seat.stage.worker_lives();
}

#[tokio::test]
async fn waiting_job_is_cancelled_in_its_queue() {
    let seat = Stage::seat().await;
    let plain = seat.jobs.publish("job.nobody-serves-this.word-stats.cancel-queued", &[], TEXT).await;
    let id = "cancel-queued".parse().unwrap();
    assert_eq!(seat.jobs.client.cancel(&id, "by hand").await.unwrap(), CancelOutcome::Cancelled);
    let result = seat.jobs.result(&id).await;
    assert_eq!(outcome(&result), (OutcomeKind::Cancelled, 0));
    seat.jobs.gone(plain.sequence).await;
    let again = seat.jobs.client.cancel(&id, "by hand").await.unwrap();
    assert_eq!(again, CancelOutcome::AlreadyDone(OutcomeKind::Cancelled));
}

#[tokio::test]
async fn failed_attempt_is_tried_again_and_leaves_a_trail() {
    let seat = Stage::seat().await;
    let headers = [("Lovage-Backoff", "fixed:300ms"), ("X-Own", "kept")];
    let plain = seat.jobs.publish("job.default.flaky", &headers, r#"{"succeed_on":3}"#).await;
    let result = seat.jobs.result(&plain.id).await;
    assert_eq!(outcome(&result), (OutcomeKind::Completed, 3));
    assert_eq!(json(&result), json!(3));
    let trail: Vec<_> = result.trail.0.iter().map(|attempt| (attempt.attempt, attempt.outcome)).collect();
    assert_eq!(trail, [(1, OutcomeKind::Failed), (2, OutcomeKind::Failed), (3, OutcomeKind::Completed)]);
    for attempt in &result.trail.0[..2] {
        let error = attempt.error.as_ref().unwrap();
        assert_eq!(error.details, Some(json!(attempt.attempt)));
        assert!(attempt.meter.fuel_used > 0 && attempt.digest == result.record.digest);
    }
    assert!(result.trail.0.windows(2).all(|pair| pair[1].started.since(pair[0].started) >= Duration::from_millis(300)));
    seat.jobs.gone(plain.sequence).await;
    assert!(!seat.jobs.has_letter(&plain.id).await);
}

#[tokio::test]
async fn task_chooses_when_it_is_tried_again() {
    let seat = Stage::seat().await;
    let input = json!({"delay_ms": 1_200, "succeed_on": 2});
    let result = seat.jobs.run(NewJob::json(task("retry-later"), &input).unwrap()).await;
    assert_eq!(outcome(&result), (OutcomeKind::Completed, 2));
    let waited = result.record.started.since(result.trail.0[0].started);
    assert!(waited >= Duration::from_millis(1_200), "tried again after {waited:?}, although the default is 0 to 2 s");
}

#[tokio::test]
async fn retry_runs_the_component_of_the_first_attempt_although_stable_moved() {
    let seat = Stage::seat().await;
    let (cli, jobs) = (&seat.stage.cli, &seat.jobs);
    lovage_tests::push(cli, "hostile", &["--export", "flaky", "--name", "mover"]);
    let first = jobs.client.task(&task("mover")).await.unwrap().unwrap().versions[0].digest.clone();
    let job = NewJob::json(task("mover"), &json!({"succeed_on": 2})).unwrap().backoff("fixed:3s".parse().unwrap());
    let id = jobs.client.submit(job).await.unwrap().id;
    let waiting = async || match jobs.client.find(&id).await.unwrap() {
        JobState::WaitingRetry { attempt: 2, .. } => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("the first attempt to fail", WITHIN, waiting).await;
    lovage_tests::push(cli, "sha256", &["--export", "sha256-hex", "--name", "mover"]);
    let moved = async || {
        let result = jobs.run(NewJob::new(task("mover"), "abc").unchecked()).await;
        if result.record.digest.as_ref() == Some(&first) { Err("the old version runs") } else { Ok(result) }
    };
    let new = eventually("stable to move on the worker", WITHIN, moved).await;
    assert_eq!(json(&new), json!(Digest::of(b"abc").hex()));
    let result = jobs.result(&id).await;
    assert_eq!((outcome(&result), json(&result)), ((OutcomeKind::Completed, 2), json!(2)));
    assert_eq!(result.record.digest, Some(first));
}

#[tokio::test]
async fn idempotency_key_gives_the_job_that_is_there() {
    let seat = Stage::seat().await;
    let job = || NewJob::new(task("word-stats"), TEXT).unique(Unique::idempotent("order 17, line 2", WITHIN));
    let first = seat.jobs.client.submit(job()).await.unwrap();
    assert!(!first.existing);
    let result = seat.jobs.result(&first.id).await;
    let second = seat.jobs.client.submit(job()).await.unwrap();
    assert_eq!((second.id, second.existing), (first.id.clone(), true));
    assert_eq!(seat.jobs.result(&first.id).await, result);
}

fn task(name: &str) -> TaskName {
    name.parse().unwrap()
}

fn outcome(result: &JobResult) -> (OutcomeKind, u32) {
    (result.record.outcome, result.record.attempt)
}

fn json(result: &JobResult) -> Value {
    serde_json::from_slice(&result.body).unwrap_or_else(|error| panic!("{error}: {result:?}"))
}

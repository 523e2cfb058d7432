//! What follows a job: callbacks for each end, chains, and follow-ups that are done once however often they are tried.

use std::time::Duration;

use lovage_client::{CancelOutcome, JobState, NewJob, ReplayOptions, chain};
use lovage_job::{
    name::{Digest, JobId},
    outcome::OutcomeKind,
    result::JobResult,
};
use lovage_tests::{Seat, Stage, WITHIN, eventually};
use serde_json::{Value, json};

#[tokio::test]
async fn success_hands_its_output_on_as_it_is() {
    let seat = Stage::seat().await;
    let job = new("echo", "hello").content_type("text/plain").on_success(target("echo")).on_failure(target("context"));
    let first = seat.jobs.run(job).await;
    let next = seat.jobs.result(&follow(&first, "success")).await;
    assert_eq!((next.record.outcome, next.body.as_slice()), (OutcomeKind::Completed, &b"hello"[..]));
    assert_eq!(next.content_type, first.content_type);
    assert_eq!(find(&seat, &follow(&first, "failure")).await, None, "nothing failed");
}

#[tokio::test]
async fn large_output_is_handed_on_by_its_object() {
    const BYTES: usize = 700_000;
    let seat = Stage::seat().await;
    let first = seat.jobs.run(json_job("big-output", &json!(BYTES)).on_success(target("sha256-hex"))).await;
    assert!(first.record.payload.is_some() && first.body.len() == BYTES);
    let next = seat.jobs.result(&follow(&first, "success")).await;
    assert_eq!(body(&next), json!(Digest::of(&first.body).hex()));
}

#[tokio::test]
async fn failure_and_dead_letter_are_told_with_the_error_and_the_input() {
    let seat = Stage::seat().await;
    let job = json_job("permanent", &json!("no such user")).on_failure(target("echo")).on_dead(target("echo"));
    let first = seat.jobs.run(job.on_success(target("context"))).await;
    assert_eq!(first.record.outcome, OutcomeKind::Failed);
    for kind in ["failure", "dead"] {
        let told = body(&seat.jobs.result(&follow(&first, kind)).await);
        assert_eq!((&told["id"], &told["task"]), (&json!(first.record.id), &json!("permanent")), "{kind}");
        assert_eq!((&told["outcome"], &told["attempts"]), (&json!("failed"), &json!(1)));
        assert_eq!((&told["error"]["message"], &told["payload"]), (&json!("no such user"), &json!("no such user")));
    }
    assert!(seat.jobs.has_letter(&first.record.id).await);
    assert_eq!(find(&seat, &follow(&first, "success")).await, None, "it did not complete");
}

#[tokio::test]
async fn every_end_without_completing_is_a_failure() {
    let seat = Stage::seat().await;
    let callbacks = [("Lovage-On-Failure", "echo"), ("Lovage-On-Dead", "echo")];
    for (rest, header, outcome) in [
        ("job.default.echo", ("Lovage-Expires", "2020-01-01T00:00:00Z"), "expired"),
        ("job.default.no-such-task", ("X-Own", "1"), "unknown-task"),
        ("job.default.echo", ("Lovage-Timeout", "soon"), "undecodable"),
        ("job.default.spin.", ("X-Own", "1"), "undecodable"),
    ] {
        let headers = [callbacks[0], callbacks[1], header];
        let rest = rest.trim_end_matches('.');
        let rest = if rest.ends_with("spin") { "job.default.spin.not.one" } else { rest };
        let plain = seat.jobs.publish(rest, &headers, "{}").await;
        let first = seat.jobs.result(&plain.id).await;
        assert_eq!(first.record.outcome.as_str(), outcome);
        for kind in ["failure", "dead"] {
            let told = body(&seat.jobs.result(&follow(&first, kind)).await);
            assert_eq!((&told["id"], &told["outcome"]), (&json!(plain.id), &json!(outcome)), "{rest}");
        }
    }
}

#[tokio::test]
async fn cancel_of_a_waiting_job_is_told_by_the_client_that_cancels() {
    let seat = Stage::seat().await;
    let job = new("echo", "1").delay(Duration::from_secs(3_600)).on_failure(target("echo"));
    let id = seat.jobs.client.submit(job).await.unwrap().id;
    assert_eq!(seat.jobs.client.cancel(&id, "not needed").await.unwrap(), CancelOutcome::Cancelled);
    let first = seat.jobs.result(&id).await;
    let told = body(&seat.jobs.result(&follow(&first, "failure")).await);
    assert_eq!((&told["outcome"], &told["error"]["message"]), (&json!("cancelled"), &json!("not needed")));
    assert!(matches!(seat.jobs.client.find(&id).await.unwrap(), JobState::Done(_)));
}

#[tokio::test]
async fn chain_passes_outputs_on() {
    let seat = Stage::seat().await;
    let job = chain(vec![new("echo", "abc"), new("sha256-hex", "").tag("second"), new("echo", "")]).unwrap();
    let first = seat.jobs.run(job).await;
    let second = seat.jobs.result(&follow(&first, "then")).await;
    assert_eq!(
        (body(&second), second.record.tags.clone()),
        (json!(Digest::of(b"abc").hex()), vec!["second".to_owned()])
    );
    let third = seat.jobs.result(&follow(&second, "then")).await;
    assert_eq!(third.body, second.body);
    assert_eq!(find(&seat, &follow(&third, "then")).await, None);
}

#[tokio::test]
async fn failed_link_ends_the_chain_and_tells() {
    let seat = Stage::seat().await;
    let links =
        vec![json_job("echo", &json!("stop here")), new("permanent", "").on_failure(target("echo")), new("echo", "")];
    let first = seat.jobs.run(chain(links).unwrap()).await;
    let second = seat.jobs.result(&follow(&first, "then")).await;
    assert_eq!(second.record.outcome, OutcomeKind::Failed);
    let told = body(&seat.jobs.result(&follow(&second, "failure")).await);
    assert_eq!(told["id"], json!(second.record.id));
    seat.jobs.letter(&second.record.id).await;
    assert_eq!(find(&seat, &follow(&second, "then")).await, None, "the rest is not run");
}

#[tokio::test]
async fn guest_sees_nothing_of_where_its_job_comes_from() {
    let seat = Stage::seat().await;
    let spec = r#"{"task":"context","headers":{"X-Own":"mine"},"retries":7,"then":["echo"]}"#;
    let first = seat.jobs.run(new("echo", "12345").on_success(target(spec))).await;
    let seen = body(&seat.jobs.result(&follow(&first, "success")).await);
    assert_eq!((&seen["attempts_max"], &seen["input_bytes"]), (&json!(8), &json!(5)));
    let names: Vec<String> = serde_json::from_value::<Vec<(String, String)>>(seen["headers"].clone())
        .unwrap()
        .into_iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    assert!(names.contains(&"x-own".to_owned()) && !names.iter().any(|name| name.starts_with("lovage")), "{names:?}");
}

#[tokio::test]
async fn follow_up_that_cannot_run_is_a_dead_letter_with_the_reason() {
    let seat = Stage::seat().await;
    let first = seat.jobs.run(new("echo", "1").on_success(target("no-such-task"))).await;
    let unknown = follow(&first, "success");
    assert_eq!(seat.jobs.result(&unknown).await.record.outcome, OutcomeKind::UnknownTask);
    assert!(seat.jobs.letter(&unknown).await.error.message.contains("no-such-task"));
    // As many jobs led to it as may: the next one is one too many.
    let headers = [("Lovage-Depth", "32"), ("Lovage-On-Success", r#"{"task":"echo","on_failure":"echo"}"#)];
    let deepest = seat.jobs.publish("job.default.echo", &headers, "1").await;
    let deepest = seat.jobs.result(&deepest.id).await;
    assert_eq!(deepest.record.outcome, OutcomeKind::Completed);
    let beyond = seat.jobs.result(&follow(&deepest, "success")).await;
    let letter = seat.jobs.letter(&beyond.record.id).await;
    assert!(letter.error.message.contains("33") && letter.error.message.contains("more than 32"), "{:?}", letter.error);
    assert_eq!(letter.payload, b"1", "nothing is lost");
    assert_eq!(find(&seat, &follow(&beyond, "failure")).await, None, "and the cycle ends here");
}

#[tokio::test]
async fn replayed_dead_letter_that_ends_again_is_told_again() {
    let seat = Stage::seat().await;
    let first = seat.jobs.run(json_job("permanent", &json!("again")).on_dead(target("echo"))).await;
    let id = first.record.id.clone();
    seat.jobs.result(&follow(&first, "dead")).await;
    seat.jobs.letter(&id).await;
    let letter = seat.jobs.client.dead_show(&id).await.unwrap();
    seat.jobs.client.replay(&letter, &ReplayOptions::default()).await.unwrap();
    let ended = async || match seat.jobs.client.result(&id).await.unwrap() {
        Some(result) if result.record.published != first.record.published => Ok(result),
        _ => Err("not ended again"),
    };
    let second = eventually("the replay to end", WITHIN, ended).await;
    assert_ne!(follow(&first, "dead"), follow(&second, "dead"));
    let told = body(&seat.jobs.result(&follow(&second, "dead")).await);
    assert_eq!(told["id"], json!(id));
}

/// The end of a job is stored, its worker died, and another one gets the message.
#[tokio::test]
async fn end_that_stands_is_the_one_that_is_followed() {
    let seat = Stage::seat().await;
    let run = seat.jobs.run(new("echo", "the first")).await;
    let id: JobId = "follow-stands".parse().unwrap();
    let mut earlier = run;
    earlier.record.id = id.clone();
    let headers = lovage_client::wire::to_nats(&earlier.to_headers());
    let subject = format!("$KV.results-default.{id}");
    seat.jobs.js.publish_with_headers(subject, headers, earlier.body.clone().into()).await.unwrap().await.unwrap();
    let headers = [("Lovage-On-Success", "echo"), ("Lovage-On-Failure", "echo"), ("Lovage-Published", "77")];
    let plain = seat.jobs.publish(&format!("job.default.echo.{id}"), &headers, "the second").await;
    seat.jobs.gone(plain.sequence).await;
    // named after the end that stands, whatever the second message says of its publication
    let published = earlier.record.published.0.to_string();
    let next = JobId::from_parts("f", &[id.as_str(), "success", &published]);
    assert_eq!(seat.jobs.result(&next).await.body, b"the first");
}

#[tokio::test]
async fn command_line_submits_what_follows() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let args = ["submit", "echo", r#"{"a":1}"#, "--id", "cli-follow", "--then", "sha256-hex", "--then", "echo"];
    cli.ok(args.iter().chain(&["--on-success", r#"{"task":"echo","tags":["told"]}"#, "--on-dead", "echo", "--wait"]));
    let first = seat.jobs.result(&"cli-follow".parse().unwrap()).await;
    assert_eq!(seat.jobs.result(&follow(&first, "success")).await.record.tags, ["told"]);
    let second = seat.jobs.result(&follow(&first, "then")).await;
    assert_eq!(seat.jobs.result(&follow(&second, "then")).await.body, second.body);
    for (bad, reason) in
        [("Not A Task", "task name"), ("ftp://a/", "http://"), (r#"{"task":"a","x":1}"#, "unknown field")]
    {
        let told = cli.run(["submit", "echo", "1", "--on-success", bad]).fails_with(2);
        assert!(told.stderr.contains(reason), "{}", told.stderr);
    }
}

fn target(text: &str) -> lovage_job::flow::Target {
    text.parse().unwrap()
}

fn new(task: &str, payload: &'static str) -> NewJob {
    NewJob::new(task.parse().unwrap(), payload)
}

fn json_job(task: &str, input: &Value) -> NewJob {
    NewJob::json(task.parse().unwrap(), input).unwrap()
}

/// The id of what follows a job.
fn follow(result: &JobResult, kind: &str) -> JobId {
    JobId::from_parts("f", &[result.record.id.as_str(), kind, &result.record.published.0.to_string()])
}

/// Where a job is, or nothing where it is not known.
async fn find(seat: &Seat, id: &JobId) -> Option<String> {
    match seat.jobs.client.find(id).await.unwrap() {
        JobState::Unknown => None,
        other => Some(format!("{other:?}")),
    }
}

#[track_caller]
fn body(result: &JobResult) -> Value {
    serde_json::from_slice(&result.body).unwrap_or_else(|error| panic!("{error}: {result:?}"))
}

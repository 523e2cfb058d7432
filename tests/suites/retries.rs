//! What is tried again, when, and until when: as the publisher, the task and its policy say.

use futures::{StreamExt, stream};
use lovage_client::NewJob;
use lovage_job::{outcome::OutcomeKind, retry_on::RetryOn, unit::UnixMs};
use lovage_tests::{Stage, guest};
use serde_json::json;

/// Task, payload, further headers, how it ends, and after how many attempts.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], OutcomeKind, u32);

#[tokio::test]
async fn publisher_names_the_outcomes_that_are_tried_again() {
    const LEAN: (&str, &str) = ("Lovage-Version", "lean");
    const SHORT: (&str, &str) = ("Lovage-Timeout", "300ms");
    let seat = Stage::seat().await;
    let soon = ("Lovage-Backoff", "fixed:250ms");
    let cases: [Case; 9] = [
        ("flaky", r#"{"succeed_on":2}"#, &[("Lovage-Retry-On", "failed")], OutcomeKind::Completed, 2),
        ("flaky", r#"{"succeed_on":2}"#, &[("Lovage-Retry-On", "timed-out")], OutcomeKind::Failed, 1),
        ("flaky", r#"{"succeed_on":2}"#, &[("Lovage-Retry-On", "none")], OutcomeKind::Failed, 1),
        ("flaky", r#"{"succeed_on":2}"#, &[("Lovage-Retry-On", "default")], OutcomeKind::Completed, 2),
        ("permanent", "null", &[("Lovage-Retry-On", "failed")], OutcomeKind::Failed, 1),
        ("spin", "null", &[LEAN, ("Lovage-Retry-On", "out-of-fuel")], OutcomeKind::OutOfFuel, 2),
        ("spin", "null", &[LEAN], OutcomeKind::OutOfFuel, 1),
        ("sleepy", "20000", &[SHORT, ("Lovage-Retry-On", "failed, timed-out")], OutcomeKind::TimedOut, 2),
        ("sleepy", "20000", &[SHORT, ("Lovage-Retry-On", "failed")], OutcomeKind::TimedOut, 1),
    ];
    let run = stream::iter(cases).for_each_concurrent(None, |(task, payload, more, outcome, attempts)| {
        let (seat, headers) = (&seat, [&[soon, ("Lovage-Retries", "1")], more].concat());
        async move {
            let plain = seat.jobs.publish(&format!("job.default.{task}"), &headers, payload).await;
            let result = seat.jobs.result(&plain.id).await;
            assert_eq!((result.record.outcome, result.record.attempt), (outcome, attempts), "{task} {headers:?}");
        }
    });
    run.await;
}

#[tokio::test]
async fn client_and_command_line_name_them_too() {
    let seat = Stage::seat().await;
    let flaky = || NewJob::json("flaky".parse().unwrap(), &json!({"succeed_on": 2})).unwrap();
    let result = seat.jobs.run(flaky().retry_on(RetryOn::NONE)).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Failed, 1));
    let cli = &seat.stage.cli;
    let submit = |outcomes| cli.run(["submit", "flaky", r#"{"succeed_on":2}"#, "--wait", "--retry-on", outcomes]);
    let _failed = submit("trapped,timed-out").fails_with(1);
    for (bad, says) in [
        ("completed", "what ended as completed is never tried again"),
        ("timeout", "did you mean timed-out?"),
        ("", "write outcomes such as failed,timed-out"),
    ] {
        let refused = submit(bad).fails_with(2);
        assert!(refused.stderr.contains(says), "{bad}: {}", refused.stderr);
    }
}

#[tokio::test]
async fn policy_of_a_task_is_pushed_previewed_and_kept() {
    let seat = Stage::seat().await;
    let (cli, file) = (&seat.stage.cli, guest("hostile"));
    let push = ["push", file.to_str().unwrap(), "--export", "flaky", "--name", "retries-few"];
    let policy = ["--retries", "2", "--backoff", "list:300ms,1s", "--retry-on", "timed-out,out-of-fuel"];
    cli.ok(push.iter().chain(&policy));
    let shown = cli.ok(["task", "show", "retries-few"]);
    for line in [
        "retries   3 attempts, list:300ms,1s",
        "retry on  timed-out,out-of-fuel",
        "attempt   2: after 300ms, in all up to 300ms",
        "attempt   3: after 1s, in all up to 1300ms",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    let shown = cli.json(["task", "show", "retries-few"]);
    assert_eq!(shown["retry_on"], json!(["timed-out", "out-of-fuel"]));
    assert_eq!(
        shown["retry_preview"],
        json!([
            {"attempt": 2, "earliest": "300ms", "latest": "300ms", "in_all": "300ms"},
            {"attempt": 3, "earliest": "1s", "latest": "1s", "in_all": "1300ms"},
        ])
    );
    let job = || NewJob::json("retries-few".parse().unwrap(), &json!({"succeed_on": 2})).unwrap();
    let result = seat.jobs.run(job()).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Failed, 1), "as the task says");
    let result = seat.jobs.run(job().retry_on(RetryOn::default())).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 2), "as the publisher says");
}

#[tokio::test]
async fn absurd_retries_are_buried_with_a_reason() {
    let seat = Stage::seat().await;
    let cases = [
        ("Lovage-Retries", "4294967296", "4294967296 is more than 99"),
        ("Lovage-Retries", "-1", "not a whole number"),
        ("Lovage-Retries", "1e3", "not a whole number"),
        ("Lovage-Backoff", "fixed:18446744073709551615d", "18446744073709551615d"),
        ("Lovage-Backoff", "exponential:10m..2s", "a back-off such as"),
        ("Lovage-Retry-On", "completed", "what ended as completed is never tried again"),
        ("Lovage-Retry-On", "failed,timeout", "did you mean timed-out?"),
        ("Lovage-Retry-On", "", "write outcomes such as"),
    ];
    let run = stream::iter(cases).for_each_concurrent(None, |(name, value, says)| {
        let seat = &seat;
        async move {
            let plain = seat.jobs.publish("job.default.echo", &[(name, value)], "x").await;
            let result = seat.jobs.result(&plain.id).await;
            assert_eq!(result.record.outcome, OutcomeKind::Undecodable, "{name}: {value}");
            let said = result.error.unwrap().message;
            assert!(said.contains(name) && said.contains(says), "{name}: {value}: {said}");
        }
    });
    run.await;
}

#[tokio::test]
async fn attempt_that_is_not_started_by_the_expiry_is_never_run() {
    let seat = Stage::seat().await;
    // A retry that comes too late; the first attempt was in time.
    let headers = [("Lovage-Backoff", "fixed:3s"), ("Lovage-Expires", "2s")];
    let retried = seat.jobs.publish("job.default.flaky", &headers, r#"{"succeed_on":2}"#).await;
    // A delayed job whose time to start is past its expiry: only a plain publisher can ask for that.
    let now = UnixMs(u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap());
    let (due, expires) = (now.after(std::time::Duration::from_secs(1)).to_rfc3339(), now.to_rfc3339());
    let headers = [
        ("Nats-Schedule", format!("@at {due}")),
        ("Nats-Schedule-Target", "lovage.default.due.job.default.echo.expiry-delayed".to_owned()),
        ("Lovage-Expires", expires.clone()),
    ];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    seat.jobs.publish("sched.delay.expiry-delayed", &headers, "x").await;

    let result = seat.jobs.result(&retried.id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Expired, 1));
    assert_eq!(result.trail.0.len(), 1, "{:?}", result.trail);
    let said = result.error.unwrap().message;
    assert!(said.starts_with("attempt 2 was not started before it expired at "), "{said}");

    let result = seat.jobs.result(&"expiry-delayed".parse().unwrap()).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Expired, 0));
    let said = result.error.unwrap().message;
    let came = result.record.finished.to_rfc3339();
    assert!(said.contains(&format!("expired at {expires}")) && said.contains("its turn came at "), "{said}");
    assert!(said.contains(came.get(..16).unwrap()) && said.ends_with(" late"), "{said} {came}");
}

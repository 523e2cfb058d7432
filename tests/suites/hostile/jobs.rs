//! Messages that are hostile to whoever reads them: H29 to H37, as far as `bad_input` has them not already.

use async_nats::HeaderMap;
use futures::StreamExt;
use lovage_client::{NewJob, Unique};
use lovage_job::{dead::DeadLetter, event::Happening, outcome::OutcomeKind, result::JobResult};
use lovage_tests::WITHIN;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

use super::arena::{ATTACKER, Arena, Turn, VICTIM};

/// Publishes a job of the attacker's as any client would, and returns how it ended.
async fn published(turn: &Turn, rest: &str, headers: &[(&str, &str)], payload: Vec<u8>) -> JobResult {
    let plain = turn.jobs.publish(rest, headers, payload).await;
    let result = turn.jobs.result(&plain.id).await;
    turn.jobs.gone(plain.sequence).await;
    result
}

/// As [`published`], of what must become a dead letter of this kind with this word and its payload kept.
async fn buried(turn: &Turn, headers: &[(&str, &str)], payload: &[u8], kind: OutcomeKind, says: &str) -> DeadLetter {
    let plain = turn.jobs.publish("job.default.echo", headers, payload.to_vec()).await;
    let letter = turn.jobs.letter(&plain.id).await;
    turn.jobs.gone(plain.sequence).await;
    let message = &letter.error.message;
    assert_eq!(letter.error.kind, kind, "{headers:?}: {message}");
    assert!(message.contains(says) && message.len() < 2_000, "{headers:?}: {message}");
    assert_eq!(letter.payload, payload);
    letter
}

#[tokio::test]
async fn payloads_that_are_deep_double_or_damaged_are_bad_input() {
    let turn = Arena::turn("payloads that are none").await;
    let nested =
        |open: &str, close: &str, depth| format!("{}1{}", open.repeat(depth), close.repeat(depth)).into_bytes();
    let cases: [(&str, Vec<u8>); 8] = [
        ("busy", nested("[", "]", 10_000)),
        ("busy", nested("{\"a\":", "}", 10_000)),
        ("flaky", br#"{"succeed_on": 1, "succeed_on": 2}"#.to_vec()),
        ("flaky", br#"{"succeed_on": 1e400}"#.to_vec()),
        ("flaky", br#"{"succeed_on": 123456789012345678901234567890}"#.to_vec()),
        ("flaky", b"{\"succeed_on\": 1}\0".to_vec()),
        ("flaky", b"\xef\xbb\xbf{\"succeed_on\": 1}".to_vec()),
        ("flaky", b"\"\\ud800\"".to_vec()),
    ];
    for (task, payload) in cases {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(60)]).into_owned();
        let result = published(&turn, &format!("job.default.{task}"), &[], payload).await;
        assert_eq!(result.record.outcome, OutcomeKind::BadInput, "{shown}: {:?}", result.error);
        assert!(result.error.unwrap().message.len() < 2_000, "{shown}");
    }
    turn.end().await;
}

#[tokio::test]
async fn what_follows_a_job_is_read_within_bounds() {
    let turn = Arena::turn("follow-ups that explode").await;
    let deep = format!("{}{}", r#"{"task":"echo","on_success":"#.repeat(500), "\"echo\"".to_owned() + &"}".repeat(500));
    let brackets = "[".repeat(10_000);
    let long = format!("[{}\"echo\"]", "\"echo\",".repeat(1_000));
    let cases: [(&'static str, &str); 8] = [
        ("Lovage-Then", &brackets),
        ("Lovage-Then", &deep),
        ("Lovage-Then", &long),
        ("Lovage-On-Success", &deep),
        ("Lovage-On-Success", r#"{"task":"echo","task":"sha256-hex"}"#),
        ("Lovage-On-Failure", "https://user:secret@example.com/"),
        ("Lovage-On-Dead", "file:///etc/passwd"),
        ("Lovage-Depth", "33"),
    ];
    for (name, value) in cases {
        buried(&turn, &[(name, value)], b"payload", OutcomeKind::Undecodable, name).await;
    }
    turn.end().await;
}

#[tokio::test]
async fn tenant_of_a_job_is_that_of_its_subject_whatever_it_says() {
    let turn = Arena::turn("tenants that are claimed").await;
    buried(&turn, &[("Lovage-Tenant", VICTIM)], b"x", OutcomeKind::Undecodable, "Lovage-Tenant").await;
    // In a payload or a header of the publisher's own it means nothing.
    let claim = json!({"tenant": VICTIM, "subject": "lovage.victim.job.default.echo"}).to_string();
    let headers = [("Tenant", VICTIM), ("Nats-Subject", "lovage.victim.job.default.echo")];
    let result = published(&turn, "job.default.context", &headers, claim.into_bytes()).await;
    assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    assert_eq!(turn.victim().client.result(&result.record.id).await.unwrap(), None, "the victim has no such result");
    // An inbox of the victim's is none of the attacker's.
    let inbox = format!("_INBOX_{VICTIM}.reply");
    buried(&turn, &[("Lovage-Reply", &inbox)], b"x", OutcomeKind::Undecodable, "is not an inbox").await;
    turn.end().await;
}

#[tokio::test]
async fn names_that_attack_are_no_names() {
    let turn = Arena::turn("names that attack").await;
    let long = "x".repeat(3_000);
    for name in ["CON", "Echo", "ech\u{3bf}", "%2e%2e", "$JS", "_inbox", "echo\u{200b}", "-", &long] {
        let plain = turn.jobs.publish(&format!("job.default.{name}"), &[], "x").await;
        let letter = turn.jobs.letter(&plain.id).await;
        assert_eq!(letter.error.kind, OutcomeKind::Undecodable, "{name}");
        assert!(letter.error.message.contains("is not valid"), "{}", letter.error.message);
        assert!(letter.error.message.len() < 1_000, "{} bytes", letter.error.message.len());
        turn.jobs.gone(plain.sequence).await;
    }
    // Two names that differ in case alone never meet: only one of them is a name.
    let upper = turn.jobs.client.submit(NewJob::new("echo".parse().unwrap(), "x").id("Job".parse().unwrap())).await;
    let lower = turn.jobs.client.submit(NewJob::new("echo".parse().unwrap(), "y").id("job".parse().unwrap())).await;
    for (submitted, body) in [(upper, b"x"), (lower, b"y")] {
        assert_eq!(turn.jobs.result(&submitted.unwrap().id).await.body, body);
    }
    turn.end().await;
}

#[tokio::test]
async fn headers_of_the_broker_reach_neither_another_tenant_nor_a_guest() {
    let turn = Arena::turn("forged headers").await;
    let mut events = turn.victim().client.events().await.unwrap();
    let send = async |rest: &str, headers: &[(&str, &str)]| {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.append(*name, *value));
        let subject = format!("lovage.{ATTACKER}.{rest}");
        turn.jobs.js.publish_with_headers(subject, map, "forged".into()).await.unwrap().await
    };
    // What a schedule fires stays in its own stream, which is of one tenant.
    for target in ["lovage.victim.job.default.echo", "lovage.victim.due.job.default.echo.x", "$JS.API.STREAM.LIST"] {
        let headers = [("Nats-Schedule", "@at 2026-01-01T00:00:00Z"), ("Nats-Schedule-Target", target)];
        let told = send("sched.delay.forged", &headers).await;
        assert!(told.is_err(), "a schedule for {target} was taken");
    }
    for headers in [
        [("Nats-Rollup", "all")],
        [("Nats-Rollup", "sub")],
        [("Nats-TTL", "1s")],
        [("Nats-Schedule", "@every 1s")],
        [("Nats-Stream-Source", "JOBS_victim 1")],
        [("Nats-Expected-Stream", "JOBS_victim")],
        [("Nats-Expected-Last-Sequence", "999999999")],
        [("Nats-Expected-Last-Msg-Id", "nobody")],
    ] {
        let told = send("job.default.echo", &headers).await;
        assert!(told.is_err(), "{headers:?} was taken");
    }
    // Others are taken and reach no guest. Where a trace may go is for the broker to decide, by the rights of whoever
    // publishes: suite `access`.
    let forged =
        [("Nats-Trace-Dest", "lovage.mallory.trace"), ("Nats-Request-Info", r#"{"acc":"victim"}"#), ("X-Own", "mine")];
    let result = published(&turn, "job.default.context", &forged, Vec::new()).await;
    let seen: serde_json::Value = serde_json::from_slice(&result.body).unwrap();
    assert_eq!(seen["headers"], json!([["X-Own", "mine"]]), "{:?}", result.error);
    assert_eq!(seen["environment"], json!([]));
    // The victim hears of no such job but its own; that none of its own is gone is seen at the end.
    let own = turn.victim().client.submit(NewJob::new("echo".parse().unwrap(), "own")).await.unwrap().id;
    assert_eq!(turn.victim().result(&own).await.body, b"own");
    loop {
        let event = timeout(WITHIN, events.next()).await.expect("the end of the victim's job").expect("a connection");
        if event.task.as_str() == "echo" {
            assert_eq!(event.id, own, "{event:?}");
            if matches!(event.what, Happening::Finished { .. }) {
                break;
            }
        }
    }
    turn.end().await;
}

#[tokio::test]
async fn reused_key_with_another_body_is_told_and_runs_nothing() {
    let turn = Arena::turn("reused keys").await;
    let job = |body: &'static str| {
        NewJob::new("echo".parse().unwrap(), body).unique(Unique::idempotent("order", Duration::from_secs(60)))
    };
    let first = turn.jobs.client.submit(job("one")).await.unwrap();
    assert_eq!(turn.jobs.result(&first.id).await.body, b"one");
    match turn.jobs.client.submit(job("two")).await {
        Ok(second) => {
            assert_eq!((&second.id, second.existing), (&first.id, true));
            assert_eq!(turn.jobs.result(&second.id).await.body, b"one", "what the key stands for is unchanged");
        }
        Err(error) => assert!(error.to_string().contains("order"), "{error}"),
    }
    // The key of another tenant is another key.
    let theirs = NewJob::new("echo".parse().unwrap(), "theirs");
    let theirs = theirs.unique(Unique::idempotent("order", Duration::from_secs(60)));
    let theirs = turn.victim().client.submit(theirs).await.unwrap();
    assert!(!theirs.existing);
    assert_eq!(turn.victim().result(&theirs.id).await.body, b"theirs");
    turn.end().await;
}

#[tokio::test]
async fn policies_that_make_no_sense_are_told_by_name() {
    let turn = Arena::turn("absurd policies").await;
    for (name, value) in [
        ("Lovage-Retries", "4294967296"),
        ("Lovage-Backoff", "exponential:-1s..2s"),
        ("Lovage-Backoff", "list:1s,1s,1s,1s,1s,-1s"),
        ("Lovage-Timeout", "0ms"),
        ("Lovage-Soft-Timeout", "18446744073709551616s"),
        ("Lovage-Limit-Key", ""),
        ("Lovage-Retry-On", "everything"),
        ("Lovage-Round", "-1"),
        ("Lovage-Crashes", "4294967296"),
    ] {
        buried(&turn, &[(name, value)], b"x", OutcomeKind::Undecodable, name).await;
    }
    for past in ["1970-01-01T00:00:00Z", "2001-02-03T04:05:06+23:59", "0s"] {
        let result = published(&turn, "job.default.echo", &[("Lovage-Expires", past)], b"x".to_vec()).await;
        assert_eq!(result.record.outcome, OutcomeKind::Expired, "{past}: {:?}", result.error);
    }
    for beyond in ["9999-12-31T23:59:59Z", "99999d"] {
        let result = published(&turn, "job.default.echo", &[("Lovage-Expires", beyond)], b"x".to_vec()).await;
        let ended = result.record.outcome;
        assert!(matches!(ended, OutcomeKind::Completed | OutcomeKind::Undecodable), "{beyond}: {:?}", result.error);
    }
    turn.end().await;
}

#[tokio::test]
async fn jobs_that_name_what_is_not_there_end_at_once() {
    let turn = Arena::turn("unknown tasks").await;
    let digest = format!("sha256:{}", "0".repeat(64));
    for (task, headers) in [
        ("nobody-pushed-this", vec![]),
        // The victim has it, and the attacker has not.
        ("sha256-hex", vec![]),
        ("echo", vec![("Lovage-Version", digest.as_str())]),
        ("echo", vec![("Lovage-Version", "99")]),
    ] {
        let result = published(&turn, &format!("job.default.{task}"), &headers, b"x".to_vec()).await;
        assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::UnknownTask, 0), "{task}");
    }
    turn.end().await;
}

//! What publishers get wrong: names, headers, tasks and payloads. Each is told by name, and nothing goes round in
//! circles.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use futures::{StreamExt, stream};
use lovage_client::{NewJob, SubmitError};
use lovage_job::{dead::DeadLetter, outcome::OutcomeKind};
use lovage_tests::{Cli, Jobs, Nats, Seat, Stage, WITHIN, Worker, cli, eventually, push, shared_cache};
use serde_json::json;

/// Names that are none, whoever sends them.
const BAD_NAMES: [&str; 10] =
    ["word*", ">", "a.b", "two words", "line\r\nbreak", "Upper", "..", "../up", "-dash", "grüße"];

#[test]
fn options_that_are_no_names_are_refused_before_anything_is_sent() {
    // Nothing listens there: a command that got as far as connecting would end with 3.
    let cli = Cli::without_server().env("NATS_URL", "nats://127.0.0.1:1");
    let long = "x".repeat(200);
    for name in BAD_NAMES.into_iter().chain([long.as_str()]) {
        let refused = |args: &[&str], kind: &str| {
            let told = cli.run(args).fails_with(2);
            assert!(told.stderr.contains(kind), "{args:?}: {}", told.stderr);
            assert!(told.stderr.contains("is not valid: use 1 to"), "{args:?}: {}", told.stderr);
            assert_eq!(told.stdout, "");
        };
        // Joined by `=`: what begins with a dash is a value here, too.
        refused(&["task", "list", &format!("--tenant={name}")], "tenant name");
        refused(&["submit", "echo", "x", &format!("--queue={name}")], "queue name");
        refused(&["submit", "--", name, "x"], "task name");
        refused(&["push", "no-such-file.wasm", &format!("--name={name}")], "task name");
        refused(&["worker", &format!("--queue={name}")], "queue name");
        // Ids may have upper case, and a dash in front.
        if !["Upper", "-dash"].contains(&name) {
            refused(&["submit", "echo", "x", &format!("--id={name}")], "job id");
            refused(&["worker", &format!("--name={name}")], "job id");
        }
    }
}

#[tokio::test]
async fn plain_subject_that_names_no_job_is_buried_with_the_reason() {
    let seat = Stage::seat().await;
    let long = format!("job.default.{}", "x".repeat(200));
    let cases = [
        ("job.default.Word-Stats", "task name \"Word-Stats\" is not valid"),
        ("job.default.-x", "task name \"-x\" is not valid"),
        ("job.default.grüße", "task name \"grüße\" is not valid"),
        ("job.default.$x", "task name \"$x\" is not valid"),
        ("job.default.word-stats.bad%id", "job id \"bad%id\" is not valid"),
        ("job.default.word-stats.one.more", "is not lovage.<tenant>"),
        ("job-high.default.UP", "task name \"UP\" is not valid"),
        (long.as_str(), "task name \"xxxxx"),
    ];
    for (rest, says) in cases {
        let plain = seat.jobs.publish(rest, &[("X-Own", "mine")], "payload").await;
        let letter = seat.jobs.letter(&plain.id).await;
        assert_eq!((letter.error.kind, letter.payload.as_slice()), (OutcomeKind::Undecodable, &b"payload"[..]));
        assert!(letter.error.message.contains(says), "{rest}: {}", letter.error.message);
        assert_eq!(letter.headers.get("X-Own"), Some("mine"));
        let result = seat.jobs.result(&plain.id).await;
        assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Undecodable, 0), "{rest}");
        seat.jobs.gone(plain.sequence).await;
    }
}

#[tokio::test]
async fn absurd_header_is_named_in_the_dead_letter() {
    let seat = Stage::seat().await;
    let long_id = "x".repeat(65);
    let long_tag = "t".repeat(101);
    let cases: [(&'static str, &str); 30] = [
        ("Lovage-Retries", "-1"),
        ("Lovage-Retries", "many"),
        ("Lovage-Retries", "100"),
        ("Lovage-Retries", "1e3"),
        ("Lovage-Retries", "18446744073709551616"),
        ("Lovage-Retries", ""),
        ("Lovage-Timeout", "0s"),
        ("Lovage-Timeout", "5"),
        ("Lovage-Timeout", "-1s"),
        ("Lovage-Timeout", "99999999999999d"),
        ("Lovage-Backoff", "often"),
        ("Lovage-Backoff", "exponential:10m..2s"),
        ("Lovage-Backoff", "fixed:"),
        ("Lovage-Expires", "tomorrow"),
        ("Lovage-Version", ".."),
        ("Lovage-Version", "UPPER"),
        ("Lovage-Version", "sha256:xyz"),
        ("Lovage-Id", "two words"),
        ("Lovage-Id", "a.b"),
        ("Lovage-Id", "*"),
        ("Lovage-Id", &long_id),
        ("Lovage-Tag", &long_tag),
        ("Lovage-Reply", "lovage.default.job.default.echo"),
        ("Lovage-Reply", "_INBOX.*"),
        ("Lovage-Reply", "$SYS.REQ.SERVER.PING"),
        ("Lovage-Payload", "sha256:../../etc/passwd"),
        ("Lovage-Attempt", "0"),
        ("Lovage-Attempt", "101"),
        ("Lovage-Digest", "x"),
        ("Lovage-Published", "yesterday"),
    ];
    let seat = &seat;
    let show = |(name, value): (&'static str, String)| async move {
        let letter = buried(seat, &[(name, &value)]).await;
        let message = &letter.error.message;
        assert_eq!(letter.error.kind, OutcomeKind::Undecodable, "{name}: {value}: {message}");
        assert!(message.contains(name), "{name}: {value}: {message}");
        assert_eq!(letter.headers.get(name), Some(value.as_str()), "the header is kept as it came");
    };
    stream::iter(cases.map(|(name, value)| (name, value.to_owned()))).for_each_concurrent(8, show).await;
}

#[tokio::test]
async fn unknown_lovage_header_is_refused_with_the_nearest_name() {
    let seat = Stage::seat().await;
    for (name, nearest) in [
        ("Lovage-Retrie", "Lovage-Retries"),
        ("Lovage-Time-Out", "Lovage-Timeout"),
        ("lovage-tags", "Lovage-Tag"),
        ("LOVAGE-EXPIRE", "Lovage-Expires"),
    ] {
        let letter = buried(&seat, &[(name, "1")]).await;
        let says = format!("header {name:?} is not known; did you mean {nearest}?");
        assert!(letter.error.message.contains(&says), "{}", letter.error.message);
    }
}

#[tokio::test]
async fn too_many_tags_two_ids_and_too_large_headers_are_told() {
    let seat = Stage::seat().await;
    let letter = buried(&seat, &[("Lovage-Tag", "t"); 17]).await;
    assert!(letter.error.message.contains("17 tags are more than 16"), "{}", letter.error.message);
    let big = "x".repeat(40_000);
    let letter = buried(&seat, &[("X-Big", &big)]).await;
    assert!(letter.error.message.contains("more than 32768"), "{}", letter.error.message);
    let plain = seat.jobs.publish("job.default.echo.in-subject", &[("Lovage-Id", "in-header")], "x").await;
    let letter = seat.jobs.letter(&"in-subject".parse().unwrap()).await;
    assert!(letter.error.message.contains("in-header") && letter.error.message.contains("in-subject"));
    seat.jobs.gone(plain.sequence).await;
}

/// What no client library sends, any socket can.
#[tokio::test]
async fn header_bytes_that_are_no_text_harm_nobody() {
    // A server of its own: what goes wrong here would go wrong for all who share the worker.
    let nats = Nats::start();
    push(&cli(&nats), "hostile", &["--export", "echo"]);
    let mut worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    let jobs = Jobs::of(&nats).await;
    let bad: [&[u8]; 4] = [b"no colon at all", b": no name", b"X-Bytes: \xff\xfe\x00\x80", b"Lovage-Id: \xff\xff"];
    for line in bad {
        let label = String::from_utf8_lossy(line);
        let headers = [b"NATS/1.0\r\n", line, b"\r\n\r\n"].concat();
        publish_raw(&nats, "lovage.default.job.default.echo", &headers, b"hello");
        // The worker does not choke: the next job runs, and the bad one does not stay for ever.
        let next = jobs.run(NewJob::new("echo".parse().unwrap(), "next")).await;
        assert_eq!((next.record.outcome, next.body.as_slice()), (OutcomeKind::Completed, &b"next"[..]), "{label}");
        let left = async || match jobs.messages("JOBS_default").await {
            0 => Ok(()),
            _ => Err(format!("the message with the header {label:?} is still in the queue")),
        };
        eventually("the bad message to leave its queue", WITHIN, left).await;
    }
    assert_eq!(worker.ended(), None);
}

#[tokio::test]
async fn unknown_task_is_told_by_the_client_and_by_the_dead_letter() {
    let seat = Stage::seat().await;
    let told = seat.jobs.client.submit(NewJob::new("word-stat".parse().unwrap(), "x")).await.unwrap_err();
    match &told {
        SubmitError::UnknownTask { nearest, .. } => assert_eq!(nearest[0].as_str(), "word-stats"),
        other => panic!("{other}"),
    }
    let plain = seat.jobs.publish("job.default.word-stat", &[], "x").await;
    let letter = seat.jobs.letter(&plain.id).await;
    assert_eq!(letter.error.kind, OutcomeKind::UnknownTask);
    assert!(letter.error.message.contains("there is no task word-stat"), "{}", letter.error.message);
    seat.jobs.gone(plain.sequence).await;
}

#[tokio::test]
async fn payload_of_the_wrong_type_is_told_with_its_place_before_and_after_publishing() {
    let seat = Stage::seat().await;
    let deep = "[".repeat(100_000);
    let cases: [(&str, &[u8], &str); 10] = [
        ("add", b"{", "not valid JSON"),
        ("add", b"\xff\xfe", "not valid JSON"),
        ("add", br#"{"a": -1, "b": 2}"#, "/a: -1 is less than"),
        ("add", br#"{"a": 4294967296, "b": 2}"#, "/a: 4294967296 is greater than"),
        ("add", br#"{"a": 1.5, "b": 2}"#, "/a"),
        ("add", br#"{"a": 1, "b": 2, "c": 3}"#, "the payload"),
        ("word-stats", br#"{"text": 7}"#, "/text"),
        ("word-stats", br#"{"text": "x", "tpo": 3}"#, "tpo"),
        ("word-stats", b"[]", "object"),
        ("word-stats", deep.as_bytes(), "not valid JSON"),
    ];
    for (task, payload, says) in cases {
        let told = seat.jobs.client.submit(NewJob::new(task.parse().unwrap(), payload.to_vec())).await.unwrap_err();
        assert!(matches!(told, SubmitError::BadInput { .. }), "{told}");
        let plain = seat.jobs.publish(&format!("job.default.{task}"), &[], payload.to_vec()).await;
        let letter = seat.jobs.letter(&plain.id).await;
        assert_eq!((letter.error.kind, letter.payload.as_slice()), (OutcomeKind::BadInput, payload));
        for message in [&letter.error.message, &told.to_string()] {
            assert!(message.contains(says) && message.len() < 2_000, "{task}: {message}");
        }
        assert_eq!(seat.jobs.result(&plain.id).await.record.attempt, 0, "the guest never saw it");
        seat.jobs.gone(plain.sequence).await;
    }
    let bounds = seat.jobs.run(NewJob::json("add".parse().unwrap(), &json!([u32::MAX, 0])).unwrap()).await;
    assert_eq!(bounds.body, u32::MAX.to_string().as_bytes(), "the largest value is still one");
}

#[tokio::test]
async fn parameter_that_is_missing_is_named() {
    let seat = Stage::seat().await;
    let told = seat.jobs.client.submit(NewJob::new("add".parse().unwrap(), r#"{"a": 1}"#)).await.unwrap_err();
    assert!(told.to_string().contains("\"b\""), "{told}");
}

/// Publishes a job with these headers and returns its dead letter, once the message has left its queue.
async fn buried(seat: &Seat, headers: &[(&str, &str)]) -> DeadLetter {
    let plain = seat.jobs.publish("job.default.echo", headers, "payload").await;
    let letter = seat.jobs.letter(&plain.id).await;
    assert_eq!(letter.payload, b"payload");
    seat.jobs.gone(plain.sequence).await;
    letter
}

/// Publishes with nothing but a socket, and waits until the server has it.
fn publish_raw(nats: &Nats, subject: &str, headers: &[u8], payload: &[u8]) {
    let mut socket = TcpStream::connect(nats.url().trim_start_matches("nats://")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (head, all) = (headers.len(), headers.len() + payload.len());
    let line = format!("HPUB {subject} _INBOX.raw {head} {all}\r\n");
    let connect = "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB _INBOX.raw 1\r\n";
    socket.write_all(&[connect.as_bytes(), line.as_bytes(), headers, payload, b"\r\n"].concat()).unwrap();
    // The acknowledgement of the stream comes to the inbox.
    let mut told = String::new();
    let mut buffer = [0; 4096];
    while !told.contains("\"seq\"") {
        let count = socket.read(&mut buffer).expect("an acknowledgement in time");
        assert!(count > 0, "the server hung up: {told}");
        told.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

//! Callers that mean harm or are broken: huge and slow bodies, wrong cursors, texts that look like SQL or HTML, floods.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::Served;
use super::ground::Answer;
use crate::small::numbers;

#[tokio::test]
async fn bodies_are_held_to_their_sizes_and_types() {
    let served = Served::start(&[]);
    let token = served.token(Some("acme"), "operator");
    served.known(&token).await;
    served.push("acme", &token, "", numbers(&[("answer", 1)])).await.json(201);
    let jobs = "/api/v1/tenants/acme/jobs";
    let sized = |bytes: usize| {
        let frame = r#"{"task":"answer","limit_key":""}"#.len();
        let body = format!(r#"{{"task":"answer","limit_key":"{}"}}"#, "x".repeat(bytes - frame));
        let request = served.request(Method::POST, jobs, &token).header("content-type", "application/json");
        Answer::of(request.body(body))
    };
    // one that fits is read, and refused for what it says
    sized(1 << 20).await.is("bad-body");
    sized((1 << 20) + 1).await.is("too-large");
    let typed = |kind: &str, body: &'static str| {
        Answer::of(served.request(Method::POST, jobs, &token).header("content-type", kind).body(body))
    };
    typed("text/plain", r#"{"task":"answer"}"#).await.is("wrong-media-type");
    typed("application/x-www-form-urlencoded", "task=answer").await.is("wrong-media-type");
    typed("application/json", "{").await.is("bad-body");
    typed("application/json", r#"{"task":"answer","task":"answer"}"#).await.is("bad-body");
    typed("application/json", "[[[[[[[[").await.is("bad-body");
    let deep: &'static str =
        Box::leak(format!(r#"{{"task":"answer","input":{}"#, "[".repeat(100_000)).into_boxed_str());
    typed("application/json", deep).await.is("bad-body");
    let many: Vec<_> = (0..1_001).map(|_| json!({"task": "answer"})).collect();
    served.post(&format!("{jobs}/bulk"), &token, json!({"jobs": many})).await.is("bad-body");
}

#[tokio::test]
async fn cursors_and_filters_are_checked_and_mean_nothing_to_a_database() {
    let served = Served::start(&[]);
    let token = served.token(Some("acme"), "operator");
    served.known(&token).await;
    let at = |rest: &str| format!("/api/v1/tenants/acme{rest}");
    for cursor in ["x", "%27%20OR%201=1%20--", "AAAA", "dGFza3M6eA", ""] {
        served.get(&at(&format!("/dead?after={cursor}")), &token).await.is("bad-cursor");
        if cursor != "dGFza3M6eA" {
            served.get(&at(&format!("/tasks?after={cursor}")), &token).await.is("bad-cursor");
        }
    }
    for query in [
        "task=%27%3B%20DROP%20TABLE%20jobs%3B--",
        "queue=a.b.*",
        "task=%3Cscript%3E",
        "state=nowhere",
        "outcome=nice",
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=1e9",
        "nonsense=1",
        "limit=1&limit=2",
    ] {
        served.get(&at(&format!("/jobs?{query}")), &token).await.is("bad-request");
    }
    let found = served.get(&at("/jobs?tag=%27%20OR%20%271%27=%271"), &token).await.json(200);
    assert_eq!(found["items"], json!([]));
    for id in ["a.b", "%2A", "%3E", "a%20b", "%00", "x".repeat(65).as_str()] {
        served.get(&at(&format!("/jobs/{id}")), &token).await.is("bad-request");
    }
    served.get("/api/v1/tenants/ACME/jobs", &token).await.is("bad-request");
    let html = served.get(&at("/tasks/%3Cimg%20src=x%3E"), &token).await;
    html.is("bad-request");
    assert_eq!(html.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_caller_that_asks_too_often_waits_and_nobody_else_does() {
    let served = Served::start(&["--rate", "10"]);
    let (fast, other) = (served.token(Some("acme"), "viewer"), served.token(Some("acme"), "operator"));
    served.known(&fast).await;
    served.known(&other).await;
    tokio::time::timeout(Duration::from_secs(30), async {
        // whatever was left of the rate, this is above it
        let answers = join_all((0..40).map(|_| served.get("/api/v1/me", &fast))).await;
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
        assert!(refused.len() >= 20 && refused.len() < 40, "{}", refused.len());
        refused[0].is("rate-limited");
        assert_eq!(refused[0].header("retry-after"), "1");
        assert_eq!(served.get("/api/v1/me", &other).await.status, 200);
        served.known(&fast).await;
        // those who guess tokens are held to it as well
        let answers = join_all((0..40).map(|_| served.get("/api/v1/me", "lvg_guess"))).await;
        let refused = answers.iter().filter(|answer| answer.status == 429).count();
        assert!(refused >= 20 && answers.iter().all(|answer| answer.status != 200), "{refused}");
        assert_eq!(served.get("/api/v1/me", &other).await.status, 200);
    })
    .await
    .unwrap();
}

/// Opens a connection and sends these bytes.
fn sends(served: &Served, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(served.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

#[tokio::test]
async fn slow_clients_are_let_go_and_keep_nobody_else_waiting() {
    let served = Served::start(&[]);
    let token = served.token(Some("acme"), "operator");
    served.known(&token).await;
    let begun = Instant::now();
    let head = format!(
        "POST /api/v1/tenants/acme/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"task\""
    );
    let slow: Vec<_> = (0..30)
        .flat_map(|_| {
            [sends(&served, b""), sends(&served, b"GET / HTTP/1.1\r\nHost:"), sends(&served, head.as_bytes())]
        })
        .collect();
    assert_eq!(served.get("/api/v1/me", &token).await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let read = tokio::task::spawn_blocking(move || {
        let read = |mut stream: TcpStream| {
            let mut said = Vec::new();
            // an answer, an end, or a reset: all of them let go
            let _how_it_ends = stream.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        };
        slow.into_iter().map(read).collect::<Vec<_>>()
    });
    let said = read.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
    assert!(said[2].contains("request-timeout"), "{}", said[2]);
    assert_eq!(served.get("/api/v1/me", &token).await.status, 200);
}

#[tokio::test]
async fn a_broker_that_is_down_is_told_as_such() {
    let mut served = Served::start(&[]);
    let token = served.token(Some("acme"), "operator");
    served.known(&token).await;
    served.nats.kill9();
    let answer = served.get("/api/v1/tenants/acme/tasks", &token).await;
    answer.is("broker-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    // who it is is known without the broker
    assert_eq!(served.get("/api/v1/me", &token).await.status, 200);
    assert_eq!(served.get("/readyz", "").await.status, 503);
    assert_eq!(served.get("/livez", "").await.status, 200);
    served.nats.restart();
    lovage_tests::eventually("the server to be ready again", lovage_tests::WITHIN, async || {
        let answer = served.get("/api/v1/tenants/acme/tasks", &token).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text) }
    })
    .await;
}

//! Outgoing HTTP when the server, or the task, is hostile: an answer that drips, and requests that could be read as two.

use std::time::Duration;

use lovage_job::outcome::OutcomeKind;
use lovage_tests::{WITHIN, eventually};
use serde_json::{Value, json};

use super::{Server, fetch, ground, ok};

/// Between two bytes of an answer that drips: far below the longest pause that is waited for.
const DRIP: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_drip_are_cut_at_the_deadline_of_the_job() {
    let head = Server::dripping("HTTP/1.1 200 OK\r\nX-Long: ".to_owned(), b"x", DRIP).await;
    let body = Server::dripping("HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n".to_owned(), b"x", DRIP).await;
    let good = Server::start(ok("hello"), b"").await;
    let url = |server: &Server| format!("http://127.0.0.1:{}", server.port);
    let hosts = [url(&head), url(&body), url(&good)];
    let (_nats, mut worker, jobs) = ground("[egress]\nallow_private = true\n", &hosts).await;
    for server in [&head, &body] {
        let done = jobs.run(fetch(&url(server), json!({})).timeout(Duration::from_secs(2))).await;
        assert_eq!(done.record.outcome, OutcomeKind::TimedOut, "{done:?}");
        assert_eq!(server.got().len(), 1);
        let left = async || match server.left() {
            1 => Ok(()),
            left => Err(format!("{left} connections have ended")),
        };
        eventually("the connection to end with the job", WITHIN, left).await;
    }
    let done = jobs.run(fetch(&url(&good), json!({}))).await;
    assert_eq!(done.record.outcome, OutcomeKind::Completed, "{done:?}");
    assert!(worker.ended().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_task_sends_is_read_as_another_request_or_host() {
    let server = Server::start(ok("hello"), b"").await;
    let (host, elsewhere) = (format!("127.0.0.1:{}", server.port), "evil.example");
    let (_nats, mut worker, jobs) = ground("[egress]\nallow_private = true\n", &[format!("http://{host}")]).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let mut tries: Vec<(String, Value)> = [
        ("Host", elsewhere),
        ("host", elsewhere),
        ("Content-Length", "0"),
        ("content-length", "3, 3"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "upgrade"),
        ("Upgrade", "h2c"),
        ("X-A", "b\r\nX-Smuggled: yes"),
        ("X-A", "b\nX-Smuggled: yes"),
        ("X-A\r\nX-Smuggled", "yes"),
        ("X-A", &format!("b\r\n\r\n{smuggled}")),
        ("X A", "b"),
        (":authority", elsewhere),
    ]
    .into_iter()
    .map(|(name, value)| (format!("http://{host}/"), json!({"body": smuggled, "headers": {name: value}})))
    .collect();
    for path in [
        " HTTP/1.1\r\nHost: evil.example\r\nX-Smuggled: yes",
        "\r\n\r\nGET /smuggled HTTP/1.1\r\n",
        "a b",
        "http://evil.example/",
        "\u{0}",
    ] {
        tries.push((format!("http://{host}/{path}"), json!({})));
    }
    for authority in [
        format!("{host}@{elsewhere}"),
        format!("{elsewhere}@{host}"),
        format!("{host}\r\nX-Smuggled: yes"),
        format!("{host}, {elsewhere}"),
        format!("{elsewhere}#{host}"),
    ] {
        tries.push((format!("http://{authority}/"), json!({})));
    }
    for method in ["GET /smuggled HTTP/1.1\r\nX-Smuggled: yes\r\n\r\nGET", "CONNECT", "PRI", "G T", ""] {
        tries.push((format!("http://{host}/"), json!({"method": method})));
    }
    for (url, more) in &tries {
        let before = server.got().len();
        let done = jobs.run(fetch(url, more.clone())).await;
        let told = matches!(done.record.outcome, OutcomeKind::Completed | OutcomeKind::Failed | OutcomeKind::BadInput);
        assert!(told, "{url} {more}: {done:?}");
        for got in server.got().split_off(before) {
            one_request_to(&host, &got);
        }
    }
    let done = jobs.run(fetch(&format!("http://{host}/"), json!({"headers": {"x-a": "b"}}))).await;
    assert_eq!(done.record.outcome, OutcomeKind::Completed, "what is in order goes out: {done:?}");
    assert!(server.got().last().unwrap().contains("x-a: b\r\n"));
    assert!(worker.ended().is_none());
}

/// Holds what a server got to be one request to this host, whose body ends where its length says.
#[track_caller]
fn one_request_to(host: &str, got: &str) {
    let (head, body) = got.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {got:?}"));
    let mut lines = head.split("\r\n");
    let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    assert!(matches!(line[..], [_, target, "HTTP/1.1"] if target.starts_with('/')), "{got:?}");
    let fields: Vec<(String, &str)> = lines
        .map(|line| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value)))
        .map(|field| field.unwrap_or_else(|| panic!("a line is no field: {got:?}")))
        .collect();
    let of = |name: &str| fields.iter().filter(|(field, _)| field == name).map(|(_, value)| *value).collect::<Vec<_>>();
    assert_eq!(of("host"), [host], "{got:?}");
    assert!(of("transfer-encoding").is_empty() && of("upgrade").is_empty() && of("x-smuggled").is_empty(), "{got:?}");
    let lengths = of("content-length");
    assert!(lengths.len() <= 1 && !head.contains('\0') && !head.replace("\r\n", "").contains(['\r', '\n']), "{got:?}");
    let length: usize = lengths.first().map_or(0, |length| length.parse().unwrap());
    assert_eq!(body.len(), length, "{got:?}");
}

#[test]
fn what_could_be_two_requests_is_told_from_one() {
    let head = "POST / HTTP/1.1\r\nhost: a:1\r\n";
    one_request_to("a:1", &format!("{head}content-length: 2\r\n\r\nok"));
    for two in [
        format!("{head}\r\nGET / HTTP/1.1\r\n\r\n"),
        format!("{head}content-length: 0\r\n\r\nok"),
        format!("{head}content-length: 2\r\ncontent-length: 2\r\n\r\nok"),
        format!("{head}host: a:1\r\n\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n"),
        format!("{head}a: b\nhost: c\r\n\r\n"),
        "GET http://b/ HTTP/1.1\r\nhost: a:1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: b\r\n\r\n".to_owned(),
    ] {
        assert!(std::panic::catch_unwind(|| one_request_to("a:1", &two)).is_err(), "{two:?}");
    }
}

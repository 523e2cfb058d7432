//! Traces: from whoever publishes to the job, its attempts, its children and what follows, as a collector receives them.

mod collector;

use collector::{Collector, Seen};
use lovage_client::NewJob;
use lovage_job::outcome::OutcomeKind;
use lovage_tests::{Cli, Jobs, Nats, Worker, WorkerSetup, cli, push, shared_cache};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::capabilities_http::{Server, fetch, ground, ok};
use crate::small::{Ground, numbers};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn parent() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

fn worker(nats: &Nats) -> WorkerSetup {
    Worker::of(nats).cache_dir(shared_cache())
}

#[tokio::test]
async fn a_request_to_the_api_brings_its_trace() {
    let ground = Ground::new();
    ground.push("default", &numbers(&[("one", 1)]), &[]);
    let Ground { nats, cli, .. } = ground;
    let served = crate::http::Served::beside(nats, cli, &[]);
    let token = served.token(Some("default"), "operator");
    served.known(&token).await;
    let own = parent().replace(SPAN, "00f067aa0ba902b7");
    for (id, headers, wanted) in [("plain", json!({}), parent()), ("own", json!({"traceparent": own}), own.clone())] {
        let body = json!({"task": "one", "id": id, "headers": headers});
        let request = served.request(reqwest::Method::POST, "/api/v1/tenants/default/jobs", &token);
        let answer = request.header("traceparent", parent()).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        let js = served.nats.jetstream().await;
        let stream = js.get_stream("JOBS_default").await.unwrap();
        let message =
            stream.get_last_raw_message_by_subject(&format!("lovage.default.job.default.one.{id}")).await.unwrap();
        assert_eq!(message.headers.get("traceparent").map(|value| value.as_str()), Some(wanted.as_str()));
    }
}

/// A server with the tasks `brood`, which submits jobs, and `echo` and `context` of `hostile`.
async fn stage() -> (Nats, Cli) {
    let nats = Nats::start();
    let cli = cli(&nats);
    push(&cli, "brood", &["--export", "brood", "--allow", "submit"]);
    push(&cli, "hostile", &["--export", "echo"]);
    push(&cli, "hostile", &["--export", "context"]);
    (nats, cli)
}

// the collector takes spans while a command is waited for
#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_from_the_publisher_to_attempts_children_and_follow_ups() {
    let collector = Collector::start().await;
    let (nats, cli) = stage().await;
    let _worker = worker(&nats).env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).start();
    let traced = cli.clone().env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).env("TRACEPARENT", &parent());
    let input = json!({"children": 1, "task": "echo", "fail_until": 2}).to_string();
    let args = ["submit", "brood", &input, "--id", "first", "--retries", "1", "--backoff", "fixed:1s"];
    traced.ok(args.iter().chain(&["--then", "context", "--wait"]));

    let names = ["publish default", "process brood", "process brood", "process echo", "process context"];
    let [publish, one, two, child, follow] = collector.spans(names).await;
    for span in [&publish, &one, &two, &child, &follow] {
        assert_eq!(span.trace, TRACE, "{span:?}");
    }
    let (first, second) = if one.number("lovage.attempt") == 1 { (one, two) } else { (two, one) };
    let parents = [&publish, &first, &second, &child, &follow].map(|span| span.parent.as_str());
    assert_eq!(parents, [SPAN, &publish.id, &publish.id, &first.id, &second.id]);
    assert_eq!((publish.kind, first.kind), (SpanKind::Producer, SpanKind::Consumer));
    assert_eq!((publish.service.as_str(), first.service.as_str()), ("lovage-cli", "lovage-worker"));
    assert_eq!(publish.text("messaging.message.id"), "first");
    assert_conventions(&first);
    assert!(first.failed.as_ref().is_some_and(|said| said.contains("this attempt fails")), "{first:?}");
    assert_eq!((first.text("error.type"), second.failed.clone()), ("failed".to_owned(), None));
    assert_eq!(second.text("lovage.outcome"), "completed");
    assert_eq!(child.text("lovage.job.parent"), "first");

    let jobs = Jobs::of(&nats).await;
    let result = jobs.result(&"first".parse().unwrap()).await;
    assert_eq!(result.record.trace_id.as_deref(), Some(TRACE), "the history can name the trace");
}

fn assert_conventions(span: &Seen) {
    assert_eq!(span.text("messaging.system"), "nats");
    assert_eq!(span.text("messaging.operation.type"), "process");
    assert_eq!(span.text("messaging.destination.name"), "default");
    assert_eq!(span.text("messaging.message.id"), "first");
    assert_eq!((span.text("lovage.tenant"), span.text("lovage.task")), ("default".to_owned(), "brood".to_owned()));
    assert!(span.number("lovage.fuel_used") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_a_trace_gets_one_that_its_retries_keep() {
    let collector = Collector::start().await;
    let (nats, _cli) = stage().await;
    let file = nats.folder().join("worker.toml");
    std::fs::write(&file, format!("[traces]\nendpoint = \"{}\"\n", collector.url)).unwrap();
    let _worker = worker(&nats).arg("--config").arg(&file).start();
    let jobs = Jobs::of(&nats).await;
    let input = json!({"children": 0, "task": "echo", "fail_until": 2});
    let job = NewJob::json("brood".parse().unwrap(), &input).unwrap().backoff("fixed:1s".parse().unwrap());
    let result = jobs.run(job).await;
    assert_eq!(result.record.attempt, 2);
    let [one, two] = collector.spans(["process brood", "process brood"]).await;
    let (first, second) = if one.number("lovage.attempt") == 1 { (one, two) } else { (two, one) };
    assert_eq!((first.parent.as_str(), &second.parent), ("", &first.id));
    assert_eq!((Some(&second.trace), Some(&first.trace)), (result.record.trace_id.as_ref(), Some(&second.trace)));

    // what is no trace is as none, and the guest sees the attempt's own place
    let plain = jobs.publish("job.default.context.seen", &[("traceparent", "00-nonsense")], "x").await;
    drop(plain);
    let seen: Value = serde_json::from_slice(&jobs.result(&"seen".parse().unwrap()).await.body).unwrap();
    let [context] = collector.spans(["process context"]).await;
    let told = format!("00-{}-{}-01", context.trace, context.id);
    assert!(seen["headers"].as_array().unwrap().contains(&json!(["traceparent", told])), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_exporter_a_trace_goes_on_as_it_is() {
    let (nats, cli) = stage().await;
    let _worker = worker(&nats).start();
    let traced = cli.clone().env("TRACEPARENT", &parent());
    let input = json!({"children": 1, "task": "context"}).to_string();
    let brooded = traced.json(["submit", "brood", &input, "--wait"]);
    let jobs = Jobs::of(&nats).await;
    let id = brooded["result"]["ids"][0].as_str().unwrap_or_else(|| panic!("{brooded}")).parse().unwrap();
    let child = jobs.result(&id).await;
    let seen: Value = serde_json::from_slice(&child.body).unwrap();
    assert!(seen["headers"].as_array().unwrap().contains(&json!(["traceparent", parent()])), "{seen}");
    assert_eq!(child.record.trace_id.as_deref(), Some(TRACE));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_guest_are_part_of_its_trace_unless_it_says_otherwise() {
    let server = Server::start(ok("hello"), b"").await;
    let url = format!("http://127.0.0.1:{}", server.port);
    let (_nats, _worker, jobs) = ground("[egress]\nallow_private = true\n", std::slice::from_ref(&url)).await;
    let own = parent().replace(SPAN, "00f067aa0ba902b7");
    for headers in [json!({}), json!({"traceparent": own})] {
        let job = fetch(&url, json!({"headers": headers})).header("traceparent", parent());
        assert_eq!(jobs.run(job).await.record.outcome, OutcomeKind::Completed);
    }
    let got = server.got();
    assert!(got[0].contains(&format!("traceparent: {}\r\n", parent())), "{got:?}");
    assert!(got[1].contains(&format!("traceparent: {own}\r\n")) && !got[1].contains(&parent()), "{got:?}");
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_no_job_and_is_told_once() {
    let (nats, _cli) = stage().await;
    // a port that was free a moment ago
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let setup = worker(&nats).env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{free}"));
    let mut worker = setup.env("OTEL_BSP_SCHEDULE_DELAY", "50").start();
    let jobs = Jobs::of(&nats).await;
    for number in 0..5 {
        let job = NewJob::json("echo".parse().unwrap(), &number).unwrap();
        assert_eq!(jobs.run(job).await.record.outcome, OutcomeKind::Completed);
    }
    worker.says("that spans are lost", lovage_tests::WITHIN, |line| line.contains("spans are lost"));
    worker.sigterm();
    assert!(worker.wait(lovage_tests::WITHIN).success());
    assert_eq!(worker.stderr().matches("spans are lost").count(), 1, "{}", worker.stderr());
}

#[test]
fn an_endpoint_that_cannot_be_spoken_to_is_refused_at_the_start() {
    let nats = Nats::start();
    let cli = Cli::of(&nats).env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318");
    let output = cli.run(["worker"]).fails_with(2);
    assert!(output.stderr.contains("TLS is not spoken here"), "{}", output.stderr);
}

//! Webhooks: signed, tried again as the receiver asks, and never sent into a private network by accident.

use std::sync::{Arc, Mutex};

use lovage_client::NewJob;
use lovage_job::{name::JobId, outcome::OutcomeKind, result::JobResult};
use lovage_tests::{Jobs, Nats, Stage, Worker, cli, push, shared_cache};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request that the receiver got.
#[derive(Clone, Debug)]
struct Got {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// A receiver of webhooks that answers as it is told, the last answer for ever.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    async fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/hook?a=b", listener.local_addr().unwrap().port());
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let all = got.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let count = all.lock().unwrap().len();
                let answer = answers[count.min(answers.len() - 1)];
                let got = serve(stream, answer).await;
                all.lock().unwrap().push(got);
            }
        });
        Self { url, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answer: &str) -> Got {
    let mut reader = BufReader::new(&mut stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.unwrap();
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    Got { line: lines[0].clone(), headers, body }
}

/// A server and a worker that may reach this machine.
async fn ground() -> (Nats, Worker, Jobs) {
    let nats = Nats::start();
    for export in ["echo", "permanent"] {
        push(&cli(&nats), "hostile", &["--export", export]);
    }
    let config = nats.folder().join("worker.toml");
    std::fs::write(&config, "[webhook]\nallow_private = true\n").unwrap();
    let worker = Worker::of(&nats).cache_dir(shared_cache()).arg("--config").arg(&config).start();
    let jobs = Jobs::of(&nats).await;
    (nats, worker, jobs)
}

#[tokio::test]
async fn webhook_is_signed_and_tried_again_until_it_is_taken() {
    let (nats, _worker, jobs) = ground().await;
    let receiver = Receiver::start(&[
        "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks",
    ])
    .await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let job = json_job("echo", &json!({"n": 1})).on_success(receiver.url.parse().unwrap());
    let first = jobs.run(job.header("traceparent", trace)).await;
    let id = follow(&first, "success");
    let ended = jobs.result(&id).await;
    assert_eq!((ended.record.outcome, ended.record.attempt), (OutcomeKind::Completed, 2), "{:?}", ended.error);
    assert_eq!(body(&ended), json!({"status": 200, "body": "thanks"}));
    let tried = &ended.trail.0[0];
    let error = tried.error.clone().unwrap();
    assert!(error.message.contains("503") && error.details.unwrap()["body"] == "busy", "{tried:?}");
    assert!(ended.record.started.since(tried.started).as_millis() >= 1_000, "it came again when it was asked to");
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    let secrets = jobs.client.webhook_secrets().await.unwrap();
    for request in &got {
        assert_eq!(request.line, "POST /hook?a=b HTTP/1.1");
        assert_eq!((request.header("webhook-id"), request.header("content-type")), (id.as_str(), "application/json"));
        assert_eq!(request.header("traceparent"), trace);
        let seconds = request.header("webhook-timestamp").parse().unwrap();
        let signature = secrets.current.sign(id.as_str(), seconds, &request.body);
        assert_eq!(request.header("webhook-signature"), signature);
    }
    assert_eq!(got[0].body, got[1].body);
    let told: Value = serde_json::from_slice(&got[1].body).unwrap();
    assert_eq!((&told["type"], &told["data"]["output"]), (&json!("job.completed"), &json!({"n": 1})));
    assert_eq!(told["data"]["id"], json!(first.record.id));
    // After a rotation both secrets sign.
    let printed = cli(&nats).ok(["webhook", "secret"]);
    assert_eq!(printed.trim(), secrets.current.reveal());
    let rotated = cli(&nats).ok(["webhook", "secret", "--rotate"]);
    assert_ne!(rotated.trim(), printed.trim());
    let second = jobs.run(json_job("permanent", &json!("no")).on_failure(receiver.url.parse().unwrap())).await;
    let id = follow(&second, "failure");
    assert_eq!(jobs.result(&id).await.record.outcome, OutcomeKind::Completed);
    let last = receiver.got().pop().unwrap();
    let told: Value = serde_json::from_slice(&last.body).unwrap();
    assert_eq!((&told["type"], &told["data"]["error"]["message"]), (&json!("job.failed"), &json!("no")));
    let seconds = last.header("webhook-timestamp").parse().unwrap();
    let both = jobs.client.webhook_secrets().await.unwrap();
    assert_eq!(both.previous.as_ref(), Some(&secrets.current));
    let signed = [&both.current, &secrets.current].map(|secret| secret.sign(id.as_str(), seconds, &last.body));
    assert_eq!(last.header("webhook-signature"), signed.join(" "));
}

#[tokio::test]
async fn answer_that_will_not_change_is_not_asked_for_again() {
    let (_nats, _worker, jobs) = ground().await;
    for (answers, status) in [
        (&["HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"][..], "410"),
        (&["HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nbad"][..], "400"),
        (&["HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"][..], "302"),
    ] {
        let receiver = Receiver::start(answers).await;
        let call = json!({"url": receiver.url, "body": {"own": true}});
        let ended = jobs.run(json_job("lovage-webhook", &call)).await;
        assert_eq!((ended.record.outcome, ended.record.attempt), (OutcomeKind::Failed, 1), "{status}");
        assert!(ended.error.unwrap().message.contains(status));
        jobs.letter(&ended.record.id).await;
        let got = receiver.got();
        assert_eq!((got.len(), got[0].body.as_slice()), (1, &br#"{"own":true}"#[..]));
    }
    // An answer without end is cut.
    let receiver = Receiver::start(&["HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nstart\r\n"]).await;
    let call = json!({"url": receiver.url, "body": 1});
    let ended = jobs.run(json_job("lovage-webhook", &call).retries(0)).await;
    assert_eq!(ended.record.outcome, OutcomeKind::Failed);
}

#[tokio::test]
async fn private_address_is_refused_unless_the_operator_allows_it() {
    let seat = Stage::seat().await;
    let receiver = Receiver::start(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let local = receiver.url.replace("127.0.0.1", "localhost");
    for url in [&receiver.url, &local, "http://[::1]:9/", "http://169.254.169.254/latest/", "http://10.0.0.1/"] {
        let first = seat.jobs.run(json_job("echo", &json!(1)).on_success(url.parse().unwrap())).await;
        let ended = seat.jobs.result(&follow(&first, "success")).await;
        assert_eq!((ended.record.outcome, ended.record.attempt), (OutcomeKind::Failed, 1), "{url}");
        let error = ended.error.unwrap();
        assert!(error.message.contains("not public") && error.message.contains("allow_private"), "{error:?}");
    }
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn jobs_of_the_reserved_task_need_a_body_that_is_right_and_nobody_else_has_its_name() {
    let seat = Stage::seat().await;
    for bad in [json!(1), json!({"url": "https://example.com/"}), json!({"url": "ftp://a/", "body": 1})] {
        let told = seat.jobs.client.submit(json_job("lovage-webhook", &bad)).await.unwrap_err();
        assert!(told.to_string().contains("lovage-webhook"), "{told}");
        let ended = seat.jobs.run(json_job("lovage-webhook", &bad).unchecked()).await;
        assert_eq!(ended.record.outcome, OutcomeKind::BadInput, "{bad}");
    }
    let file = lovage_tests::guest("wc");
    let told = seat.stage.cli.run(["push", file.to_str().unwrap(), "--name", "lovage-webhook"]).fails_with(2);
    assert!(told.stderr.contains("lovage-webhook"), "{}", told.stderr);
}

fn json_job(task: &str, input: &Value) -> NewJob {
    NewJob::json(task.parse().unwrap(), input).unwrap()
}

fn follow(result: &JobResult, kind: &str) -> JobId {
    JobId::from_parts("f", &[result.record.id.as_str(), kind, &result.record.published.0.to_string()])
}

#[track_caller]
fn body(result: &JobResult) -> Value {
    serde_json::from_slice(&result.body).unwrap_or_else(|error| panic!("{error}: {result:?}"))
}

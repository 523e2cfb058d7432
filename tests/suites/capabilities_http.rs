//! Outgoing HTTP: to hosts that are granted and addresses that may be reached, within caps, and on record.

mod hostile;
mod secured;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lovage_client::NewJob;
use lovage_job::{outcome::OutcomeKind, result::JobResult};
use lovage_tests::{Jobs, Nats, Worker, WorkerSetup, cli, push, shared_cache};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::certificates::Issued;

/// A server that gives one answer and keeps what it was sent.
pub struct Server {
    pub port: u16,
    got: Arc<Mutex<Vec<String>>>,
    left: Arc<AtomicUsize>,
}

/// What a server answers: the beginning, and what it repeats after it for as long as the client stays, with a pause
/// before each.
#[derive(Clone)]
struct Answer {
    start: String,
    more: &'static [u8],
    pause: Duration,
}

impl Server {
    /// Answers with `answer`; one that is to go on for ever repeats `more`.
    pub async fn start(answer: String, more: &'static [u8]) -> Self {
        Self::serve(Answer { start: answer, more, pause: Duration::ZERO }, None).await
    }

    /// Answers with `answer`, and then `more` again and again with pauses in between.
    async fn dripping(answer: String, more: &'static [u8], pause: Duration) -> Self {
        Self::serve(Answer { start: answer, more, pause }, None).await
    }

    /// Answers over TLS.
    async fn secured(answer: String, certificate: &Issued) -> Self {
        Self::serve(Answer { start: answer, more: b"", pause: Duration::ZERO }, Some(certificate)).await
    }

    async fn serve(answer: Answer, certificate: Option<&Issued>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), got: Arc::default(), left: Arc::default() };
        let (got, left, acceptor) = (server.got.clone(), server.left.clone(), certificate.map(Issued::acceptor));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, got, left, acceptor) = (answer.clone(), got.clone(), left.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => answer.give(stream, &got).await,
                        // a client that does not trust the certificate leaves here
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                answer.give(stream, &got).await;
                            }
                        }
                    }
                    left.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        server
    }

    /// What it was sent: of each connection, what came first.
    pub fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }

    /// How many connections have ended.
    fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

impl Answer {
    async fn give(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, got: &Mutex<Vec<String>>) {
        let mut bytes = vec![0; 64 << 10];
        let read = stream.read(&mut bytes).await.unwrap_or(0);
        got.lock().unwrap().push(String::from_utf8_lossy(&bytes[..read]).into_owned());
        let mut open = stream.write_all(self.start.as_bytes()).await.is_ok();
        while open && !self.more.is_empty() {
            tokio::time::sleep(self.pause).await;
            open = stream.write_all(self.more).await.is_ok() && stream.flush().await.is_ok();
        }
        let _the_client_may_be_gone = stream.shutdown().await;
    }
}

pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\nX-Own: a\r\n\r\n{body}", body.len())
}

pub fn fetch(url: &str, more: Value) -> NewJob {
    let mut input = json!({"url": url});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    NewJob::json("fetch".parse().unwrap(), &input).unwrap().retries(0)
}

/// A server, a worker and the task `fetch`, granted `hosts` by a tenant that may grant every host.
pub async fn ground(config: &str, hosts: &[String]) -> (Nats, Worker, Jobs) {
    ground_with(config, hosts, |worker| worker).await
}

/// The same, with the worker's set-up changed.
async fn ground_with(
    config: &str,
    hosts: &[String],
    change: impl FnOnce(WorkerSetup) -> WorkerSetup,
) -> (Nats, Worker, Jobs) {
    let nats = Nats::start();
    push(&cli(&nats), "fetch", &[]);
    let file = nats.folder().join("worker.toml");
    std::fs::write(&file, config).unwrap();
    let jobs = Jobs::of(&nats).await;
    let tenants = jobs.js.get_key_value("tenants").await.unwrap();
    let mut record: Value = serde_json::from_slice(&tenants.get("default").await.unwrap().unwrap()).unwrap();
    record["ceiling"]["http"] = json!(["*"]);
    tenants.put("default", record.to_string().into()).await.unwrap();
    for host in hosts {
        cli(&nats).ok(["task", "allow", "fetch", &format!("http={host}")]);
    }
    let worker = change(Worker::of(&nats).cache_dir(shared_cache()).arg("--config").arg(&file)).start();
    (nats, worker, jobs)
}

fn message(result: &JobResult) -> String {
    assert_eq!(result.record.outcome, OutcomeKind::Failed, "{result:?}");
    result.error.clone().unwrap().message
}

// the server answers while a command is waited for
#[tokio::test(flavor = "multi_thread")]
async fn granted_hosts_are_reached_and_every_other_is_not() {
    let server = Server::start(ok("hello"), b"").await;
    let elsewhere = Server::start(ok("secret"), b"").await;
    let away =
        format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n", elsewhere.port);
    let redirects = Server::start(away, b"").await;
    let endless = Server::start("HTTP/1.1 200 OK\r\n\r\n".to_owned(), &[b'x'; 4096]).await;
    let large = Server::start(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 9 << 20), b"").await;
    let rule = |port: u16| format!("http://127.0.0.1:{port}");
    let hosts = [server.port, redirects.port, endless.port, large.port].map(rule);
    let (nats, _worker, jobs) = ground("[egress]\nallow_private = true\n", &hosts).await;

    let more = json!({"method": "POST", "body": "ping", "headers": {"x-mine": "b"}});
    let done = jobs.run(fetch(&format!("{}/a?b=c", rule(server.port)), more)).await;
    assert_eq!(done.record.outcome, OutcomeKind::Completed, "{done:?}");
    let told: Value = serde_json::from_slice(&done.body).unwrap();
    assert_eq!((&told["status"], &told["body"]), (&json!(200), &json!("hello")));
    let names: Vec<_> = told["headers"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
    assert!(names.contains(&"x-own") && !names.contains(&"connection"), "{names:?}");
    let got = server.got().remove(0);
    assert!(got.starts_with("POST /a?b=c HTTP/1.1\r\n") && got.ends_with("\r\n\r\nping"), "{got}");
    assert!(got.contains(&format!("host: 127.0.0.1:{}\r\n", server.port)) && got.contains("x-mine: b\r\n"), "{got}");
    let used = done.record.meter.egress_bytes;
    assert_eq!(used, (got.len() + ok("hello").len()) as u64, "every byte on the wire is counted");

    let shown = cli(&nats).ok(["job", "show", done.record.id.as_str()]);
    assert!(shown.contains(&format!("egress {used}B")), "{shown}");
    let file = lovage_tests::guest("fetch");
    let local = |more: &[&str]| {
        let input = json!({"url": rule(server.port)}).to_string();
        cli(&nats).run([&["run", file.to_str().unwrap(), "fetch", &input], more].concat())
    };
    let allow = format!("http={}", rule(server.port));
    assert!(local(&["--allow", &allow, "--allow-private"]).ok().stdout.contains("hello"));
    assert!(local(&["--allow", &allow]).fails_with(1).stderr.contains("DestinationIpProhibited"));
    assert!(local(&[]).fails_with(1).stderr.contains("HttpRequestDenied"));

    let denied = "HttpRequestDenied";
    for (url, told) in [
        (rule(elsewhere.port), denied),
        (format!("https://127.0.0.1:{}", server.port), denied),
        (format!("http://localhost:{}", server.port), denied),
        (format!("http://[::ffff:7f00:1]:{}", server.port), denied),
        (rule(endless.port), "HttpResponseBodySize"),
        (rule(large.port), "HttpResponseBodySize"),
    ] {
        let message = message(&jobs.run(fetch(&url, json!({}))).await);
        assert!(message.contains(told), "{url}: {message}");
    }
    // the worker follows nothing, and what the guest follows is a request like the first
    let stays: Value = serde_json::from_slice(&jobs.run(fetch(&rule(redirects.port), json!({}))).await.body).unwrap();
    assert_eq!(stays["status"], 302);
    let follows = message(&jobs.run(fetch(&rule(redirects.port), json!({"redirects": 3}))).await);
    assert!(follows.contains(denied), "{follows}");
    let many = message(&jobs.run(fetch(&rule(server.port), json!({"times": 51}))).await);
    assert!(many.contains("ConnectionLimitReached"), "{many}");
    assert_eq!(server.got().len(), 52, "two before and fifty of this job");
    assert!(elsewhere.got().is_empty());

    let log =
        cli(&nats).ok(["job", "logs", jobs.run(fetch(&rule(elsewhere.port), json!({}))).await.record.id.as_str()]);
    assert!(log.contains(&format!("the task is not granted http=http://127.0.0.1:{}", elsewhere.port)), "{log}");
    let trail = cli(&nats).ok(["audit", "--kind", "egress"]);
    assert_eq!(trail.matches("request denied").count(), 1, "the first of a kind, a task and a minute: {trail}");
    assert!(trail.contains("too many requests"), "{trail}");
    // what is taken away is refused at once
    cli(&nats).ok(["task", "deny", "fetch", "http"]);
    let last = async || match jobs.run(fetch(&rule(server.port), json!({}))).await.record.outcome {
        OutcomeKind::Failed => Ok(()),
        other => Err(format!("{other:?}")),
    };
    lovage_tests::eventually("the denial to reach the worker", lovage_tests::WITHIN, last).await;
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_also_where_the_host_is_granted() {
    let server = Server::start(ok("secret"), b"").await;
    let port = server.port;
    let hosts = ["127.0.0.1", "localhost", "[::ffff:7f00:1]", "169.254.169.254", "10.0.0.1", "[fd00:ec2::254]"];
    let hosts = hosts.map(|host| format!("http://{host}:{port}"));
    let (nats, _worker, jobs) = ground("", &hosts).await;
    for url in &hosts {
        let message = message(&jobs.run(fetch(url, json!({}))).await);
        assert!(message.contains("DestinationIpProhibited"), "{url}: {message}");
    }
    assert!(server.got().is_empty());
    assert!(cli(&nats).ok(["audit", "--kind", "egress"]).contains("address prohibited"));
}

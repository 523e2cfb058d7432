//! A nats-server of the test's own, with the streams and buckets that a worker makes for a tenant.

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, Source, SubjectTransform};
use async_nats::jetstream::{self, kv};
use lovage_client::{Client, ConnectOptions, Credentials, NewJob, StoredLetter};
use lovage_job::catalog::{AliasTargets, BodyType, Encoding, Entry, Export, TaskRecord, VersionEntry, VersionRecord};
use lovage_job::dead::DeadLetter;
use lovage_job::name::{AliasName, Digest, JobId, TenantName};
use lovage_job::outcome::{JobError, Meter, OutcomeKind};
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::subject::asset;
use lovage_job::unit::UnixMs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server, ended with the test.
pub struct Server {
    child: Child,
    pub url: String,
    _dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("LOVAGE_NATS_SERVER") {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("nats-server")).find(|program| program.is_file());
    found.expect("these tests need nats-server 2.14 or later: put it on PATH or name it in LOVAGE_NATS_SERVER")
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&["-js"])
    }

    /// A server with a configuration file.
    pub fn start_configured(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nats.conf");
        std::fs::write(&file, text).unwrap();
        Self::start_in(dir, &["-js", "-c", file.to_str().unwrap()])
    }

    pub fn start_with(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), flags)
    }

    fn start_in(dir: tempfile::TempDir, flags: &[&str]) -> Self {
        let child = Command::new(program())
            .args(flags)
            .args(["-a", "127.0.0.1", "-p", "-1"])
            .arg("--ports_file_dir")
            .arg(dir.path())
            .arg("-sd")
            .arg(dir.path().join("store"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        let ports = dir.path().join(format!("nats-server_{}.ports", child.id()));
        let deadline = Instant::now() + Duration::from_secs(30);
        let url = loop {
            let text = std::fs::read(&ports).unwrap_or_default();
            let ports: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
            if let Some(url) = ports.as_ref().and_then(|ports| ports["nats"][0].as_str()) {
                break url.to_owned();
            }
            assert!(Instant::now() < deadline, "nats-server did not tell its port");
            std::thread::sleep(Duration::from_millis(10));
        };
        Self { child, url, _dir: dir }
    }

    pub fn options(&self) -> ConnectOptions {
        ConnectOptions { servers: self.url.clone(), ..ConnectOptions::default() }
    }
}

/// A tenant on a server of its own.
pub struct World {
    pub _server: Server,
    pub client: Client,
    pub js: jetstream::Context,
    pub tenant: TenantName,
}

impl World {
    pub async fn new() -> Self {
        Self::with_jobs_max(100_000).await
    }

    /// A tenant that may have so many jobs waiting.
    pub async fn with_jobs_max(jobs_max: i64) -> Self {
        let world = Self::bare().await;
        world.make_assets(jobs_max).await;
        world
    }

    /// A tenant whose workers never started.
    pub async fn bare() -> Self {
        let server = Server::start();
        let options = server.options();
        Self::on(server, &options).await
    }

    async fn on(server: Server, options: &ConnectOptions) -> Self {
        let tenant: TenantName = "acme".parse().unwrap();
        let client = Client::connect(options, tenant.clone()).await.unwrap();
        let js = jetstream::new(client.nats().clone());
        Self { _server: server, client, js, tenant }
    }

    /// A tenant with a user who may do only what a tenant's user needs; returns that user's client too.
    pub async fn with_tenant_user() -> (Self, Client) {
        let server = Server::start_configured(
            r#"authorization { users = [
                { user: op, password: op }
                { user: acme, password: acme, permissions {
                    publish: ["lovage.acme.job.>", "lovage.acme.job-high.>", "lovage.acme.job-low.>",
                        "lovage.acme.sched.>", "$JS.API.DIRECT.GET.KV_results-acme.$KV.results-acme.>",
                        "$KV.state-acme.unique.>", "$JS.API.DIRECT.GET.KV_state-acme.$KV.state-acme.unique.>"]
                    subscribe: ["_INBOX_acme.>", "lovage.acme.event.>"] } }
            ] }"#,
        );
        let of = |name: &str| ConnectOptions {
            credentials: Credentials::UserPassword { user: name.into(), password: name.into() },
            inbox_prefix: (name != "op").then(|| format!("_INBOX_{name}")),
            ..server.options()
        };
        let (operator, user) = (of("op"), of("acme"));
        let world = Self::on(server, &operator).await;
        world.make_assets(100_000).await;
        let client = Client::connect(&user, world.tenant.clone()).await.unwrap();
        (world, client)
    }

    async fn make_assets(&self, jobs_max: i64) {
        let tenant = &self.tenant;
        for bucket in [asset::CATALOG.into(), asset::CONTROL.into(), asset::state(tenant), asset::results(tenant)] {
            let limit_markers = Some(Duration::from_secs(60));
            let config = kv::Config { bucket, history: 1, limit_markers, ..kv::Config::default() };
            self.js.create_key_value(config).await.unwrap();
        }
        let schedules = Config {
            name: asset::schedules(tenant),
            subjects: vec![format!("lovage.{tenant}.sched.>"), format!("lovage.{tenant}.due.>")],
            retention: RetentionPolicy::WorkQueue,
            duplicate_window: Duration::from_secs(120),
            allow_message_schedules: true,
            allow_message_ttl: true,
            allow_direct: true,
            allow_rollup: true,
            ..Config::default()
        };
        let due =
            SubjectTransform { source: format!("lovage.{tenant}.due.>"), destination: format!("lovage.{tenant}.>") };
        let source = Source { name: asset::schedules(tenant), subject_transforms: vec![due], ..Source::default() };
        let jobs = Config {
            name: asset::jobs(tenant),
            subjects: ["job", "job-high", "job-low"].map(|lane| format!("lovage.{tenant}.{lane}.>")).to_vec(),
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            max_messages: jobs_max,
            duplicate_window: Duration::from_secs(120),
            max_consumers: 48,
            allow_direct: true,
            sources: Some(vec![source]),
            ..Config::default()
        };
        let dead = Config {
            name: asset::dead(tenant),
            subjects: vec![format!("lovage.{tenant}.dead.>")],
            allow_direct: true,
            ..Config::default()
        };
        for config in [schedules, jobs, dead] {
            self.js.create_stream(config).await.unwrap();
        }
    }

    /// Messages in a stream.
    pub async fn count(&self, stream: &str) -> u64 {
        self.js.get_stream(stream).await.unwrap().get_info().await.unwrap().state.messages
    }

    pub async fn queued(&self) -> u64 {
        self.count(&asset::jobs(&self.tenant)).await
    }

    /// The newest message on a subject.
    pub async fn last(&self, stream: &str, subject: &str) -> jetstream::message::StreamMessage {
        self.js.get_stream(stream).await.unwrap().direct_get_last_for_subject(subject).await.unwrap()
    }

    /// Takes the oldest job out of its queue, as a worker does that has ended it.
    pub async fn take_job(&self) {
        let mut stream = self.js.get_stream(asset::jobs(&self.tenant)).await.unwrap();
        let first = stream.info().await.unwrap().state.first_sequence;
        assert!(stream.delete_message(first).await.unwrap());
    }

    /// Stores a result as a worker does.
    pub async fn finish(&self, result: &JobResult) {
        let subject = asset::result_subject(&self.tenant, &result.record.id);
        let mut headers = lovage_client::wire::to_nats(&result.to_headers());
        headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
        let sent = self.js.publish_with_headers(subject, headers, result.body.clone().into()).await.unwrap();
        sent.await.unwrap();
    }

    /// Tells the end of a job as a worker does.
    pub async fn tell_finished(&self, id: &JobId) {
        let subject = format!("lovage.{}.event.add.{id}.finished", self.tenant);
        self.client.nats().publish(subject, "{}".into()).await.unwrap();
    }

    /// Buries a job as a worker does: letter and result.
    pub async fn bury(&self, id: &str, buried: UnixMs) -> StoredLetter {
        let letter = DeadLetter {
            id: id.parse().unwrap(),
            subject: format!("lovage.{}.job.default.add", self.tenant),
            error: JobError::new(OutcomeKind::Failed, "no"),
            trail: Default::default(),
            buried,
            headers: [("Lovage-Tag", "a"), ("X-Own", "mine"), ("Lovage-Attempt", "5")].into_iter().collect(),
            payload: b"{}".to_vec(),
        };
        let subject = format!("lovage.{}.dead.default.add.{id}", self.tenant);
        let headers = lovage_client::wire::to_nats(&letter.to_headers());
        let sent = self.js.publish_with_headers(subject, headers, letter.payload.clone().into()).await.unwrap();
        let sequence = sent.await.unwrap().sequence;
        self.finish(&JobResult { body: vec![], ..result(id, OutcomeKind::Failed, buried) }).await;
        StoredLetter { sequence, letter }
    }

    /// Pushes a task that takes `{"a": <integer>}`.
    pub async fn push_task(&self, name: &str) {
        let (task, version) = (name.parse().unwrap(), "1".parse().unwrap());
        let schema = serde_json::json!({
            "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]
        });
        let record = VersionRecord {
            task,
            version,
            digest: Digest::of(name.as_bytes()),
            size_bytes: 1,
            pushed: UnixMs(1),
            export: Export {
                name: name.parse().unwrap(),
                entry: Entry::Handler { name: name.into() },
                summary: None,
                input: BodyType { encoding: Encoding::Json, schema: Some(schema) },
                output: BodyType::BYTES,
                limits: Default::default(),
                attempts_max: None,
            },
            limits: Default::default(),
            retry: Default::default(),
            args: vec![],
            env: Default::default(),
            imports: vec![],
            result_ttl_seconds: None,
            signatures: vec![],
            provenance: None,
        };
        let mut task = TaskRecord::new(record.task.clone());
        let (version, digest) = (record.version.clone(), record.digest.clone());
        task.add(VersionEntry { version: version.clone(), digest, pushed: UnixMs(1) }).unwrap();
        task.promote(AliasName::stable(), AliasTargets::all(version), UnixMs(1)).unwrap();
        let catalog = self.js.get_key_value(asset::CATALOG).await.unwrap();
        let path = asset::version_key(&self.tenant, &record.task, &record.version);
        catalog.put(path, serde_json::to_vec(&record).unwrap().into()).await.unwrap();
        let path = asset::task_key(&self.tenant, &record.task);
        catalog.put(path, serde_json::to_vec(&task).unwrap().into()).await.unwrap();
    }
}

/// A job that no catalogue is asked about.
pub fn job() -> NewJob {
    NewJob::new("add".parse().unwrap(), "{}").unchecked()
}

/// A result whose last attempt began at `at`.
pub fn result(id: &str, outcome: OutcomeKind, at: UnixMs) -> JobResult {
    JobResult {
        record: ResultRecord {
            id: id.parse().unwrap(),
            task: Some("add".parse().unwrap()),
            queue: Some("default".parse().unwrap()),
            lane: Some(lovage_job::subject::Lane::Normal),
            outcome,
            digest: None,
            version: None,
            attempt: 1,
            published: at,
            started: at,
            finished: at,
            meter: Meter::default(),
            worker: "w".into(),
            tags: vec!["a".into()],
            payload: None,
            trace_id: None,
        },
        error: None,
        trail: Default::default(),
        content_type: Some("application/json".into()),
        body: b"3".to_vec(),
    }
}

/// The time.
pub fn now() -> UnixMs {
    UnixMs(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap())
}

/// Waits for a condition, at most 20 seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

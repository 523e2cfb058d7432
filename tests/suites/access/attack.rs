//! A tenant's credentials against all that the broker has.

use super::ground::Ground;
use async_nats::jetstream::{self, stream::Info};
use async_nats::{Client, Event, HeaderMap, ServerError, Subscriber};
use futures::{StreamExt, TryStreamExt};
use lovage_tests::eventually;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bodies that make one of these requests mean something.
const BODY: &str =
    r#"{"name":"EVIL","stream_name":"EVIL","config":{"name":"EVIL"},"seq":1,"last_by_subj":"$KV.results-victim.done"}"#;

/// Every stream but the attacker's own with what is in it. Counters of usage change by themselves.
pub async fn states(operator: &Client, own: &str) -> BTreeMap<String, (u64, u64, usize)> {
    let streams = streams(operator).await.into_iter();
    let others = streams.filter(|info| !lovage_job::subject::asset::is_of(&own.parse().unwrap(), &info.config.name));
    others
        .filter(|info| info.config.name != "METER")
        .map(|info| (info.config.name, (info.state.messages, info.state.last_sequence, info.state.consumer_count)))
        .collect()
}

async fn streams(operator: &Client) -> Vec<Info> {
    jetstream::new(operator.clone()).streams().try_collect().await.unwrap()
}

pub struct Attacker {
    client: Client,
    refusals: Arc<Mutex<Vec<String>>>,
    heard: Vec<(String, Subscriber)>,
    inbox: Subscriber,
    address: String,
}

impl Attacker {
    pub async fn connect(ground: &Ground, creds: &Value) -> Self {
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let told = refusals.clone();
        let options = ground.options(creds).event_callback(move |event| {
            if let Event::ServerError(ServerError::Other(text)) = event {
                told.lock().unwrap().push(text);
            }
            std::future::ready(())
        });
        let client = options.connect(ground.nats.url()).await.unwrap();
        let address = client.new_inbox();
        let inbox = client.subscribe(address.clone()).await.unwrap();
        Self { client, refusals, heard: Vec::new(), inbox, address }
    }

    fn refused(&self, subject: &str) -> bool {
        let quoted = format!("\"{subject}\"");
        self.refusals.lock().unwrap().iter().any(|text| text.contains(&quoted))
    }

    /// Subscribes to all that others hear. Where the server lets it in, nothing must come.
    pub async fn subscribe_to_everything(&mut self) {
        for subject in [
            ">",
            "*",
            "*.>",
            "lovage.>",
            "lovage.*.>",
            "lovage.*.event.>",
            "lovage.victim.>",
            "lovage.victim.event.>",
            "lovage.victim.job.>",
            "lovage.acme.>",
            "lovage.*.job.>",
            "_INBOX.>",
            "_INBOX_victim.>",
            "_INBOX_operator.>",
            "$JS.>",
            "$JS.API.>",
            "$JS.EVENT.>",
            "$JS.ACK.>",
            "$KV.>",
            "$KV.results-victim.>",
            "$O.>",
            "$SYS.>",
            "$SYS.ACCOUNT.>",
            "lovage-workers",
            "lovage-workers.>",
            "$SRV.>",
        ] {
            let heard = self.client.subscribe(subject).await.unwrap();
            self.heard.push((subject.to_owned(), heard));
            let group = self.client.queue_subscribe(subject, "thieves".into()).await.unwrap();
            self.heard.push((subject.to_owned(), group));
        }
        self.client.flush().await.unwrap();
    }

    /// Publishes to all that is not the tenant's to publish to. Each must be refused by name.
    pub async fn publish_to_everything(&mut self, operator: &Client) {
        let mut subjects = table();
        for info in streams(operator).await {
            subjects.extend(of_stream(operator, &info).await);
        }
        // few at a time: the client keeps few events
        for some in subjects.chunks(32) {
            for subject in some {
                let (subject, reply) = (subject.clone(), self.address.clone());
                self.client.publish_with_reply(subject, reply, BODY.into()).await.unwrap();
            }
            self.client.flush().await.unwrap();
            let all = async || match some.iter().find(|subject| !self.refused(subject)) {
                Some(open) => Err(format!("{open} is not refused")),
                None => Ok(()),
            };
            eventually("everything to be refused", Duration::from_secs(5), all).await;
        }
        self.nothing_in_the_inbox().await;
    }

    /// Asks for another's results in the body of a request that is allowed.
    pub async fn read_results_through_the_body(&mut self) {
        for body in [
            r#"{"last_by_subj":"$KV.results-victim.done"}"#,
            r#"{"seq":1}"#,
            r#"{"multi_last":["$KV.results-victim.>"]}"#,
            r#"{"seq":1,"batch":100,"next_by_subj":">"}"#,
        ] {
            let subject = "$JS.API.DIRECT.GET.KV_results-acme.$KV.results-acme.none";
            let answer = self.client.request(subject, body.into()).await.unwrap();
            let headers = format!("{:?}", answer.headers);
            assert!(!headers.contains("victim") && answer.payload.is_empty(), "{body}: {answer:?}");
        }
        // with another's subject within its own stream
        let subject = "$JS.API.DIRECT.GET.KV_results-victim.$KV.results-victim.done";
        self.client.publish_with_reply(subject, self.address.clone(), "".into()).await.unwrap();
        self.nothing_in_the_inbox().await;
    }

    /// Headers that would make the broker act on others' subjects.
    pub async fn send_forged_headers(&mut self) {
        let at = "@at 2020-01-01T00:00:00Z";
        for (subject, headers) in [
            (
                "lovage.acme.sched.delay.f1",
                vec![("Nats-Schedule", at), ("Nats-Schedule-Target", "lovage.victim.job.default.answer.forged")],
            ),
            (
                "lovage.acme.sched.delay.f2",
                vec![("Nats-Schedule", at), ("Nats-Schedule-Target", "lovage.victim.due.job.default.answer.forged")],
            ),
            (
                "lovage.acme.sched.delay.f3",
                vec![
                    ("Nats-Schedule", at),
                    ("Nats-Schedule-Target", "lovage.acme.due.job.default.answer.f3"),
                    ("Nats-Schedule-Source", "lovage.victim.sched.delay.later"),
                ],
            ),
            ("lovage.acme.job.default.answer.f4", vec![("Nats-Rollup", "all")]),
            ("lovage.acme.job.default.answer.f5", vec![("Nats-TTL", "1s")]),
            ("lovage.acme.job.default.answer.f6", vec![("Nats-Expected-Stream", "JOBS_victim")]),
            ("lovage.acme.job.default.answer.f7", vec![("Nats-Expected-Last-Sequence", "1")]),
            ("lovage.acme.job.default.answer.f8", vec![("Nats-Trace-Dest", "lovage.victim.job.default.answer.traced")]),
            ("lovage.acme.job.default.answer.f9", vec![("Nats-Request-Info", r#"{"acc":"victim","user":"victim"}"#)]),
            ("lovage.acme.job.default.answer.f10", vec![("Lovage-Reply", "_INBOX_victim.x")]),
            ("lovage.acme.job.default.answer.f11", vec![("Lovage-Tenant", "victim")]),
            ("lovage.acme.job.default.answer.f12", vec![("Lovage-Reply", "lovage.victim.job.default.answer.forged")]),
        ] {
            let mut map = HeaderMap::new();
            headers.iter().for_each(|(name, value)| map.insert(*name, *value));
            self.client.publish_with_headers(subject, map, r#"{"tenant":"victim"}"#.into()).await.unwrap();
        }
        self.client.flush().await.unwrap();
    }

    async fn nothing_in_the_inbox(&mut self) {
        self.client.flush().await.unwrap();
        let came = tokio::time::timeout(Duration::from_millis(300), self.inbox.next()).await;
        assert!(!matches!(came, Ok(Some(_))), "{came:?}");
    }

    /// Nothing came to any subscription but what is the tenant's own.
    pub async fn heard_nothing(mut self) {
        self.client.flush().await.unwrap();
        self.nothing_in_the_inbox().await;
        for (subject, heard) in &mut self.heard {
            while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(5), heard.next()).await {
                let own =
                    message.subject.starts_with("lovage.acme.event.") || message.subject.starts_with("_INBOX_acme.");
                assert!(own, "{subject} hears {}", message.subject);
            }
        }
    }
}

/// Subjects that are there without a stream.
fn table() -> Vec<String> {
    let mut subjects: Vec<String> = [
        "$JS.API.INFO",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.CREATE.EVIL",
        "$JS.API.STREAM.RESTORE.EVIL",
        "$JS.API.META.LEADER.STEPDOWN",
        "$JS.API.ACCOUNT.PURGE.$G",
        "$JS.API.SERVER.REMOVE",
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.SERVER.PING.CONNZ",
        "$SYS.REQ.ACCOUNT.PING",
        "$SYS.REQ.ACCOUNT.$G.CONNZ",
        "$SYS.REQ.CLAIMS.UPDATE",
        "$SYS.REQ.CLAIMS.DELETE",
        "$SYS.REQ.CLAIMS.LIST",
        "$SYS.REQ.CLAIMS.PACK",
        "$SYS.REQ.USER.INFO",
        "$SYS.DEBUG.SUBSCRIBERS",
        "lovage-workers",
        "_INBOX.x",
        "_INBOX_victim.x",
        "$SRV.PING",
    ]
    .map(str::to_owned)
    .into();
    for tenant in ["victim", "default", "acme"] {
        for rest in [
            "sched.retry.x",
            "sched.tick.n.1.1",
            "sched.wait.lot.x",
            "sched.delay.x.y",
            "due.job.default.answer.x",
            "dead.default.answer.x",
            "event.answer.x.finished",
            "log.x.1.1",
            "control.cancel.x",
            "meter.2026-01-01.jobs",
            "audit.x",
            "jobs.default.answer",
            "x",
        ] {
            subjects.push(format!("lovage.{tenant}.{rest}"));
        }
    }
    for tenant in ["victim", "default"] {
        for rest in ["job.default.answer.x", "job-high.default.answer.x", "job-low.default.answer.x", "sched.delay.x"] {
            subjects.push(format!("lovage.{tenant}.{rest}"));
        }
    }
    subjects
}

/// What the broker offers about a stream and its consumers, the attacker's own among them: tenants have no rights to any.
async fn of_stream(operator: &Client, info: &Info) -> Vec<String> {
    let stream = &info.config.name;
    let mut subjects: Vec<String> = [
        "STREAM.INFO",
        "STREAM.UPDATE",
        "STREAM.DELETE",
        "STREAM.PURGE",
        "STREAM.MSG.GET",
        "STREAM.MSG.DELETE",
        "STREAM.SNAPSHOT",
        "STREAM.RESTORE",
        "STREAM.CREATE",
        "STREAM.LEADER.STEPDOWN",
        "STREAM.PEER.REMOVE",
        "CONSUMER.CREATE",
        "CONSUMER.NAMES",
        "CONSUMER.LIST",
        "DIRECT.GET",
    ]
    .map(|verb| format!("$JS.API.{verb}.{stream}"))
    .into();
    let consumers = jetstream::new(operator.clone()).get_stream(stream).await.unwrap();
    let mut names: Vec<String> = consumers.consumer_names().try_collect().await.unwrap();
    names.push("evil".to_owned());
    for name in names {
        for verb in
            ["CREATE", "DURABLE.CREATE", "INFO", "DELETE", "MSG.NEXT", "PAUSE", "UNPIN", "LEADER.STEPDOWN", "RESET"]
        {
            subjects.push(format!("$JS.API.CONSUMER.{verb}.{stream}.{name}"));
        }
        subjects.push(format!("$JS.API.CONSUMER.CREATE.{stream}.{name}.filter"));
        subjects.push(format!("$JS.ACK.{stream}.{name}.1.1.1.1.0"));
        subjects.push(format!("$JS.ACK._.hash.{stream}.{name}.1.1.1.1.0.token"));
        subjects.push(format!("$JS.FC.{stream}.{name}.x"));
    }
    for subject in &info.config.subjects {
        let subject = subject.replace(['>', '*'], "x");
        // its own lanes are its own
        if !subject.starts_with("lovage.acme.job") {
            subjects.push(subject.clone());
        }
        if !subject.starts_with("$KV.results-acme.") {
            subjects.push(format!("$JS.API.DIRECT.GET.{stream}.{subject}"));
        }
    }
    subjects
}

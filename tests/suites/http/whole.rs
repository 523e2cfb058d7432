//! A task's whole life through the API: uploaded, run, cancelled, buried, replayed; and each change in the audit trail.

use lovage_tests::{WITHIN, Worker, eventually, shared_cache};
use reqwest::Method;
use serde_json::{Value, json};

use super::Served;
use super::ground::Answer;
use crate::small::{numbers, wasm};

/// A component whose function `trap` traps.
fn trap() -> Vec<u8> {
    wasm(
        r#"(component
            (core module $m (func (export "f") unreachable))
            (core instance $i (instantiate $m))
            (func (export "trap") (canon lift (core func $i "f"))))"#,
    )
}

impl Served {
    pub fn worker(&self) -> Worker {
        Worker::of(&self.nats).cache_dir(shared_cache()).start()
    }

    pub async fn push(&self, tenant: &str, token: &str, query: &str, component: Vec<u8>) -> Answer {
        let path = format!("/api/v1/tenants/{tenant}/components{query}");
        let request = self.request(Method::POST, &path, token).header("content-type", "application/wasm");
        Answer::of(request.body(component)).await
    }

    async fn actions(&self, tenant: &str, token: &str) -> Vec<String> {
        let page = self.get(&format!("/api/v1/tenants/{tenant}/audit?limit=500"), token).await.json(200);
        let by_token = |entry: &&Value| entry["who"].as_str().unwrap().starts_with("token ");
        let entries = page["items"].as_array().unwrap().iter().filter(by_token);
        entries.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_task_is_uploaded_run_cancelled_and_replayed() {
    let served = Served::start(&[]);
    let (token, viewer) = (served.token(Some("acme"), "operator"), served.token(Some("acme"), "viewer"));
    served.known(&token).await;
    served.known(&viewer).await;
    let _worker = served.worker();
    let base = "/api/v1/tenants/acme";
    let at = |rest: &str| format!("{base}{rest}");

    served.push("acme", &token, "", b"no wasm".to_vec()).await.is("bad-component");
    served.push("acme", &token, "", Vec::new()).await.is("bad-body");
    let pushed = served.push("acme", &token, "", numbers(&[("answer", 42)])).await.json(201);
    assert_eq!((&pushed[0]["version"], &pushed[0]["alias"]), (&json!("1"), &json!("stable")));
    served.push("acme", &token, "?retries=0", trap()).await.json(201);
    let task = served.get(&at("/tasks/answer"), &viewer).await.json(200);
    assert_eq!(task["aliases"]["stable"], "1");

    let made = served.post(&at("/jobs"), &token, json!({"task": "answer", "id": "one", "tags": ["x"]})).await;
    assert_eq!(made.json(201)["existing"], false);
    let done = served.get(&at("/jobs/one/wait"), &token).await.json(200);
    assert_eq!((&done["outcome"], &done["end"]["output"]["json"]), (&json!("completed"), &json!(42)));
    let seen = served.get(&at("/jobs/one"), &viewer).await.json(200);
    let redacted = json!({"size_bytes": 2, "content_type": "application/json", "redacted": true, "cut": false});
    assert_eq!(seen["end"]["output"], redacted);
    served.get(&at("/jobs/one/output"), &viewer).await.is("forbidden");
    let output = served.get(&at("/jobs/one/output"), &token).await;
    assert_eq!((output.text.as_str(), output.header("content-disposition")), ("42", "attachment"));
    assert_eq!(
        served.post(&at("/jobs"), &token, json!({"task": "answer", "id": "one"})).await.json(200)["existing"],
        true
    );
    served.post(&at("/jobs"), &token, json!({"task": "anwser"})).await.is("not-found");
    served.get(&at("/jobs/nowhere"), &token).await.is("not-found");

    let later = json!({"task": "answer", "id": "later", "delay": "1h"});
    assert_eq!(served.post(&at("/jobs"), &token, later).await.json(201)["state"], "delayed");
    let found = served.get(&at("/jobs?state=delayed"), &viewer).await.json(200);
    assert_eq!((&found["items"][0]["id"], found["items"].as_array().unwrap().len()), (&json!("later"), 1));
    let cancelled = served.post(&at("/jobs/later/cancel"), &token, json!({"reason": "changed my mind"})).await;
    assert_eq!(cancelled.json(200)["outcome"], "cancelled");
    assert_eq!(served.get(&at("/jobs/later"), &viewer).await.json(200)["outcome"], "cancelled");

    served.post(&at("/jobs"), &token, json!({"task": "trap", "id": "bad"})).await.json(201);
    assert_eq!(served.get(&at("/jobs/bad/wait"), &token).await.json(200)["outcome"], "trapped");
    eventually("the dead letter", WITHIN, async || {
        let answer = served.get(&at("/dead/bad"), &viewer).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text) }
    })
    .await;
    assert_eq!(served.post(&at("/dead/bad/replay"), &token, json!({})).await.json(200)["outcome"], "queued");
    eventually("the second dead letter", WITHIN, async || {
        let answer = served.get(&at("/dead"), &viewer).await.json(200);
        if answer["items"].as_array().unwrap().len() == 1 { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
    assert_eq!(served.delete(&at("/dead/bad"), &token).await.status, 204);
    served.delete(&at("/dead/bad"), &token).await.is("not-found");
    let actions = served.actions("acme", &token).await;
    for action in ["push", "job submit", "job cancel", "dead replay", "dead rm"] {
        assert!(actions.iter().any(|done| done == action), "{action}: {actions:?}");
    }
}

#[tokio::test]
async fn versions_schedules_queues_and_limits_are_steered_and_each_change_is_noted() {
    let served = Served::start(&[]);
    let (token, admin) = (served.token(Some("acme"), "operator"), served.token(Some("acme"), "admin"));
    served.known(&token).await;
    served.known(&admin).await;
    let _worker = served.worker();
    let at = |rest: &str| format!("/api/v1/tenants/acme{rest}");
    for number in [1, 2] {
        served.push("acme", &token, "", numbers(&[("answer", number)])).await.json(201);
    }
    let aliases = at("/tasks/answer/aliases/stable");
    served.put(&aliases, &token, json!({"targets": "9"})).await.is("not-found");
    let moved = served.put(&aliases, &token, json!({"targets": "90%@1,10%@2"})).await.json(200);
    assert_eq!((&moved["targets"], &moved["before"]), (&json!("90%@1,10%@2"), &json!("2")));
    assert_eq!(served.post(&format!("{aliases}/rollback"), &token, json!({})).await.json(200)["targets"], "2");
    served.delete(&at("/tasks/answer/versions/2"), &token).await.is("conflict");
    assert_eq!(served.delete(&at("/tasks/answer/versions/1"), &token).await.status, 204);
    served.post(&at("/tasks/answer/grants"), &token, json!({"allow": ["submit"]})).await.is("forbidden");
    let granted = served.post(&at("/tasks/answer/grants"), &admin, json!({"allow": ["submit"]})).await.json(200);
    assert_eq!(granted["grants"], json!(["submit"]));
    served.post(&at("/tasks/answer/grants"), &admin, json!({"allow": ["http=api.example.com"]})).await.is("conflict");

    let nightly = json!({"cron": "0 3 * * *", "zone": "Europe/Berlin", "job": {"task": "answer"}});
    served.put(&at("/schedules/nightly"), &token, json!({"job": {"task": "answer"}})).await.is("bad-body");
    assert_eq!(served.put(&at("/schedules/nightly"), &token, nightly.clone()).await.status, 201);
    assert_eq!(served.put(&at("/schedules/nightly"), &token, nightly).await.status, 200);
    let run = served.post(&at("/schedules/nightly/run"), &token, json!({})).await.json(201);
    let done = served.get(&at(&format!("/jobs/{}/wait", run["id"].as_str().unwrap())), &token).await.json(200);
    assert_eq!(done["outcome"], "completed");
    assert_eq!(served.post(&at("/schedules/nightly/pause"), &token, json!({})).await.json(200)["paused"], true);
    let shown = served.get(&at("/schedules/nightly"), &token).await.json(200);
    assert_eq!((&shown["next"], &shown["last_run"]), (&json!([]), &run["id"]));
    assert_eq!(served.post(&at("/schedules/nightly/resume"), &token, json!({})).await.json(200)["paused"], false);
    assert_eq!(served.delete(&at("/schedules/nightly"), &token).await.status, 204);

    assert_eq!(served.post(&at("/queues/default/pause"), &token, json!({"reason": "<b>"})).await.status, 200);
    served.post(&at("/jobs"), &token, json!({"task": "answer", "id": "held"})).await.json(201);
    let queues = served.get(&at("/queues"), &token).await.json(200);
    let queue = queues.as_array().unwrap().iter().find(|queue| queue["queue"] == "default").unwrap();
    assert_eq!((&queue["paused"], queue["oldest_ms"].is_u64()), (&json!(true), true), "{queues}");
    assert_eq!(served.get(&at("/pauses"), &token).await.json(200)[0]["reason"], "<b>");
    assert_eq!(served.post(&at("/queues/default/resume"), &token, json!({})).await.status, 200);
    assert_eq!(served.get(&at("/jobs/held/wait"), &token).await.json(200)["outcome"], "completed");
    assert_eq!(served.put(&at("/limits/task/answer"), &token, json!({"concurrency": 3})).await.status, 204);
    served.put(&at("/limits/task/answer"), &token, json!({})).await.is("bad-body");
    assert_eq!(served.get(&at("/limits"), &token).await.json(200)[0]["concurrency"], 3);
    assert_eq!(served.delete(&at("/limits/task/answer"), &token).await.status, 204);
    let actions = served.actions("acme", &token).await;
    for action in [
        "task promote",
        "task rollback",
        "task rm",
        "task allow",
        "schedule add",
        "schedule run",
        "schedule pause",
        "schedule resume",
        "schedule rm",
        "pause",
        "resume",
        "limit set",
        "limit rm",
    ] {
        assert!(actions.iter().any(|done| done == action), "{action}: {actions:?}");
    }
}

#[tokio::test]
async fn tenants_workers_and_tokens_are_managed_by_those_for_all() {
    let served = Served::start(&[]);
    let (admin, own) = (served.token(None, "admin"), served.token(Some("acme"), "admin"));
    served.known(&admin).await;
    served.known(&own).await;
    let _worker = served.worker();
    let added = served.post("/api/v1/tenants/fresh", &admin, json!({"weight": 2, "queued": 10})).await.json(201);
    assert_eq!((&added["weight"], &added["quota"]["queued"]), (&json!(2), &json!(10)));
    served.post("/api/v1/tenants/fresh", &admin, json!({})).await.is("conflict");
    served.post("/api/v1/tenants/zero", &admin, json!({"queued": 0})).await.is("bad-body");
    let changed =
        Answer::of(served.request(Method::PATCH, "/api/v1/tenants/fresh", &admin).json(&json!({"queued": null})));
    assert_eq!(changed.await.json(200)["quota"]["queued"], Value::Null);
    assert_eq!(served.get("/api/v1/tenants/fresh/usage", &admin).await.json(200)["tenant"], "fresh");
    assert_eq!(served.delete("/api/v1/tenants/fresh", &admin).await.status, 204);
    served.get("/api/v1/tenants/fresh", &admin).await.is("not-found");
    served.delete("/api/v1/tenants/default", &admin).await.is("conflict");

    let workers = served.get("/api/v1/workers", &admin).await.json(200);
    assert_eq!(workers[0]["name"], "worker");
    assert_eq!(served.post("/api/v1/workers/worker/quiet", &admin, json!({})).await.json(200)["mode"], "quiet");
    assert_eq!(served.post("/api/v1/workers/worker/resume", &admin, json!({})).await.json(200)["mode"], "running");
    served.post("/api/v1/workers/other/quiet", &admin, json!({})).await.is("not-found");

    let body = json!({"name": "ci", "role": "operator", "expires": "1h"});
    let made = served.post("/api/v1/tenants/acme/tokens", &own, body.clone()).await.json(201);
    let token = made["token"].as_str().unwrap();
    assert_eq!(served.known(token).await["name"], "acme.ci");
    served.post("/api/v1/tenants/acme/tokens", &own, body.clone()).await.is("conflict");
    served.post("/api/v1/tokens", &own, body).await.is("not-found");
    let listed = served.get("/api/v1/tenants/acme/tokens", &own).await;
    assert_eq!(listed.json(200).as_array().unwrap().len(), 2);
    assert!(!listed.text.contains(token) && !listed.text.contains("sha256"));
    assert_eq!(served.delete("/api/v1/tenants/acme/tokens/ci", &own).await.status, 204);
    served.gone(token).await;
    let actions = served.actions("acme", &own).await;
    assert!(["token add", "token rm"].iter().all(|action| actions.iter().any(|done| done == action)), "{actions:?}");
    let actions = served.actions("default", &admin).await;
    assert!(actions.iter().any(|done| done == "workers quiet"), "{actions:?}");
}

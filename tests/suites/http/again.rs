//! Requests that are sent again with the same idempotency key.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::Served;
use super::ground::Answer;
use crate::small::numbers;

impl Served {
    async fn keyed(&self, path: &str, (token, key): (&str, &str), body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path, token).header("idempotency-key", key).json(body)).await
    }
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_answered_as_the_first_time() {
    let served = Served::start(&[]);
    let (token, other) = (served.token(Some("acme"), "operator"), served.token(None, "operator"));
    served.known(&token).await;
    served.known(&other).await;
    served.push("acme", &token, "", numbers(&[("answer", 1)])).await.json(201);
    let jobs = "/api/v1/tenants/acme/jobs";
    let body = json!({"task": "answer"});
    let first = served.keyed(jobs, (&token, "k"), &body).await;
    let again = served.keyed(jobs, (&token, "k"), &body).await;
    assert_eq!((first.json(201), again.header("idempotency-replayed")), (again.json(201), "true"));
    served.keyed(jobs, (&token, "k"), &json!({"task": "answer", "tags": ["x"]})).await.is("idempotency-key-reused");
    // keys are of their caller
    assert_ne!(served.keyed(jobs, (&other, "k"), &body).await.json(201)["id"], first.json(201)["id"]);
    assert_ne!(served.keyed(jobs, (&token, "l"), &body).await.json(201)["id"], first.json(201)["id"]);
    served.keyed(jobs, (&token, &"k".repeat(256)), &body).await.is("bad-request");
    // a request that was refused did nothing, and may be mended
    served.keyed(jobs, (&token, "m"), &json!({"task": "nothing"})).await.is("not-found");
    served.keyed(jobs, (&token, "m"), &body).await.json(201);

    let many = json!({"jobs": [{"task": "answer"}, {"task": "nothing"}, {"task": "answer", "id": "mine"}]});
    let bulk = format!("{jobs}/bulk");
    let first = served.keyed(&bulk, (&token, "b"), &many).await.json(200);
    assert_eq!((&first["submitted"], &first["items"][1]["problem"]["code"]), (&json!(2), &json!("not-found")));
    assert_eq!(first["items"][2]["job"]["id"], "mine");
    assert_eq!(served.keyed(&bulk, (&token, "b"), &many).await.json(200), first);
}

#[tokio::test]
async fn twins_that_come_at_once_submit_one_job() {
    let served = Served::start(&["--rate", "1000"]);
    let token = served.token(Some("acme"), "operator");
    served.known(&token).await;
    served.push("acme", &token, "", numbers(&[("answer", 1)])).await.json(201);
    let (jobs, body) = ("/api/v1/tenants/acme/jobs", json!({"task": "answer"}));
    let twins = join_all((0..20).map(|_| served.keyed(jobs, (&token, "twin"), &body))).await;
    let mut ids: Vec<Value> = Vec::new();
    for twin in &twins {
        match twin.status.as_u16() {
            201 => ids.push(twin.json(201)["id"].clone()),
            _ => drop(twin.is("idempotency-key-in-use")),
        }
    }
    assert!(!ids.is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let listed = served.get(jobs, &token).await.json(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
}

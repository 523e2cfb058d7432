//! Server-sent events.

use futures::StreamExt;
use lovage_tests::{WITHIN, eventually};
use reqwest::{Method, Response};
use serde_json::json;

use super::Served;
use crate::small::numbers;

impl Served {
    async fn stream(&self, path: &str, token: &str) -> Response {
        let response = self.request(Method::GET, path, token).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response
    }
}

/// Reads a stream until it holds a text, or to its end.
async fn reads(stream: &mut (impl StreamExt<Item = reqwest::Result<bytes::Bytes>> + Unpin), until: &str) -> String {
    let mut said = String::new();
    let read = async {
        while !said.contains(until) {
            let Some(Ok(bytes)) = stream.next().await else { break };
            said.push_str(&String::from_utf8_lossy(&bytes));
        }
    };
    tokio::time::timeout(WITHIN, read).await.expect("the stream says so in time");
    said
}

#[tokio::test]
async fn events_are_streamed_to_those_who_may_see_them_until_their_token_goes() {
    let served = Served::start(&["--streams", "2"]);
    let (token, viewer) = (served.token(Some("acme"), "operator"), served.token(Some("acme"), "viewer"));
    served.known(&token).await;
    served.known(&viewer).await;
    let _worker = served.worker();
    served.push("acme", &token, "", numbers(&[("answer", 1)])).await.json(201);
    let events = "/api/v1/tenants/acme/events";
    let mut all = served.stream(events, &viewer).await.bytes_stream();
    let mut one = served.stream(&format!("{events}?job=second"), &viewer).await.bytes_stream();
    assert!(reads(&mut all, "open").await.contains(": open"));
    reads(&mut one, "open").await;
    served.get(events, &viewer).await.is("too-many-at-once");
    for id in ["first", "second"] {
        served.post("/api/v1/tenants/acme/jobs", &token, json!({"task": "answer", "id": id})).await.json(201);
        served.get(&format!("/api/v1/tenants/acme/jobs/{id}/wait"), &token).await.json(200);
    }
    let said = reads(&mut all, r#""id":"second","#).await;
    assert!(said.contains("event: finished") && said.contains(r#""id":"first","#), "{said}");
    let said = reads(&mut one, "event: finished").await;
    assert!(!said.contains("first"), "{said}");
    served.get("/api/v1/tenants/acme/jobs/first/logs/stream", &viewer).await.is("forbidden");
    served.cli.clone().tenant("acme").ok(["token", "rm", "tviewer"]);
    reads(&mut all, "never said").await;
    // what a stream that ended counted is free again
    drop((all, one));
    let token = served.token(Some("acme"), "viewer");
    eventually("a stream", WITHIN, async || {
        let answer = served.request(Method::GET, events, &token).send().await.unwrap();
        if answer.status() == 200 { Ok(()) } else { Err(answer.status()) }
    })
    .await;
}

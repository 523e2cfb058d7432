//! The history behind the API: where there is none, and where its database does not answer.

use std::net::TcpListener;

use serde_json::json;

use super::Served;
use crate::small::numbers;

#[tokio::test]
async fn without_a_history_live_jobs_are_listed_and_searches_are_refused() {
    let served = Served::start(&[]);
    let token = served.token(Some("acme"), "operator");
    served.known(&token).await;
    let at = |rest: &str| format!("/api/v1/tenants/acme{rest}");
    assert_eq!(served.get(&at("/jobs"), &token).await.json(200), json!({"items": []}));
    for path in ["/jobs?worker=w", "/jobs?error_text=%27%3B--", "/jobs?after=f1.acme.x", "/series", "/breakdown"] {
        served.get(&at(path), &token).await.is("history-unavailable");
    }
    served.get(&at("/jobs?state=queued&worker=w"), &token).await.is("bad-request");
    for path in ["/series?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "/breakdown?by=weather"] {
        served.get(&at(path), &token).await.is("bad-request");
    }
}

#[tokio::test]
async fn a_database_that_does_not_answer_keeps_nothing_else_from_being_served() {
    // it takes connections and never says a word
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://lovage@{}/lovage", mute.local_addr().unwrap());
    let served = Served::start(&["--history", &url]);
    let token = served.token(Some("acme"), "operator");
    served.known(&token).await;
    let at = |rest: &str| format!("/api/v1/tenants/acme{rest}");
    served.push("acme", &token, "", numbers(&[("answer", 1)])).await.json(201);
    served.post(&at("/jobs"), &token, json!({"task": "answer", "id": "one"})).await.json(201);
    let answer = served.get(&at("/jobs?outcome=completed"), &token).await;
    answer.is("history-unavailable");
    assert_eq!(answer.header("retry-after"), "3");
    assert!(!answer.text.contains("postgres"), "{answer:?}");
    assert_eq!(served.get(&at("/jobs/one"), &token).await.json(200)["state"], "queued");
    assert_eq!(served.get(&at("/jobs?state=queued"), &token).await.json(200)["items"][0]["id"], "one");
}

#[tokio::test]
async fn lists_go_on_from_live_jobs_to_those_that_ended() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("history.db").display());
    let served = Served::start(&["--history", &url]);
    let token = served.token(Some("acme"), "operator");
    served.known(&token).await;
    let at = |rest: &str| format!("/api/v1/tenants/acme{rest}");
    served.push("acme", &token, "", numbers(&[("answer", 1)])).await.json(201);
    served.post(&at("/jobs"), &token, json!({"task": "answer", "id": "live"})).await.json(201);
    let page = served.get(&at("/jobs"), &token).await.json(200);
    assert_eq!((&page["items"][0]["id"], page["next"].is_null()), (&json!("live"), true), "{page}");
    assert_eq!(served.get(&at("/jobs?error_text=%27%20OR%201=1%20--"), &token).await.json(200)["items"], json!([]));
    served.get(&at("/jobs?after=%27%20OR%201=1%20--"), &token).await.is("bad-cursor");
    assert!(served.get(&at("/series"), &token).await.json(200).is_array());
    served.get(&at("/series?step=90s"), &token).await.is("bad-request");
    assert_eq!(served.get(&at("/breakdown?by=outcome"), &token).await.json(200), json!([]));
}

//! Who sees what on the console: nobody without a token, viewers no payloads and no buttons, and a tenant's own alone.

use lovage_client::{JobState, NewJob};
use reqwest::Method;
use serde_json::json;

use crate::console_ground::{desk, ratio};
use crate::http::Served;
use crate::small::wasm;

/// A page as a browser asks for it, with its status.
async fn page(served: &Served, path: &str, token: &str) -> (u16, String) {
    let answer = served.request(Method::GET, path, token).header("accept", "text/html").send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sees_what_their_token_opens() {
    let served = Served::start(&[]);
    let file = served.nats.folder().join("ratio.wasm");
    std::fs::write(&file, wasm(&ratio(true, "by zero"))).unwrap();
    served.cli.ok(["push", file.to_str().unwrap()]);
    let client = lovage_client::Client::new(served.nats.connect().await, "default".parse().unwrap());
    let job = NewJob::json("ratio".parse().unwrap(), &json!({"by": 424_242})).unwrap();
    let id = client.submit(job).await.unwrap().id;
    let place = format!("/jobs/default/{id}");

    let operator = served.token(Some("default"), "operator");
    let viewer = served.token(Some("default"), "viewer");
    let other = served.token(Some("acme"), "operator");
    let (status, text) = page(&served, &place, &operator).await;
    assert!(status == 200 && text.contains("424242") && text.contains("/cancel"), "{status} {text}");
    for path in
        [place.as_str(), "/", "/jobs", "/tasks", "/tasks/default/ratio", "/queues", "/schedules", "/dead", "/tenants"]
    {
        let (status, text) = page(&served, path, &viewer).await;
        assert!(status == 200 && !text.contains("424242"), "{path}: {status}\n{text}");
        for button in ["name=\"act\"", "data-confirm=", "/submit\"", "/pause\"", "multipart"] {
            assert!(!text.contains(button), "{path} offers {button}");
        }
    }
    for (path, wanted) in [("/workers", 404), ("/audit", 403)] {
        assert_eq!(page(&served, path, &viewer).await.0, wanted, "{path}");
    }
    for path in [place.as_str(), "/tasks/default/ratio", "/jobs?tenant=default", "/?tenant=default"] {
        let (status, text) = page(&served, path, &other).await;
        assert!(status == 404 && !text.contains("424242"), "{path}: {status}");
    }
    for path in [place.as_str(), "/", "/audit"] {
        assert_eq!(page(&served, path, "").await.0, 303, "{path}");
    }

    // what is sent all the same is refused, and nothing is done
    for token in [&viewer, &other] {
        let request = served.request(Method::POST, &format!("{place}/cancel"), token).header("accept", "text/html");
        let status = request.header("sec-fetch-site", "same-origin").send().await.unwrap().status().as_u16();
        assert!(status == 303 || status == 404, "{status}");
    }
    assert!(matches!(client.find(&id).await.unwrap(), JobState::Queued { .. }), "it still waits");

    // and by hand, in a browser
    let (browser, tab) = desk().await;
    tab.open(&format!("{}{place}", served.url)).await;
    tab.at("/login").await;
    tab.fill("input[name=token]", &viewer).await;
    tab.picture("login").await;
    tab.click("button.main").await;
    tab.shows("viewer").await;
    tab.open(&format!("{}{place}", served.url)).await;
    tab.shows("Your role does not see payloads").await;
    tab.click("form[action='/logout'] button").await;
    tab.at("/login").await;
    tab.is_clean(&served.url);
    browser.close().await;
}

//! Requests that browsers send for pages of other sites, and `lovage dev`, which asks for no token.

use lovage_tests::{Nats, Process, WITHIN, eventually_blocking};
use reqwest::Method;
use serde_json::Value;

use super::Served;
use super::ground::Answer;

/// Starts `lovage dev`; tells where it answers.
fn dev(folder: &std::path::Path) -> (Process, String) {
    let dir = folder.join("dev");
    let server = &Nats::binary().path;
    let args = ["dev", "--json", "--port", "0", "--dir", dir.to_str().unwrap()];
    let process = Process::lovage("dev", args, |command| {
        command.env("LOVAGE_NATS_SERVER", server);
    })
    .ends_in_order();
    let told = eventually_blocking("dev to listen", WITHIN, || {
        let told: Result<Value, _> = serde_json::from_str(&process.stdout());
        told.map_err(|error| error.to_string())
    });
    (process, told["http"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn dev_lets_this_machine_in_and_no_page_of_another_site() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, url) = dev(folder.path());
    let http = reqwest::Client::new();
    let me = |headers: &[(&str, &str)]| {
        let request = http.get(format!("{url}/api/v1/me"));
        Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    };
    assert_eq!(me(&[]).await.json(200)["role"], "admin");
    assert_eq!(me(&[("sec-fetch-site", "same-origin")]).await.json(200)["name"], "dev");
    me(&[("host", "rebound.example")]).await.is("wrong-host");
    for site in ["cross-site", "same-site"] {
        me(&[("sec-fetch-site", site)]).await.is("cross-site");
    }
    me(&[("origin", "http://evil.example")]).await.is("cross-site");
    me(&[("authorization", "Bearer lvg_x")]).await.is("unauthenticated");
    process.sigint();
    assert_eq!(process.wait(WITHIN).code(), Some(0));
}

#[tokio::test]
async fn a_token_in_a_page_of_another_site_is_refused() {
    let served = Served::start(&[]);
    let token = served.token(None, "admin");
    served.known(&token).await;
    let ask = |headers: &[(&str, &str)]| {
        let request = served.request(Method::GET, "/api/v1/me", &token);
        Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    };
    ask(&[("origin", "https://evil.example")]).await.is("cross-site");
    ask(&[("sec-fetch-site", "cross-site")]).await.is("cross-site");
    assert_eq!(ask(&[("sec-fetch-site", "same-origin")]).await.status, 200);
    let preflight =
        Answer::of(served.request(Method::OPTIONS, "/api/v1/me", "").header("origin", "https://evil.example")).await;
    preflight.is("cross-site");
    assert!(preflight.header("access-control-allow-origin").is_empty());
}

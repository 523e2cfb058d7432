//! Where the server listens, and who is let in.

use lovage_tests::{Process, WITHIN, eventually};
use reqwest::Method;
use serde_json::json;

use super::Served;
use super::ground::Answer;

#[tokio::test]
async fn what_leaves_this_machine_needs_tokens_and_tls() {
    let served = Served::start(&[]);
    let url = served.nats.url();
    let refused = |args: &[&str], word: &str| {
        let all = ["serve", "--server", &url].into_iter().chain(args.iter().copied());
        let told = served.cli.run(all).fails_with(2).stderr;
        assert!(told.contains(word), "{word}: {told}");
    };
    refused(&["--http", "0.0.0.0:0"], "--tls-cert");
    refused(&["--http", "[::]:0"], "--tls-cert");
    refused(&["--http", "0.0.0.0:0", "--behind-proxy"], "lovage token add");
    served.token(None, "viewer");
    let args = ["serve", "--json", "--server", &url, "--http", "0.0.0.0:0", "--behind-proxy"];
    let mut process = Process::lovage("serve", args, |_| {});
    eventually("serve to listen", WITHIN, async || {
        let said = process.stdout();
        if said.contains("http://0.0.0.0:") { Ok(()) } else { Err(said) }
    })
    .await;
    process.sigterm();
    assert_eq!(process.wait(WITHIN).code(), Some(0));
}

#[tokio::test]
async fn nobody_is_let_in_without_a_valid_token() {
    let served = Served::start(&[]);
    assert_eq!(served.get("/livez", "").await.text, "ok\n");
    assert_eq!(served.get("/readyz", "").await.text, "ok\n");
    let answer = served.get("/api/v1/me", "").await;
    answer.is("unauthenticated");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"lovage\"");
    for token in ["x", "lvg_", &format!("lvg_{}", "A".repeat(43)), &"x".repeat(5_000)] {
        served.get("/api/v1/me", token).await.is("unauthenticated");
    }
    let token = served.token(Some("acme"), "operator");
    let me = served.known(&token).await;
    assert_eq!(me, json!({"name": "acme.toperator", "tenant": "acme", "role": "operator"}));
    for header in ["nosniff", "no-referrer", "default-src 'none'", "DENY", "no-store"] {
        let answer = served.get("/api/v1/me", &token).await;
        assert!(answer.headers.values().any(|value| value.to_str().unwrap().contains(header)), "{header}: {answer:?}");
    }
    served.cli.clone().tenant("acme").ok(["token", "rm", "toperator"]);
    served.gone(&token).await;
}

#[tokio::test]
async fn a_token_expires() {
    let served = Served::start(&[]);
    let token = served.token_for(None, "admin", &["--expires", "2s"]);
    served.known(&token).await;
    served.gone(&token).await;
}

#[tokio::test]
async fn a_session_opens_what_its_token_does_until_it_ends() {
    let served = Served::start(&[]);
    let token = served.token(Some("acme"), "viewer");
    served.known(&token).await;
    let login = |token: &str| {
        let form = format!("token={token}");
        let request = served.request(Method::POST, "/login", "").header("origin", &served.url);
        Answer::of(request.header("content-type", "application/x-www-form-urlencoded").body(form))
    };
    login("lvg_x").await.is("unauthenticated");
    let answer = login(&token).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"));
    let cookie = answer.header("set-cookie").to_owned();
    for part in ["lovage_session=lvg_", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains(&token));
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = |method, path: &str| served.request(method, path, "").header("cookie", &cookie);
    let me = Answer::of(with(Method::GET, "/api/v1/me")).await.json(200);
    assert_eq!(me["name"], "acme.tviewer");
    // a page of another site cannot end it
    Answer::of(with(Method::POST, "/logout").header("sec-fetch-site", "cross-site")).await.is("cross-site");
    Answer::of(with(Method::POST, "/logout")).await.is("cross-site");
    let out = Answer::of(with(Method::POST, "/logout").header("sec-fetch-site", "same-origin")).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    eventually("the session to end", WITHIN, async || {
        let answer = Answer::of(with(Method::GET, "/api/v1/me")).await;
        if answer.status == 401 { Ok(()) } else { Err(answer.text) }
    })
    .await;
}

impl Served {
    /// Waits until the server knows a token, and tells whose it is.
    pub async fn known(&self, token: &str) -> serde_json::Value {
        let known = async || {
            let answer = self.get("/api/v1/me", token).await;
            if answer.status == 200 { Ok(answer.json(200)) } else { Err(answer.text) }
        };
        eventually("the server to know the token", WITHIN, known).await
    }

    /// Waits until the server refuses a token.
    pub async fn gone(&self, token: &str) {
        let gone = async || {
            let answer = self.get("/api/v1/me", token).await;
            if answer.status == 401 { Ok(()) } else { Err(answer.text) }
        };
        eventually("the server to refuse the token", WITHIN, gone).await;
    }
}

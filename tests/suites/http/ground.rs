//! A server with its tokens, and requests to it.

use std::net::SocketAddr;
use std::time::Duration;

use lovage_tests::{Cli, Nats, Process, WITHIN, cli, eventually_blocking, shared_cache};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// A `lovage serve` and the nats-server behind it.
pub struct Served {
    pub nats: Nats,
    pub cli: Cli,
    pub url: String,
    pub http: Client,
    // ended, and its last words told, with the test
    _process: Process,
}

/// What an answer was.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Served {
    /// Starts both, with a tenant `acme` beside `default`.
    pub fn start(args: &[&str]) -> Self {
        let nats = Nats::start();
        let cli = cli(&nats);
        cli.ok(["tenant", "add", "acme"]);
        Self::beside(nats, cli, args)
    }

    /// Starts a server beside a broker.
    pub fn beside(nats: Nats, cli: Cli, args: &[&str]) -> Self {
        let (process, url) = serve(&nats, args);
        let http = Client::builder().timeout(Duration::from_secs(90)).redirect(reqwest::redirect::Policy::none());
        Self { nats, cli, url, http: http.build().unwrap(), _process: process }
    }

    pub fn address(&self) -> SocketAddr {
        self.url.split_once("://").unwrap().1.parse().unwrap()
    }

    /// Makes a token; `tenant` is none for all.
    #[track_caller]
    pub fn token(&self, tenant: Option<&str>, role: &str) -> String {
        self.token_for(tenant, role, &[])
    }

    #[track_caller]
    pub fn token_for(&self, tenant: Option<&str>, role: &str, more: &[&str]) -> String {
        let name = format!("t{}", more.iter().chain([&role]).map(|part| part.trim_matches('-')).collect::<String>());
        let mut args = vec!["token", "add", &name, "--role", role];
        if tenant.is_none() {
            args.push("--all");
        }
        args.extend(more);
        let made = self.cli.clone().tenant(tenant.unwrap_or("default")).json(&args);
        made["token"].as_str().unwrap().to_owned()
    }

    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        Answer::of(self.request(Method::GET, path, token)).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path, token).json(&body)).await
    }

    pub async fn put(&self, path: &str, token: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PUT, path, token).json(&body)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path, token)).await
    }
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap_or_else(|error| panic!("{error:?}"));
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap_or_else(|error| panic!("{error:?}"));
        Self { status, headers, text }
    }

    /// The body, of an answer with this status.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Fails the test unless it is this problem, with all that belongs to one.
    #[track_caller]
    pub fn is(&self, code: &str) -> Value {
        let body: Value = serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no problem: {self:?}"));
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(body["status"], json!(self.status.as_u16()), "{self:?}");
        assert_eq!(body["type"], format!("urn:lovage:problem:{code}"));
        assert_eq!(self.header("content-type"), "application/problem+json");
        body
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// Starts `lovage serve` on a free port, and waits until it answers.
#[track_caller]
fn serve(nats: &Nats, args: &[&str]) -> (Process, String) {
    let mut all = vec!["serve", "--json", "--http", "127.0.0.1:0"];
    let url = nats.url();
    all.extend(["--server", &url]);
    all.extend(args);
    let cache = shared_cache();
    let mut process = Process::lovage("serve", &all, |command| {
        command.env("LOVAGE_CACHE", cache);
    });
    let url = eventually_blocking("serve to listen", WITHIN, || {
        assert!(process.ended().is_none(), "serve ended: {}", process.stderr());
        let said = process.stdout();
        let told: Value =
            serde_json::from_str(said.lines().next().unwrap_or_default()).map_err(|error| error.to_string())?;
        told["url"].as_str().map(str::to_owned).ok_or(said)
    });
    (process, url)
}

//! What the suites of the console stand on: `lovage dev` with its page, and a browser that looks at it.

use std::path::PathBuf;

use lovage_client::{Client, ConnectOptions};
use lovage_tests::{Browser, Cli, Process, Tab, WITHIN, eventually, shared_cache};
use serde_json::Value;
use tempfile::TempDir;

use crate::small::{tenant, wasm};

/// A screen on a desk, and one in a hand.
pub const DESK: (u32, u32) = (1280, 900);
pub const PHONE: (u32, u32) = (360, 740);

/// `lovage dev`, with a broker, a worker, and the console.
pub struct Dev {
    _process: Process,
    folder: TempDir,
    pub url: String,
    pub cli: Cli,
    pub client: Client,
}

impl Dev {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("dev");
        let args = ["dev", "--port", "0", "--http", "127.0.0.1:0", "--json", "--dir", dir.to_str().unwrap()];
        let process = Process::lovage("lovage dev", args, |command| {
            command.env("LOVAGE_CACHE", shared_cache());
        })
        .ends_in_order();
        let told = eventually("lovage dev to be ready", WITHIN, async || {
            let said = process.stdout();
            serde_json::from_str::<Value>(&said).map_err(|_| format!("{said} {}", process.stderr()))
        })
        .await;
        let (url, servers) = (told["http"].as_str().unwrap().to_owned(), told["url"].as_str().unwrap().to_owned());
        let cli = Cli::without_server().env("NATS_URL", &servers);
        let connect = ConnectOptions { servers, ..ConnectOptions::default() };
        let client = Client::connect(&connect, tenant("default")).await.unwrap();
        Self { _process: process, folder, url, cli, client }
    }

    /// The address of a page.
    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A file to be uploaded.
    pub fn component(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, wasm(text)).unwrap();
        path
    }

    /// Uploads a component through the page, by choosing its file.
    pub async fn upload(&self, tab: &Tab, file: &std::path::Path) {
        tab.open(&self.page("/tasks")).await;
        tab.drop_file(".drop", file).await;
        tab.shows("uploaded: ").await;
    }
}

/// A browser with a tab on a desk.
pub async fn desk() -> (Browser, Tab) {
    let browser = Browser::start().await;
    let tab = browser.tab(DESK.0, DESK.1).await;
    (browser, tab)
}

/// A task `ratio` that divides 100; the first version fails where it would divide by zero, and says `message`.
pub fn ratio(fails: bool, message: &str) -> String {
    let length = message.len();
    let zero = if fails {
        format!(
            "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 64)) \
             (i32.store (i32.const 8) (i32.const {length}))"
        )
    } else {
        "(i32.store8 (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 0))".to_owned()
    };
    let data = message.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (func (export "ratio") (param i32) (result i32)
                    (if (i32.eqz (local.get 0))
                        (then {zero})
                        (else
                            (i32.store8 (i32.const 0) (i32.const 0))
                            (i32.store (i32.const 4) (i32.div_u (i32.const 100) (local.get 0)))))
                    (i32.const 0))
                (data (i32.const 64) "{data}"))
            (core instance $i (instantiate $m))
            (alias core export $i "memory" (core memory $mem))
            (func (export "ratio") (param "by" u32) (result (result u32 (error string)))
                (canon lift (core func $i "ratio") (memory $mem))))"#
    )
}

/// A task `slow` that keeps a core busy for some seconds.
pub fn slow(seconds: u32) -> String {
    let rounds = u64::from(seconds) * 500_000_000;
    format!(
        r#"(component
            (core module $m (func (export "f") (local $left i64)
                (local.set $left (i64.const {rounds}))
                (loop $again
                    (local.set $left (i64.sub (local.get $left) (i64.const 1)))
                    (br_if $again (i64.ne (local.get $left) (i64.const 0))))))
            (core instance $i (instantiate $m))
            (func (export "slow") (canon lift (core func $i "f"))))"#
    )
}

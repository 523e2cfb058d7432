//! A server that keeps tenants apart, one way or the other, with a worker.

use crate::small::numbers;
use async_nats::ConnectOptions;
use lovage::access::{secret, users};
use lovage_client::{Client, Credentials};
use lovage_tests::{Cli, Nats, WITHIN, Worker, cli, eventually, shared_cache};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PASSWORD: &str = "the operator's";

/// How tenants are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Shared,
    Accounts,
}

pub struct Ground {
    pub mode: Mode,
    pub nats: Nats,
    _worker: Worker,
    folder: TempDir,
}

impl Ground {
    pub fn new(mode: Mode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nats = match mode {
            Mode::Shared => Nats::start_with(|options| {
                let hash = secret::hash(PASSWORD, 4).unwrap();
                let operator = users::OperatorUser { user: "op".into(), password_hash: hash, open: false };
                fs::create_dir_all(&options.store_dir).unwrap();
                users::write(&options.store_dir.join("users.conf"), &users::render(&operator, []).unwrap()).unwrap();
                options.extra = "include \"users.conf\"".to_owned();
            }),
            Mode::Accounts => {
                let dir = folder.path().join("operator");
                Cli::without_server().ok(["operator", "init", "--dir", dir.to_str().unwrap()]);
                let part = fs::read_to_string(dir.join("operator.conf")).unwrap();
                Nats::start_with(|options| options.extra = part)
            }
        };
        let worker = Worker::of(&nats).cache_dir(shared_cache());
        let worker = operators_variables(mode, folder.path())
            .iter()
            .fold(worker, |worker, (name, value)| worker.env(name, value));
        Self { mode, _worker: worker.start(), nats, folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn operator_cli(&self) -> Cli {
        let variables = operators_variables(self.mode, self.folder.path());
        variables.iter().fold(cli(&self.nats), |cli, (name, value)| cli.env(name, value))
    }

    /// Runs a command about tenants that reaches the server, and returns what it printed.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        if matches!(args[1].as_str(), "add" | "rm" | "creds" | "revoke") {
            match self.mode {
                Mode::Shared => {
                    let store = self.nats.folder().join("store");
                    let file = |name: &str| store.join(name).display().to_string();
                    args.extend(["--server-config".into(), file("users.conf")]);
                    args.extend(["--server-pid".into(), file("nats-server.pid")]);
                }
                Mode::Accounts => {
                    let dir = self.folder.path().join("operator").display().to_string();
                    args.extend(["--operator-dir".into(), dir]);
                }
            }
        }
        self.operator_cli().json(args)
    }

    /// Adds a tenant and returns its credentials.
    pub fn add(&self, tenant: &str, more: &[&str]) -> Value {
        let account: &[&str] = if self.mode == Mode::Accounts { &["--account"] } else { &[] };
        let added = self.json(&[&["tenant", "add", tenant], account, more].concat());
        assert_eq!((&added["tenant"], &added["live"]), (&Value::from(tenant), &Value::from(true)), "{added}");
        added
    }

    /// Pushes a task that answers 42.
    pub fn push(&self, tenant: &str) {
        let file = self.folder.path().join(format!("{tenant}.wasm"));
        fs::write(&file, numbers(&[("answer", 42)])).unwrap();
        self.operator_cli().tenant(tenant).ok(["push", file.to_str().unwrap()]);
    }

    /// Gives a tenant something of each kind.
    pub async fn fill(&self, creds: &Value) {
        let tenant = creds["tenant"].as_str().unwrap();
        self.push(tenant);
        let cli = self.cli(creds);
        assert_eq!(cli.ok(["submit", "answer", "--id", "done", "--wait"]).trim(), "42");
        cli.ok(["submit", "answer", "--id", "later", "--delay", "1d"]);
        cli.ok(["submit", "answer", "--id", "idle", "--queue", "attic"]);
        let operator = self.operator_cli().tenant(tenant);
        operator.ok(["submit", "answer", "--unique", "k", "--delay", "1d"]);
        operator.ok(["pause", "queue", "cellar"]);
        let _ended = cli.run(["submit", "nothing", "--id", "dead", "--wait"]).fails_with(1);
    }

    /// The command line with a tenant's credentials.
    pub fn cli(&self, creds: &Value) -> Cli {
        let text = |name: &str| creds[name].as_str().unwrap();
        let cli = cli(&self.nats).tenant(text("tenant")).env("NATS_INBOX_PREFIX", text("inbox_prefix"));
        match self.mode {
            Mode::Shared => cli.env("NATS_USER", text("user")).env("NATS_PASSWORD", text("password")),
            Mode::Accounts => cli.env("NATS_CREDS", text("creds_file")),
        }
    }

    /// The client with a tenant's credentials.
    pub async fn client(&self, creds: &Value) -> Client {
        let text = |name: &str| creds[name].as_str().unwrap().to_owned();
        let credentials = match self.mode {
            Mode::Shared => Credentials::UserPassword { user: text("user"), password: text("password") },
            Mode::Accounts => Credentials::CredsFile(PathBuf::from(text("creds_file"))),
        };
        let options = lovage_client::ConnectOptions {
            servers: self.nats.url(),
            credentials,
            inbox_prefix: Some(text("inbox_prefix")),
            ..Default::default()
        };
        Client::connect(&options, text("tenant").parse().unwrap()).await.unwrap()
    }

    /// Options to connect with a tenant's credentials as any NATS client would.
    pub fn options(&self, creds: &Value) -> ConnectOptions {
        let text = |name: &str| creds[name].as_str().unwrap().to_owned();
        let options = match self.mode {
            Mode::Shared => ConnectOptions::with_user_and_password(text("user"), text("password")),
            Mode::Accounts => ConnectOptions::with_credentials(&text("creds")).unwrap(),
        };
        options.custom_inbox_prefix(text("inbox_prefix"))
    }

    pub async fn connect(&self, creds: &Value) -> Result<async_nats::Client, async_nats::ConnectError> {
        self.options(creds).connect(self.nats.url()).await
    }

    /// Connects as the operator.
    pub async fn operator(&self) -> async_nats::Client {
        let options = match self.mode {
            Mode::Shared => ConnectOptions::with_user_and_password("op".into(), PASSWORD.into()),
            Mode::Accounts => {
                let file = self.folder.path().join("operator/operator.creds");
                ConnectOptions::with_credentials_file(file).await.unwrap()
            }
        };
        options.connect(self.nats.url()).await.unwrap()
    }

    pub async fn knows(&self, creds: &Value) -> bool {
        self.connect(creds).await.is_ok()
    }

    /// Waits until credentials are refused.
    pub async fn forgets(&self, creds: &Value) {
        let probe = async || if self.knows(creds).await { Err("they open the server") } else { Ok(()) };
        eventually("credentials to be refused", WITHIN, probe).await;
    }
}

fn operators_variables(mode: Mode, folder: &Path) -> Vec<(&'static str, String)> {
    match mode {
        Mode::Shared => vec![("NATS_USER", "op".to_owned()), ("NATS_PASSWORD", PASSWORD.to_owned())],
        Mode::Accounts => vec![("NATS_CREDS", folder.join("operator/operator.creds").display().to_string())],
    }
}

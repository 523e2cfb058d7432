//! Small components, made from text, for suites that need tasks of their own at once.

use std::{fs, path::PathBuf};

use lovage_client::{Client, NewJob};
use lovage_job::{name::TenantName, result::JobResult};
use lovage_tests::{Cli, Nats, WITHIN, cli};
use tempfile::TempDir;

/// Rounds of a loop that keep a guest busy for about a millisecond; the same number of instructions everywhere.
const ROUNDS_PER_MS: u32 = 500_000;

/// A server, a command line for it, and a folder for what is pushed.
pub struct Ground {
    pub nats: Nats,
    pub cli: Cli,
    folder: TempDir,
}

impl Ground {
    pub fn new() -> Self {
        let nats = Nats::start();
        Self { cli: cli(&nats), nats, folder: tempfile::tempdir().unwrap() }
    }

    /// Puts bytes into a file to be pushed.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Pushes a component for a tenant, which must succeed.
    #[track_caller]
    pub fn push(&self, tenant: &str, component: &[u8], options: &[&str]) {
        let file = self.file("task.wasm", component);
        let args = ["push", file.to_str().unwrap()];
        self.cli.clone().tenant(tenant).ok(args.iter().chain(options));
    }

    /// Connects as a client of a tenant.
    pub async fn client(&self, tenant: &str) -> Client {
        Client::new(self.nats.connect().await, self::tenant(tenant))
    }
}

/// A component with a function without parameters for each name; each gives its number.
pub fn numbers(functions: &[(&str, u32)]) -> Vec<u8> {
    let core = |(name, number): &(&str, u32)| format!(r#"(func (export "{name}") (result i32) (i32.const {number}))"#);
    let lift = |(name, _): &(&str, u32)| {
        format!(r#"(func (export "{name}") (result u32) (canon lift (core func $i "{name}")))"#)
    };
    let (cores, lifts): (String, String) = (functions.iter().map(core).collect(), functions.iter().map(lift).collect());
    wasm(&format!("(component (core module $m {cores}) (core instance $i (instantiate $m)) {lifts})"))
}

/// A component whose function `name` keeps a core busy for about so long.
pub fn busy(name: &str, ms: u32) -> Vec<u8> {
    let rounds = ms * ROUNDS_PER_MS;
    wasm(&format!(
        r#"(component
            (core module $m (func (export "f") (local $left i32)
                (local.set $left (i32.const {rounds}))
                (loop $again
                    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
            (core instance $i (instantiate $m))
            (func (export "{name}") (canon lift (core func $i "f"))))"#
    ))
}

/// Translates text to bytes.
pub fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A job without input.
pub fn job(task: &str) -> NewJob {
    NewJob::new(task.parse().unwrap(), "")
}

/// Submits a job and waits for its end.
pub async fn run(client: &Client, job: NewJob) -> JobResult {
    let id = client.submit(job).await.unwrap_or_else(|error| panic!("{error}")).id;
    client.wait(&id, Some(WITHIN)).await.unwrap_or_else(|error| panic!("{error}"))
}

/// What a job of `numbers` gave.
#[track_caller]
pub fn number(result: &JobResult) -> u32 {
    serde_json::from_slice(&result.body).unwrap_or_else(|error| panic!("{error}: {result:?}"))
}

pub fn tenant(name: &str) -> TenantName {
    name.parse().unwrap()
}

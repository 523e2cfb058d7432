//! One server, one worker and every example task, shared by all tests of this process that do not disturb each other:
//! each has jobs, tasks or queues of its own.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    thread,
};

use crate::{Cli, Jobs, Nats, Worker, guest, keeper};

/// Instructions of version `lean` of the task `spin`: few, so that it ends soon.
pub const LEAN_FUEL: u64 = 50_000_000;

static STAGE: LazyLock<Stage> = LazyLock::new(Stage::set);

/// What is shared.
#[derive(Debug)]
pub struct Stage {
    pub nats: Nats,
    pub cli: Cli,
    worker: Mutex<Worker>,
}

/// One test's hold on the stage; the worker's last words are printed where the test fails.
#[derive(Debug)]
pub struct Seat {
    pub stage: &'static Stage,
    pub jobs: Jobs,
}

impl Stage {
    /// Takes a seat; the first one waits until everything is set.
    pub async fn seat() -> Seat {
        let stage: &Self = tokio::task::spawn_blocking(|| &*STAGE).await.expect("the stage is set");
        Seat { stage, jobs: Jobs::of(&stage.nats).await }
    }

    /// Returns a further worker's set-up on the same server and cache.
    #[must_use]
    pub fn worker(&self, name: &str) -> crate::WorkerSetup {
        Worker::of(&self.nats).name(name).cache_dir(keeper::shared_cache())
    }

    /// Fails the test unless the worker that serves queue `default` is still the one that was started.
    #[track_caller]
    pub fn worker_lives(&self) {
        let ended = self.worker.lock().unwrap_or_else(PoisonError::into_inner).ended();
        assert!(ended.is_none(), "the worker ended: {ended:?}");
    }

    fn set() -> Self {
        keeper::run_folder();
        let mut nats = Nats::start();
        keeper::end_with_this_process(nats.running().pid());
        let cli = cli(&nats);
        push_all(&cli);
        let worker = Worker::of(&nats).concurrency(12).cache_dir(keeper::shared_cache()).start();
        keeper::end_with_this_process(worker.pid());
        Self { nats, cli, worker: Mutex::new(worker) }
    }
}

/// Returns a command line for this server that compiles into the shared cache.
#[must_use]
pub fn cli(nats: &Nats) -> Cli {
    let cache = keeper::shared_cache();
    Cli::of(nats).env("LOVAGE_CACHE", cache.to_str().expect("a temporary folder has a plain name"))
}

fn push_all(cli: &Cli) {
    let guests =
        ["aggregate", "calculator", "hostile", "http-echo", "markdown", "sha256", "thumbnail", "wc", "word-stats"];
    let (left, right) = guests.split_at(guests.len() / 2);
    thread::scope(|scope| {
        for part in [left, right] {
            scope.spawn(move || part.iter().for_each(|name| push(cli, name, &[])));
        }
    });
    let lean = LEAN_FUEL.to_string();
    push(cli, "hostile", &["--export", "spin", "--version", "lean", "--no-promote", "--fuel", &lean]);
}

/// Pushes an example task.
#[track_caller]
pub fn push(cli: &Cli, name: &str, options: &[&str]) {
    let file = guest(name);
    let args = ["push", file.to_str().expect("a plain name")];
    cli.ok(args.iter().chain(options));
}

impl Drop for Seat {
    fn drop(&mut self) {
        if thread::panicking() {
            let said = self.stage.worker.lock().unwrap_or_else(PoisonError::into_inner).stderr();
            let lines: Vec<&str> = said.lines().collect();
            eprintln!(
                "--- the shared worker said last ---\n{}\n---",
                lines[lines.len().saturating_sub(20)..].join("\n")
            );
        }
    }
}

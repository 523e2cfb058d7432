//! Where hostile inputs are let loose, one at a time: one server, one worker, a victim and an attacker.

use std::{
    io::Write,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lovage_client::NewJob;
use lovage_tests::{Cli, Health, Held, Jobs, Nats, Worker, cli, end_with_this_process, eventually, push, shared_cache};
use tokio::sync::OnceCell;

use super::victim::{AT_ONCE, Load};
use crate::small::tenant;

/// The tenant whose jobs must be right whatever the other does.
pub const VICTIM: &str = "victim";
/// The tenant that sends what is hostile.
pub const ATTACKER: &str = "mallory";
/// How long the fault of one hostile input may take to be told.
pub const TOLD_WITHIN: Duration = Duration::from_secs(30);
/// What the worker may hold more than before, once it is at rest again.
const MEMORY_MARGIN_BYTES: u64 = 32 << 20;
/// Files that may be open more than before: connections come and go.
const FILES_MARGIN: usize = 16;
/// How long the worker may take to come to rest.
const RESTS_WITHIN: Duration = Duration::from_secs(30);

static ARENA: LazyLock<Arena> = LazyLock::new(Arena::set);
/// Held while one input is loose, so that what the worker holds afterwards is of that input.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What the hostile inputs share.
pub struct Arena {
    pub nats: Nats,
    worker: Mutex<Worker>,
    health: Health,
    /// How many jobs of the victim ran before the first turn.
    warm: OnceCell<u32>,
}

/// One hostile input's time in the arena.
pub struct Turn {
    pub arena: &'static Arena,
    /// The attacker's jobs.
    pub jobs: Jobs,
    victim: Jobs,
    load: Load,
    what: String,
    before: Held,
    began: Instant,
    _alone: tokio::sync::MutexGuard<'static, ()>,
}

impl Arena {
    fn set() -> Self {
        let cache = shared_cache();
        let mut nats = Nats::start();
        end_with_this_process(nats.running().pid());
        push(&cli(&nats).tenant(VICTIM), "sha256", &[]);
        push(&cli(&nats).tenant(VICTIM), "hostile", &[]);
        push(&cli(&nats).tenant(ATTACKER), "hostile", &[]);
        let worker = Worker::of(&nats).name("arena").concurrency(8).cache_dir(cache).start();
        end_with_this_process(worker.pid());
        let health = Health::of(worker.pid());
        Self { nats, worker: Mutex::new(worker), health, warm: OnceCell::const_new() }
    }

    /// Waits for the arena to be free, warm and at rest, and begins a turn: the victim's jobs are on their way.
    pub async fn turn(what: &str) -> Turn {
        let alone = TURN.lock().await;
        let arena: &Self = tokio::task::spawn_blocking(|| &*ARENA).await.expect("the arena is set");
        let victim = Jobs::of_tenant(&arena.nats, &tenant(VICTIM)).await;
        let jobs = Jobs::of_tenant(&arena.nats, &tenant(ATTACKER)).await;
        // What is done lazily is done before anything is measured, and what the victim's jobs take is not the attacker's.
        arena.warm.get_or_init(async || Load::begin(&victim.client, "warm").await.end().await).await;
        let warm = jobs.run(NewJob::new("echo".parse().unwrap(), "warm")).await;
        assert_eq!(warm.body, b"warm", "{:?}", warm.error);
        victim.all_done(RESTS_WITHIN).await;
        let before = arena.health.held().unwrap();
        arena.health.reset_peak().unwrap();
        let load = Load::begin(&victim.client, what).await;
        Turn { arena, jobs, victim, load, what: what.to_owned(), before, began: Instant::now(), _alone: alone }
    }

    /// A command line of the attacker.
    pub fn attacker(&self) -> Cli {
        cli(&self.nats).tenant(ATTACKER)
    }

    /// A command line of the victim.
    pub fn victim(&self) -> Cli {
        cli(&self.nats).tenant(VICTIM)
    }
}

impl Turn {
    /// Pushes a component of the attacker's, which must succeed.
    pub async fn push(&self, component: Vec<u8>, options: &[&str]) {
        let (cli, options) = (self.arena.attacker(), options.iter().map(ToString::to_string).collect::<Vec<_>>());
        let pushed = tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("task.wasm");
            std::fs::write(&file, component).unwrap();
            cli.ok(["push", file.to_str().unwrap()].into_iter().map(str::to_owned).chain(options));
        });
        pushed.await.unwrap();
    }

    /// The jobs of the victim.
    pub fn victim(&self) -> &Jobs {
        &self.victim
    }

    /// Holds the worker to the oracle, and tells what the input has cost.
    pub async fn end(self) {
        let (took, peak) = (self.began.elapsed(), self.arena.health.peak_bytes().unwrap());
        let right = self.load.end().await;
        assert!(right >= AT_ONCE, "{right} jobs of the victim");
        self.victim.all_done(RESTS_WITHIN).await;
        self.jobs.all_done(RESTS_WITHIN).await;
        let (what, before) = (&self.what, self.before);
        let rests = async || {
            let held = self.arena.health.held().unwrap();
            let memory = held.resident_bytes <= before.resident_bytes + MEMORY_MARGIN_BYTES;
            let rests = memory && held.files <= before.files + FILES_MARGIN && held.children <= before.children;
            if rests { Ok(held) } else { Err(format!("{held}; before: {before}")) }
        };
        let held = eventually(&format!("the worker to be as before {what}"), RESTS_WITHIN, rests).await;
        let ended = self.arena.worker.lock().unwrap_or_else(PoisonError::into_inner).ended();
        assert!(ended.is_none(), "{what} ended the worker: {ended:?}");
        let mib = |bytes: u64| bytes >> 20;
        // Not captured, since how much each input takes is of interest where all is well, too.
        let told = writeln!(
            std::io::stderr().lock(),
            "hostile: {what}: told in {:.1} s beside {right} right jobs, memory {} MiB before, {} at the peak, {} after",
            took.as_secs_f64(),
            mib(before.resident_bytes),
            mib(peak),
            mib(held.resident_bytes)
        );
        told.unwrap();
    }
}

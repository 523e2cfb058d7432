//! The guest threads: each takes jobs when it has room, and runs several at once on a runtime of its own, so that a
//! guest never delays the messages to the broker.
//!
//! A few more threads run one job at a time, of tenants that have used less than their share while others hold places.
//! A busy guest gives way to those on its own thread only every few milliseconds, and a slow one keeps its place for
//! long: on a thread of its own, such a tenant's job starts at once.

mod room;

use room::Part;
pub use room::Room;

use super::{Shared, attempt};
use crate::intake::{Intake, Taken};
use crate::ports::{Broker, Settlement, Tasks};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Settlements that wait to go out; more of them keep their permits.
const SETTLEMENTS_WAITING: usize = 1024;
/// Settlements that go out together, at most.
const SETTLED_TOGETHER: usize = 64;

/// How much nicer the guests' threads are than the worker's others, in steps of `nice(2)`: they get a third of the weight.
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// A round of a thread that takes longer has busy guests in it.
const ROUND_QUICK: Duration = Duration::from_micros(200);

/// How many guest threads there are, and how much each runs.
#[derive(Debug, Clone, Copy)]
pub struct GuestsConfig {
    /// Attempts at once, over all threads.
    pub concurrency: usize,
    /// Threads; one for each core.
    pub threads: usize,
}

impl GuestsConfig {
    /// Attempts at once beside those, of tenants that have used less than their share: a quarter more, at least one
    /// and at most four.
    pub fn light(concurrency: usize) -> usize {
        (concurrency / 4).clamp(1, 4)
    }
}

/// The running guest threads.
#[derive(Debug)]
pub struct Guests {
    threads: Vec<JoinHandle<()>>,
    room: Room,
}

impl Guests {
    /// Starts the threads; they end when the buffer is closed and their last attempt is settled.
    pub fn start<B: Broker, T: Tasks>(
        config: GuestsConfig,
        intake: &Arc<Intake>,
        shared: &Arc<Shared<B, T>>,
    ) -> std::io::Result<Self> {
        let count = config.threads.clamp(1, config.concurrency.max(1));
        let mut threads = Vec::with_capacity(count);
        let all = Room::new(config);
        for number in 0..count {
            let part = all.part(number, count);
            let keeping = part.clone().keep();
            let (intake, shared) = (intake.clone(), shared.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let thread = std::thread::Builder::new().name(format!("guests-{number}")).spawn(move || {
                give_way();
                let set = LocalSet::new();
                // beside the guests, which give way in turns: what is blocked on is looked at only once in many turns
                let keeping = set.spawn_local(keeping);
                let serving = set.spawn_local(async move {
                    serve(&intake, shared, part, keeping).await;
                });
                if let Err(error) = set.block_on(&runtime, serving) {
                    std::panic::resume_unwind(error.into_panic());
                }
            })?;
            threads.push(thread);
        }
        for number in 0..GuestsConfig::light(config.concurrency) {
            let (intake, shared) = (intake.clone(), shared.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let thread = std::thread::Builder::new().name(format!("light-{number}")).spawn(move || {
                LocalSet::new().block_on(&runtime, serve_light(&intake, &shared));
            })?;
            threads.push(thread);
        }
        Ok(Self { threads, room: all })
    }

    /// How many attempts run at once, to be changed.
    pub fn room(&self) -> Room {
        self.room.clone()
    }

    /// Waits for the threads to end. Blocks.
    pub fn join(self) -> std::thread::Result<()> {
        self.room.open();
        self.threads.into_iter().try_for_each(JoinHandle::join)
    }
}

/// Lets the threads that talk to the broker, and those of light tenants, go before this one: a busy guest costs the jobs
/// of others no start. Linux alone keeps a niceness for each thread; elsewhere it is the whole process's.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICER) {
        tracing::debug!(error = %error, "the guests' threads run with the priority of all others");
    }
}

/// Takes permits, then jobs, until the buffer is closed; then waits for the attempts that still run.
async fn serve<B: Broker, T: Tasks>(
    intake: &Arc<Intake>,
    shared: Arc<Shared<B, T>>,
    part: Part,
    keeping: tokio::task::JoinHandle<()>,
) {
    let (permits, mut wants) = (part.permits.clone(), part.changes());
    let (ended, endings) = mpsc::channel(SETTLEMENTS_WAITING);
    let settling = tokio::task::spawn_local(settle(shared.clone(), endings));
    let shared = Rc::new(shared);
    while let Ok(first) = permits.clone().acquire_owned().await {
        wants.mark_unchanged();
        if part.owes() {
            drop(first);
            tokio::task::yield_now().await;
            continue;
        }
        let taken = tokio::select! {
            biased;
            // the place that it waits with may be one that is to be kept back now
            changed = wants.changed(), if wants.has_changed().is_ok() => match changed {
                Ok(()) => continue,
                Err(_) => break,
            },
            taken = intake.take(1 + permits.available_permits()) => taken,
        };
        let Some(jobs) = taken else { break };
        let mut first = Some(first);
        for Taken { job, turn } in jobs {
            let permit = match first.take() {
                Some(permit) => Ok(permit),
                None => permits.clone().try_acquire_owned(),
            };
            let (shared, ended) = (shared.clone(), ended.clone());
            tokio::task::spawn_local(async move {
                let settlement = attempt(&shared, job).await;
                drop(turn);
                let _settled_until_all_attempts_ended = ended.send(settlement).await;
                drop(permit);
            });
        }
    }
    keeping.abort();
    // what it kept comes back with its end, which an abort makes sure of
    let _aborted = keeping.await;
    let all = u32::try_from(part.size).unwrap_or(u32::MAX);
    let _every_attempt_ended = permits.acquire_many(all).await;
    drop(ended);
    let _every_settlement_is_under_way = settling.await;
}

/// Takes jobs of light tenants, one after the other, until the buffer is closed.
async fn serve_light<B: Broker, T: Tasks>(intake: &Arc<Intake>, shared: &Shared<B, T>) {
    while let Some(Taken { job, turn }) = intake.take_light().await {
        let settlement = attempt(shared, job).await;
        drop(turn);
        shared.broker.settle(settlement).await;
    }
}

/// Adds what ends in the next rounds of this thread, while each round is quick and brings more: a thread that has slow
/// guests or nothing to do keeps nobody waiting.
async fn gather(endings: &mut mpsc::Receiver<Settlement>, together: &mut Vec<Settlement>) {
    while together.len() < SETTLED_TOGETHER {
        let (before, begun) = (together.len(), Instant::now());
        tokio::task::yield_now().await;
        while together.len() < SETTLED_TOGETHER
            && let Ok(ending) = endings.try_recv()
        {
            together.push(ending);
        }
        if together.len() == before || begun.elapsed() > ROUND_QUICK {
            return;
        }
    }
}

/// Hands settlements to the broker. Those of short attempts come together and so go out together, where one at a time
/// each would cost a system call here and a wake-up there, which takes the core from the guests.
async fn settle<B: Broker, T: Tasks>(shared: Arc<Shared<B, T>>, mut endings: mpsc::Receiver<Settlement>) {
    let mut together = Vec::with_capacity(SETTLED_TOGETHER);
    while endings.recv_many(&mut together, SETTLED_TOGETHER).await > 0 {
        gather(&mut endings, &mut together).await;
        for settlement in together.drain(..) {
            shared.broker.settle(settlement).await;
        }
    }
}

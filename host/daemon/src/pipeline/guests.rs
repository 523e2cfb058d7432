//! The guest threads: each takes jobs when it has room, and runs several at once on a runtime of its own, so that a
//! guest never delays the messages to the broker.
//!
//! A few more threads run one job at a time, of tenants that have used less than their share while others hold places.
//! A busy guest gives way to those on its own thread only every few milliseconds, and a slow one keeps its place for
//! long: on a thread of its own, such a tenant's job starts at once.

use super::{Shared, attempt};
use crate::intake::{Intake, Taken};
use crate::ports::{Broker, Settlement, Tasks};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::LocalSet;

/// Settlements that wait to go out; more of them keep their permits.
const SETTLEMENTS_WAITING: usize = 1024;
/// Settlements that go out together, at most.
const SETTLED_TOGETHER: usize = 64;

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
        for number in 0..count {
            // the first threads take what does not divide evenly
            let room = config.concurrency / count + usize::from(number < config.concurrency % count);
            let (intake, shared) = (intake.clone(), shared.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let thread = std::thread::Builder::new().name(format!("guests-{number}")).spawn(move || {
                let set = LocalSet::new();
                // beside the guests, which give way in turns: what is blocked on is looked at only once in many turns
                let serving = set.spawn_local(async move { serve(&intake, shared, room.max(1)).await });
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
        Ok(Self { threads })
    }

    /// Waits for the threads to end. Blocks.
    pub fn join(self) -> std::thread::Result<()> {
        self.threads.into_iter().try_for_each(JoinHandle::join)
    }
}

/// Takes permits, then jobs, until the buffer is closed; then waits for the attempts that still run.
async fn serve<B: Broker, T: Tasks>(intake: &Arc<Intake>, shared: Arc<Shared<B, T>>, room: usize) {
    let permits = Arc::new(Semaphore::new(room));
    let (ended, endings) = mpsc::channel(SETTLEMENTS_WAITING);
    let settling = tokio::task::spawn_local(settle(shared.clone(), endings));
    let shared = Rc::new(shared);
    while let Ok(first) = permits.clone().acquire_owned().await {
        let Some(jobs) = intake.take(1 + permits.available_permits()).await else { break };
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
    let all = u32::try_from(room).unwrap_or(u32::MAX);
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

/// Hands settlements to the broker. Those of short attempts come together and so go out together, where one at a time
/// each would cost a system call here and a wake-up there.
async fn settle<B: Broker, T: Tasks>(shared: Arc<Shared<B, T>>, mut endings: mpsc::Receiver<Settlement>) {
    let mut together = Vec::with_capacity(SETTLED_TOGETHER);
    while endings.recv_many(&mut together, SETTLED_TOGETHER).await > 0 {
        for settlement in together.drain(..) {
            shared.broker.settle(settlement).await;
        }
    }
}

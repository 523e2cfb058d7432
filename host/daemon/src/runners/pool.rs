//! The runners that there are: started when a tenant has jobs, kept while it has, ended when it has none.
//!
//! A busy runner has an attempt aboard, so there are never more of them than attempts at once; of idle ones only a few
//! are kept, and none for long.

use super::book::{Blame, Book, Seat};
use lovage_job::catalog::Entry;
use lovage_job::name::{Digest, TenantName};
use lovage_job::outcome::{Meter, Outcome};
use lovage_job::worker::{JailInfo, RunnerInfo};
use lovage_sandbox::{
    ArtifactPath, AttemptControl, AttemptReport, AttemptRequest, Cause, Held, Runner, RunnerConfig, RunnerError,
    RunnerStarter,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

/// A runner that has loaded so many tasks takes no more: what is loaded is never unloaded.
const TASKS_MAX: usize = 256;

/// How many runners are kept, and how each is made.
#[derive(Debug)]
pub struct RunnersConfig {
    /// How each is made.
    pub runner: RunnerConfig,
    /// Runners without jobs that are kept.
    pub idle_max: usize,
    /// How long one without jobs is kept.
    pub idle: Duration,
}

/// An attempt that came to nothing, through no fault that is known to be its own. It does not count.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct Lost {
    /// What happened, for the operator.
    pub reason: String,
    /// The component whose fault it was, told to one of its attempts.
    pub blame: Option<Blame>,
}

/// A runner, or one that is being started.
type Berthed = Arc<OnceCell<Runner>>;

/// The runners of a worker.
#[derive(Debug)]
pub struct Runners {
    starter: Arc<RunnerStarter>,
    runtime: Handle,
    book: Mutex<Book<Berthed>>,
    idle_max: usize,
}

impl Runners {
    /// No runner yet; within the runtime that is to watch over them.
    pub fn new(config: RunnersConfig) -> std::io::Result<Arc<Self>> {
        let runners = Arc::new(Self {
            starter: Arc::new(RunnerStarter::new(config.runner)?),
            runtime: Handle::current(),
            book: Mutex::default(),
            idle_max: config.idle_max,
        });
        // Ends with the runners.
        tokio::spawn(end_unused(Arc::downgrade(&runners), config.idle));
        Ok(runners)
    }

    /// Starts a runner to see what holds it on this machine, and keeps nothing of it.
    pub async fn probe(&self) -> Result<Held, RunnerError> {
        let runner = self.starter.start().await?;
        let held = runner.held();
        runner.kill();
        runner.ended().await;
        Ok(held)
    }

    /// Ends every runner, whatever it runs, and waits until each is gone with its group.
    pub async fn end(&self) {
        let runners: Vec<Runner> = self.book().all().filter_map(|(_, _, cell)| cell.get().cloned()).collect();
        for runner in &runners {
            runner.kill();
        }
        for runner in &runners {
            runner.ended().await;
        }
    }

    /// Every runner, for people.
    pub fn info(&self) -> Vec<RunnerInfo> {
        let book = self.book();
        let of = |(berth, running, cell): (&super::book::Berth, usize, &Berthed)| {
            let runner = cell.get()?;
            Some(RunnerInfo {
                tenant: berth.tenant.clone(),
                pid: runner.pid(),
                running,
                alone: berth.alone.clone(),
                jail: jail_of(&runner.held()),
            })
        };
        let mut all: Vec<RunnerInfo> = book.all().filter_map(of).collect();
        all.sort_by(|a, b| (&a.tenant, a.pid).cmp(&(&b.tenant, b.pid)));
        all
    }

    /// Makes one attempt in the tenant's runner.
    pub async fn run(
        self: &Arc<Self>,
        (tenant, digest): (&TenantName, &Digest),
        (artifact, entry): (&ArtifactPath, &Entry),
        request: AttemptRequest,
        control: AttemptControl,
    ) -> Result<AttemptReport, Lost> {
        let (mut place, runner) = self.place(tenant, digest).await?;
        match runner.run(artifact, entry, request, control).await {
            Ok(report) => {
                place.in_order = true;
                Ok(report)
            }
            Err(RunnerError::Refused(message)) => Ok(refused(message)),
            Err(RunnerError::Died(death)) => {
                let how = death.to_string();
                let blame = match death.cause {
                    Cause::Closed => {
                        self.book().retire(&place.seat);
                        None
                    }
                    _ => self.died(&place.seat, runner.pid(), &how),
                };
                Err(Lost { reason: format!("the runner died: {how}"), blame })
            }
            Err(error @ (RunnerError::Artifact(_) | RunnerError::Start(_))) => {
                Err(Lost { reason: error.to_string(), blame: None })
            }
        }
    }

    /// A place aboard of a runner that lives.
    async fn place(&self, tenant: &TenantName, digest: &Digest) -> Result<(Place<'_>, Runner), Lost> {
        loop {
            let (seat, cell) = self.book().board(tenant, digest, Arc::default);
            let place = Place { runners: self, seat, in_order: false };
            let runner = match cell.get_or_try_init(|| self.start(tenant)).await {
                Ok(runner) => runner.clone(),
                Err(error) => {
                    // the next attempt tries again
                    self.book().retire(&place.seat);
                    return Err(Lost { reason: error.to_string(), blame: None });
                }
            };
            let died = runner.death();
            if died.is_some() || runner.loaded() >= TASKS_MAX {
                self.book().retire(&place.seat);
            }
            match died {
                None => return Ok((place, runner)),
                // nobody was aboard who could have done it; each further one must start first
                Some(death) => {
                    tracing::warn!(tenant = %tenant, runner.pid = runner.pid(), how = %death, "idle runner died");
                }
            }
        }
    }

    /// On the runtime that watches over runners: this one may be a guest thread's.
    async fn start(&self, tenant: &TenantName) -> Result<Runner, RunnerError> {
        let starter = self.starter.clone();
        let started = self.runtime.spawn(async move { starter.start().await }).await;
        let runner = started.map_err(|error| RunnerError::Start(error.to_string()))??;
        let held = runner.held();
        tracing::info!(tenant = %tenant, runner.pid = runner.pid(), landlock = %held.landlock, "runner started");
        Ok(runner)
    }

    fn died(&self, seat: &Seat, pid: u32, how: &str) -> Option<Blame> {
        let (blame, tenant) = (self.book().died(seat, how), &seat.berth.tenant);
        match &blame {
            Some(blame) => {
                tracing::warn!(tenant = %tenant, runner.pid = pid, how, component.digest = %blame.digest, "runner died");
            }
            None => tracing::warn!(tenant = %tenant, runner.pid = pid, how, "runner died with several aboard"),
        }
        blame
    }

    fn book(&self) -> MutexGuard<'_, Book<Berthed>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self, seat: &Seat, in_order: bool) {
        let idle = {
            let mut book = self.book();
            book.leave(seat, in_order);
            book.take_idle(self.idle_max)
        };
        // each ends as its last handle goes
        drop(idle);
    }
}

/// What holds a runner, for people.
fn jail_of(held: &Held) -> JailInfo {
    JailInfo { seccomp: held.seccomp, landlock: held.landlock.clone(), limits: held.limits.clone() }
}

/// A component that a runner cannot load is at fault itself: it was linked by the same rules when it was pushed.
fn refused(message: String) -> AttemptReport {
    AttemptReport {
        outcome: Outcome::BadComponent { message },
        meter: Meter::default(),
        log: Vec::new(),
        log_truncated: false,
    }
}

/// An attempt's place aboard, given back when it is dropped.
struct Place<'r> {
    runners: &'r Runners,
    seat: Seat,
    in_order: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.runners.left(&self.seat, self.in_order);
    }
}

/// Ends runners that had no jobs for a while.
async fn end_unused(runners: Weak<Runners>, idle: Duration) {
    let mut count = 0;
    loop {
        tokio::time::sleep(idle).await;
        let Some(runners) = runners.upgrade() else { return };
        let (unused, now) = runners.book().take_unused_since(count);
        count = now;
        drop(unused);
    }
}

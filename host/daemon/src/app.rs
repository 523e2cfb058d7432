//! The worker, put together. This is the one place that knows every room.

mod base;
mod ground;
mod groups;
mod set;
mod upkeep;

pub(crate) use base::{concurrency, cores};
pub use ground::engine;

use crate::config::WorkerFile;
use crate::intake::Intake;
use crate::lease::Leases;
use crate::nats::audit::NatsAuditor;
use crate::nats::permits::Permits;
use crate::nats::puller::SourceName;
use crate::nats::settle::Settler;
use crate::nats::store::Catalog;
use crate::nats::topology;
use crate::pipeline::{Guests, GuestsConfig};
use crate::presence::{Presence, announce};
use crate::runners::Runners;
use crate::telemetry::WorkerMetrics;
use crate::tenant_book::TenantBook;
use anyhow::Context as _;
use async_nats::Client;
use base::Base;
use lovage_job::name::{JobId, QueueName};
use lovage_job::worker::WorkerMode;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch as signal};
use upkeep::{release_all, tell_events};

/// Events of guests that wait to be told.
const HEARD_MAX: usize = 1024;
/// Consumers that wait to be made again.
const MISSING_MAX: usize = 64;
/// How long the end of everything may take after the last attempt ended.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Its name; unique among the workers that run.
    pub name: JobId,
    /// The queues it serves, with their weights.
    pub queues: Vec<(QueueName, usize)>,
    /// Where compiled components are kept.
    pub cache_dir: PathBuf,
    /// The program that compiles, and its arguments.
    pub compiler: (PathBuf, Vec<std::ffi::OsString>),
    /// What the operator sets.
    pub file: WorkerFile,
    /// What secrets are opened with, where this worker has it.
    pub keys: Option<crate::secrets::KeyRing>,
    /// Who sends its traces, where anyone does.
    pub traces: Option<Arc<crate::telemetry::Traces>>,
}

/// A running worker.
pub struct Worker {
    base: Base,
    intake: Arc<Intake>,
    settler: Arc<Settler>,
    guests: Guests,
    runners: Option<Arc<Runners>>,
    permits: Arc<Permits>,
    presence: Arc<Presence>,
    metrics: Arc<WorkerMetrics>,
}

impl Worker {
    /// Starts a worker on a connection. `connections` counts how often the connection was made.
    pub async fn start(
        options: WorkerOptions,
        client: Client,
        connections: signal::Receiver<u64>,
    ) -> anyhow::Result<Self> {
        let base = Base::new(options, client);
        let groups = groups::find(&base.options.file)?;
        let runners = ground::runners(&base.options, base.concurrency, groups.clone()).await?;
        let presence = base.presence(runners.clone());
        announce(&base.client, &presence, &base.stop_all, &base.tracker).await?;
        topology::ensure_shared(&base.js, base.topology).await?;
        base.rules.load(&base.client).await.context("the limits and pauses cannot be read")?;

        let (auditor, audit) =
            NatsAuditor::new(base.client.clone(), base.options.name.to_string(), base.stop_all.clone());
        base.tracker.spawn(audit);
        let catalog = Catalog::open(&base.js).await?;
        let live = base.versions((groups, runners.clone()), &catalog, auditor.clone()).await?;
        let (heard, hears) = mpsc::channel(HEARD_MAX);
        let broker = Arc::new(base.broker().await?);
        let shared = Arc::new(base.shared(broker.clone(), live.clone(), auditor, heard).await?);
        let intake = Arc::new(Intake::default());
        let config = GuestsConfig { concurrency: base.concurrency, threads: cores() };
        let guests = Guests::start(config, &intake, &shared).context("guest threads do not start")?;

        let leases = Arc::new(Leases::default());
        base.tracker.spawn(tell_events(broker.clone(), hears, base.stop_all.clone()));
        base.keep(&broker, &intake, &leases);
        let metrics = base.metrics(&broker.settler, &leases, &presence);
        let allowances = base.count();
        base.follow(&broker, &catalog, &live).await?;
        let (missing, misses) = mpsc::channel::<SourceName>(MISSING_MAX);
        let tenants = base.tenants(&broker, &intake, leases, connections, missing, allowances);
        presence.can_set(set::settable(guests.room(), tenants.clone(), base.counters.clone()));
        tenants.follow(misses).await?;
        crate::planner::start(&base.js, &base.stop_intake, &base.tracker).await?;
        let (settler, permits) = (broker.settler.clone(), broker.permits.clone());
        Ok(Self { base, intake, settler, guests, runners, permits, presence, metrics })
    }

    /// What this worker knows of its tenants.
    pub fn tenants(&self) -> Arc<TenantBook> {
        self.base.book.clone()
    }

    /// What is shown of this worker.
    pub fn metrics(&self) -> Arc<WorkerMetrics> {
        self.metrics.clone()
    }

    /// Takes no new jobs, or takes jobs again; running ones go on.
    pub fn set_quiet(&self, quiet: bool) {
        self.presence.set(if quiet { WorkerMode::Quiet } else { WorkerMode::Running });
    }

    /// Waits until someone tells this worker to drain; the caller stops it then.
    pub async fn told_to_drain(&self) {
        self.presence.told_to_drain().await;
    }

    /// Stops: no new jobs, waiting ones back to their queues, running ones to their end or, past the drain time or a
    /// second signal (`hurry`), interrupted and released. Costs no job an attempt.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        tracing::info!(running = self.base.running.count(), "draining");
        self.presence.set(WorkerMode::Draining);
        self.base.stop_intake.cancel();
        self.base.running.tell_shutdown();
        let waiting = release_all(self.settler.clone(), self.intake.close());
        // a broker that does not answer gives them out again when their leases run out
        let _best_effort = tokio::time::timeout(FLUSH_WITHIN, waiting).await;
        let guests = tokio::task::spawn_blocking(move || self.guests.join());
        tokio::pin!(guests);
        let ended = tokio::select! {
            ended = &mut guests => Some(ended),
            () = tokio::time::sleep(self.base.options.file.drain) => None,
            () = hurry => None,
        };
        let ended = match ended {
            Some(ended) => Ok(ended),
            None => {
                let interrupted = self.base.running.interrupt_all();
                tracing::warn!(interrupted, "attempts interrupted; their jobs go back to the queue");
                tokio::time::timeout(FLUSH_WITHIN, guests).await
            }
        };
        if !matches!(ended, Ok(Ok(Ok(())))) {
            tracing::error!("a guest thread did not end in order");
        }
        let flush = async {
            while self.settler.pending() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(FLUSH_WITHIN, flush).await.is_err() {
            tracing::warn!(pending = self.settler.pending(), "results not confirmed in time; their jobs run again");
        }
        if let Some(runners) = &self.runners {
            let _they_end_with_this_process = tokio::time::timeout(FLUSH_WITHIN, runners.end()).await;
        }
        self.permits.close().await;
        self.base.stop_all.cancel();
        self.base.tracker.close();
        let _tasks_that_hang_are_cut = tokio::time::timeout(FLUSH_WITHIN, self.base.tracker.wait()).await;
        let _connection_may_be_gone = tokio::time::timeout(FLUSH_WITHIN, self.base.client.flush()).await;
        tracing::info!("stopped");
    }
}

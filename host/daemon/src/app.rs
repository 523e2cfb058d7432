//! The worker, put together. This is the one place that knows every room.

use crate::config::WorkerFile;
use crate::intake::Intake;
use crate::lease::Leases;
use crate::nats::broker::NatsBroker;
use crate::nats::control::{Cancelled, Cancels, watch};
use crate::nats::errands::NatsErrands;
use crate::nats::logs::Logs;
use crate::nats::permits::Permits;
use crate::nats::puller::SourceName;
use crate::nats::rules::{PATTERNS, Rules};
use crate::nats::settle::{RELEASED_TOGETHER, Settler};
use crate::nats::store::{Catalog, Components, Payloads, Results};
use crate::nats::topology::{self, EXTEND_AFTER, TopologyConfig};
use crate::pipeline::{Guests, GuestsConfig, Heard, Running, Shared};
use crate::ports::Delivery;
use crate::presence::{Presence, announce};
use crate::registry::live::Live;
use crate::registry::load::Loader;
use crate::tenants::Tenants;
use crate::webhook::courier::HttpCourier;
use anyhow::Context as _;
use async_nats::Client;
use async_nats::jetstream;
use futures::StreamExt as _;
use lovage_job::name::{JobId, QueueName};
use lovage_job::worker::WorkerMode;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch as signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often leases are looked at.
const LEASES_EVERY: Duration = Duration::from_secs(2);
/// Jobs that wait in the buffer for longer than this go back to their queue.
const BUFFERED_MAX: Duration = Duration::from_secs(2);
/// Events of guests that wait to be told.
const HEARD_MAX: usize = 1024;
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
}

/// A running worker.
pub struct Worker {
    stop_intake: CancellationToken,
    stop_all: CancellationToken,
    tracker: TaskTracker,
    intake: Arc<Intake>,
    running: Arc<Running>,
    settler: Arc<Settler>,
    guests: Guests,
    client: Client,
    permits: Arc<Permits>,
    presence: Arc<Presence>,
    drain: Duration,
}

/// The engine and the compiler of a worker, or of a push.
pub fn engine(
    file: &WorkerFile,
    concurrency: usize,
    cache_dir: &std::path::Path,
    compiler: &(PathBuf, Vec<std::ffi::OsString>),
) -> anyhow::Result<(lovage_sandbox::Sandbox, lovage_sandbox::Compiler)> {
    let sandbox = lovage_sandbox::Sandbox::new(lovage_sandbox::SandboxConfig {
        concurrency,
        memory_budget: file.memory_budget,
        memory_max: file.limit_policy().ceiling.memory,
        stack_max: file.stack,
        ..lovage_sandbox::SandboxConfig::default()
    })?;
    let cache = lovage_sandbox::ArtifactCache::open(cache_dir)?;
    let limits = lovage_sandbox::CompileLimits {
        cpu_seconds: file.compile.cpu_seconds,
        memory_bytes: file.compile.memory.0,
        wall: file.compile.wall,
    };
    let (program, args) = compiler.clone();
    Ok((sandbox, lovage_sandbox::Compiler::new(program, args, limits, cache)))
}

impl Worker {
    /// Starts a worker on a connection. `connections` counts how often the connection was made.
    pub async fn start(
        options: WorkerOptions,
        client: Client,
        connections: signal::Receiver<u64>,
    ) -> anyhow::Result<Self> {
        let js = jetstream::new(client.clone());
        let topology = TopologyConfig {
            replicas: options.file.replicas,
            jobs_max: options.file.jobs_max,
            ..TopologyConfig::default()
        };
        let (stop_intake, stop_all, tracker) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let concurrency = options.file.concurrency.unwrap_or(8 * cores);
        let (running, rules) = (Arc::new(Running::default()), Arc::new(Rules::default()));
        let (queues, counted) = (options.queues.iter().map(|(name, _)| name.clone()).collect(), running.clone());
        let presence = Presence::new(options.name.clone(), queues, concurrency, rules.clone(), move || counted.count());
        announce(&client, &presence, &stop_all, &tracker).await?;
        topology::ensure_shared(&js, topology).await?;
        rules.load(&client).await.context("the limits and pauses cannot be read")?;
        let permits = Permits::new(client.clone(), rules.clone(), tokio::runtime::Handle::current());

        let (sandbox, compiler) = engine(&options.file, concurrency, &options.cache_dir, &options.compiler)?;
        tracing::info!(reset = ?sandbox.reset_mode(), concurrency, "sandbox ready");
        let catalog = Catalog::open(&js).await?;
        let policy = options.file.limit_policy();
        let loader = Loader::new(sandbox, compiler, catalog.clone(), Components::new(js.clone()), policy.clone());
        let live = Arc::new(Live::new(loader, catalog.clone()));

        let cancels = Arc::new(Cancels::default());
        let payloads = Payloads::new(js.clone());
        let settler = Settler::new(client.clone(), payloads.clone());
        let (heard, hears) = mpsc::channel(HEARD_MAX);
        let shared = Arc::new(Shared {
            broker: Arc::new(NatsBroker {
                client: client.clone(),
                settler: settler.clone(),
                results: Results::new(client.clone()),
                payloads,
                logs: Logs::new(client.clone(), options.file.replicas),
                cancels: cancels.clone(),
                rules: rules.clone(),
                permits: permits.clone(),
                runtime: tokio::runtime::Handle::current(),
            }),
            tasks: live.clone(),
            running: running.clone(),
            worker: options.name.as_str().into(),
            ceiling: policy.ceiling,
            heard,
            courier: Arc::new(HttpCourier::new(
                client.clone(),
                tokio::runtime::Handle::current(),
                options.file.webhook.allow_private,
            )),
            errands: Arc::new(NatsErrands::open(client.clone(), &js).await?),
            fanout: options.file.submit.fanout,
            result_keep: options.file.result_keep,
        });
        let (intake, leases) = (Arc::new(Intake::default()), Arc::new(Leases::default()));
        let config = GuestsConfig { concurrency, threads: cores };
        let guests = Guests::start(config, &intake, &shared).context("guest threads do not start")?;

        tracker.spawn(log_end("settler", settler.clone().run(stop_all.clone())));
        tracker.spawn(tell_events(shared.broker.clone(), hears, stop_all.clone()));
        tracker.spawn(keep_leases(settler.clone(), leases.clone(), intake.clone(), stop_all.clone()));
        tracker.spawn(permits.clone().run(stop_all.clone()));
        follow_rules(&js, &rules, &permits, &stop_all, &tracker).await?;
        follow_cancels(&js, &cancels, &running, &stop_all, &tracker).await?;
        follow_catalog(&catalog, &live, &stop_all, &tracker).await;
        let (missing, misses) = mpsc::channel::<SourceName>(64);
        let tenants = Arc::new(Tenants {
            client: client.clone(),
            js: js.clone(),
            topology,
            queues: options.queues.clone(),
            strict: options.file.strict,
            rules,
            intake: intake.clone(),
            leases,
            connections,
            settler: settler.clone(),
            missing,
            stop: stop_intake.clone(),
            tracker: tracker.clone(),
            served: std::sync::Mutex::default(),
        });
        tenants.follow(misses).await?;
        crate::planner::start(&js, &stop_intake, &tracker).await?;
        let drain = options.file.drain;
        Ok(Self { stop_intake, stop_all, tracker, intake, running, settler, guests, client, permits, presence, drain })
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
        tracing::info!(running = self.running.count(), "draining");
        self.presence.set(WorkerMode::Draining);
        self.stop_intake.cancel();
        self.running.tell_shutdown();
        let waiting = release_all(self.settler.clone(), self.intake.close());
        // a broker that does not answer gives them out again when their leases run out
        let _best_effort = tokio::time::timeout(FLUSH_WITHIN, waiting).await;
        let guests = tokio::task::spawn_blocking(move || self.guests.join());
        tokio::pin!(guests);
        let ended = tokio::select! {
            ended = &mut guests => Some(ended),
            () = tokio::time::sleep(self.drain) => None,
            () = hurry => None,
        };
        let ended = match ended {
            Some(ended) => Ok(ended),
            None => {
                let interrupted = self.running.interrupt_all();
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
        self.permits.close().await;
        self.stop_all.cancel();
        self.tracker.close();
        let _tasks_that_hang_are_cut = tokio::time::timeout(FLUSH_WITHIN, self.tracker.wait()).await;
        let _connection_may_be_gone = tokio::time::timeout(FLUSH_WITHIN, self.client.flush()).await;
        tracing::info!("stopped");
    }
}

async fn log_end<E: std::fmt::Display>(what: &'static str, task: impl Future<Output = Result<(), E>>) {
    if let Err(error) = task.await {
        tracing::error!(what, error = %error, "a part of the worker ended");
    }
}

async fn tell_events(broker: Arc<NatsBroker>, mut events: mpsc::Receiver<Heard>, stop: CancellationToken) {
    use crate::ports::Broker as _;
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.recv() => event,
        };
        match event {
            None => return,
            Some(Heard::Event(tenant, event)) => broker.tell(&tenant, &event).await,
            // whoever asked may be gone
            Some(Heard::Flush(flushed)) => drop(flushed.send(())),
        }
    }
}

/// Puts jobs back that never began here.
async fn release_all(settler: Arc<Settler>, jobs: Vec<Delivery>) {
    let settler = &settler;
    let release = |job: Delivery| async move { settler.release(&job.lease, None).await };
    futures::stream::iter(jobs).for_each_concurrent(RELEASED_TOGETHER, release).await;
}

/// Extends the leases of what waits and runs here, and gives back what waits too long.
async fn keep_leases(settler: Arc<Settler>, leases: Arc<Leases>, intake: Arc<Intake>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(LEASES_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let stale = intake.stale(BUFFERED_MAX);
        if !stale.is_empty() {
            // apart, so that no lease waits for it; ends by itself, since each answer of the broker is waited for in time
            tokio::spawn(release_all(settler.clone(), stale));
        }
        for address in leases.due(EXTEND_AFTER) {
            settler.extend(&address).await;
        }
    }
}

/// Follows limits and pauses; they were read once before, so nothing waits for this.
async fn follow_rules(
    js: &jetstream::Context,
    rules: &Arc<Rules>,
    permits: &Arc<Permits>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> anyhow::Result<()> {
    let bucket = js.get_key_value(lovage_job::subject::asset::CONTROL).await?;
    for pattern in PATTERNS {
        let (bucket, rules, permits) = (bucket.clone(), rules.clone(), permits.clone());
        let (stop, waking) = (stop.clone(), tracker.clone());
        tracker.spawn(async move {
            let each = |change| {
                if let Some((tenant, change)) = rules.apply(&change) {
                    let permits = permits.clone();
                    waking.spawn(async move { permits.heed(&tenant, &change).await });
                }
                std::future::ready(())
            };
            watch(&bucket, pattern, &stop, None, each).await;
        });
    }
    Ok(())
}

async fn follow_cancels(
    js: &jetstream::Context,
    cancels: &Arc<Cancels>,
    running: &Arc<Running>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> anyhow::Result<()> {
    let bucket = js.get_key_value(lovage_job::subject::asset::CONTROL).await?;
    let (cancels, running, stop) = (cancels.clone(), running.clone(), stop.clone());
    let (caught_up, ready) = tokio::sync::oneshot::channel();
    tracker.spawn(async move {
        let each = |change| {
            if let Some(Cancelled { tenant, id, reason, grace }) = cancels.apply(&change) {
                running.cancel(&tenant, &id, &reason, grace);
            }
            std::future::ready(())
        };
        watch(&bucket, "*.cancel.*", &stop, Some(caught_up), each).await;
    });
    ready.await.context("the cancels cannot be read")
}

/// Applies the catalogue as it changes. Each task is made ready on its own, so that a slow compilation holds up no
/// other task.
async fn follow_catalog(catalog: &Catalog, live: &Arc<Live>, stop: &CancellationToken, tracker: &TaskTracker) {
    let (catalog, live, stop) = (catalog.clone(), live.clone(), stop.clone());
    let (caught_up, ready) = tokio::sync::oneshot::channel();
    tracker.spawn(async move {
        let mut appliers = crate::registry::live::Appliers::new(live);
        let each = |change: crate::nats::control::Change| {
            appliers.change(&change.key, change.value.as_deref());
            std::future::ready(())
        };
        watch(catalog.bucket(), "*.task.*", &stop, Some(caught_up), each).await;
    });
    // a catalogue that cannot be watched yet is asked for each job
    let _not_needed_to_begin = tokio::time::timeout(FLUSH_WITHIN, ready).await;
}

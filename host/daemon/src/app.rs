//! The worker, put together. This is the one place that knows every room.

mod upkeep;

use crate::audit::Auditor;
use crate::config::{Isolation, RunnerFile, StorageFile, WorkerFile};
use crate::egress::{Egress, Names};
use crate::intake::Intake;
use crate::lease::Leases;
use crate::nats::allowance::Allowances;
use crate::nats::audit::NatsAuditor;
use crate::nats::broker::NatsBroker;
use crate::nats::control::Cancels;
use crate::nats::deaths::DeathNotes;
use crate::nats::errands::NatsErrands;
use crate::nats::logs::Logs;
use crate::nats::meter::Meters;
use crate::nats::permits::Permits;
use crate::nats::puller::SourceName;
use crate::nats::records::Records;
use crate::nats::room::watch_over;
use crate::nats::rules::Rules;
use crate::nats::secrets::SecretStore;
use crate::nats::settle::Settler;
use crate::nats::storage::{NatsStorage, StorageQuota};
use crate::nats::store::{Catalog, Components, Payloads, Results};
use crate::nats::topology::{self, TopologyConfig};
use crate::pipeline::{Guests, GuestsConfig, Running, Shared};
use crate::presence::{Presence, announce};
use crate::registry::gate::Gate;
use crate::registry::ground::Ground;
use crate::registry::live::Live;
use crate::registry::load::Loader;
use crate::runners::{Runners, RunnersConfig};
use crate::tenant_book::TenantBook;
use crate::tenants::{PREPARED_TOGETHER, Tenants};
use crate::usage::Usage;
use crate::webhook::courier::HttpCourier;
use anyhow::Context as _;
use async_nats::Client;
use async_nats::jetstream;
use lovage_job::name::{JobId, QueueName};
use lovage_job::worker::WorkerMode;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch as signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use upkeep::{
    follow_cancels, follow_catalog, follow_deaths, follow_rules, keep_leases, log_end, release_all, tell_events,
};

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
    /// What secrets are opened with, where this worker has it.
    pub keys: Option<crate::secrets::KeyRing>,
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
    book: Arc<TenantBook>,
    drain: Duration,
}

/// The engine and the compiler of a worker, or of a push.
pub fn engine(
    file: &WorkerFile,
    concurrency: usize,
    cache_dir: &std::path::Path,
    compiler: &(PathBuf, Vec<std::ffi::OsString>),
) -> anyhow::Result<(lovage_sandbox::Sandbox, lovage_sandbox::Compiler)> {
    let sandbox = lovage_sandbox::Sandbox::new(sandbox_config(file, concurrency))?;
    Ok((sandbox, self::compiler(file, cache_dir, compiler)?))
}

fn sandbox_config(file: &WorkerFile, concurrency: usize) -> lovage_sandbox::SandboxConfig {
    lovage_sandbox::SandboxConfig {
        concurrency,
        memory_budget: file.memory_budget,
        memory_max: file.limit_policy().ceiling.memory,
        stack_max: file.stack,
        ..lovage_sandbox::SandboxConfig::default()
    }
}

fn compiler(
    file: &WorkerFile,
    cache_dir: &std::path::Path,
    compiler: &(PathBuf, Vec<std::ffi::OsString>),
) -> anyhow::Result<lovage_sandbox::Compiler> {
    let cache = lovage_sandbox::ArtifactCache::open(cache_dir)?;
    let limits = lovage_sandbox::CompileLimits {
        cpu_seconds: file.compile.cpu_seconds,
        memory_bytes: file.compile.memory.0,
        wall: file.compile.wall,
    };
    let (program, args) = compiler.clone();
    Ok(lovage_sandbox::Compiler::new(program, args, limits, cache))
}

/// The runners of a worker whose jobs run apart, after a look at what holds one on this machine.
async fn runners(options: &WorkerOptions, concurrency: usize) -> anyhow::Result<Option<Arc<Runners>>> {
    let RunnerFile { idle_max, idle } = options.file.runner;
    if options.file.isolation == Isolation::InProcess {
        return Ok(None);
    }
    let runner = lovage_sandbox::RunnerConfig {
        program: options.compiler.0.clone(),
        args: vec![crate::cli::RUNNER.into()],
        sandbox: sandbox_config(&options.file, concurrency),
        threads: std::thread::available_parallelism().map_or(1, usize::from).min(concurrency),
    };
    let runners = Runners::new(RunnersConfig { runner, idle_max, idle })?;
    let held = runners.probe().await.context("jobs cannot run apart on this machine")?;
    if held.is_full() {
        tracing::info!(limits = ?held.limits, "runners are jailed: seccomp, landlock");
    } else {
        tracing::warn!(landlock = %held.landlock, limits = ?held.limits, "runners are jailed by seccomp, and not fully by landlock");
    }
    Ok(Some(runners))
}

/// Where jobs run.
fn ground(options: &WorkerOptions, concurrency: usize, runners: Option<Arc<Runners>>) -> anyhow::Result<Ground> {
    if let Some(runners) = runners {
        return Ok(Ground::Apart(runners));
    }
    let sandbox = lovage_sandbox::Sandbox::new(sandbox_config(&options.file, concurrency))?;
    tracing::info!(reset = ?sandbox.reset_mode(), concurrency, "sandbox ready");
    Ok(Ground::Here(sandbox))
}

/// The versions that this worker makes ready, and what makes them.
async fn versions(
    options: &WorkerOptions,
    concurrency: usize,
    runners: Option<Arc<Runners>>,
    js: &jetstream::Context,
    catalog: &Catalog,
    book: &Arc<TenantBook>,
    auditor: Arc<dyn Auditor>,
) -> anyhow::Result<Arc<Live>> {
    let compiler = compiler(&options.file, &options.cache_dir, &options.compiler)?;
    let all = concurrency + GuestsConfig::light(concurrency);
    let ground = ground(options, all, runners)?;
    let components = Components::new(js.clone());
    let gate = Gate::new(book.clone(), Records::open(js).await?, auditor.clone());
    let loader = Loader::new(ground, compiler, catalog.clone(), components, options.file.limit_policy(), gate);
    Ok(Arc::new(Live::new(loader, catalog.clone(), book.clone(), auditor)))
}

/// What tasks keep.
async fn storage(
    options: &WorkerOptions,
    js: &jetstream::Context,
    topology: TopologyConfig,
) -> anyhow::Result<NatsStorage> {
    let StorageFile { keyvalue, blobstore } = options.file.storage;
    let quota = StorageQuota { keyvalue, blobstore, replicas: topology.replicas };
    let secrets = SecretStore::open(js, topology).await?;
    Ok(NatsStorage::new(js.clone(), quota, secrets, options.keys.clone()))
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
        let (book, usage) = (Arc::new(TenantBook::default()), Arc::new(Usage::default()));
        let (queues, counted) = (options.queues.iter().map(|(name, _)| name.clone()).collect(), running.clone());
        let runners = runners(&options, concurrency).await?;
        let counted = move || counted.count();
        let presence =
            Presence::new(options.name.clone(), queues, concurrency, rules.clone(), counted, runners.clone());
        announce(&client, &presence, &stop_all, &tracker).await?;
        topology::ensure_shared(&js, topology).await?;
        rules.load(&client).await.context("the limits and pauses cannot be read")?;
        let permits = Permits::new(client.clone(), rules.clone(), tokio::runtime::Handle::current());

        let policy = options.file.limit_policy();
        let catalog = Catalog::open(&js).await?;
        let (auditor, audit) = NatsAuditor::new(client.clone(), options.name.to_string(), stop_all.clone());
        tracker.spawn(audit);
        let live = versions(&options, concurrency, runners, &js, &catalog, &book, auditor.clone()).await?;

        let cancels = Arc::new(Cancels::default());
        let deaths = Arc::new(DeathNotes::new(js.get_key_value(lovage_job::subject::asset::CONTROL).await?));
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
                deaths: deaths.clone(),
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
            egress: Arc::new(Egress::new(
                tokio::runtime::Handle::current(),
                Names::System,
                options.file.egress.allow_private,
            )),
            auditor: auditor.clone(),
            errands: Arc::new(NatsErrands::open(client.clone(), &js).await?),
            usage: usage.clone(),
            storage: Arc::new(storage(&options, &js, topology).await?),
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
        let instance = uuid::Uuid::now_v7().to_string();
        let allowances = Allowances::new(book.clone(), usage.clone(), rules.clone());
        tracker.spawn(allowances.clone().run(stop_intake.clone()));
        tracker.spawn(watch_over(js.clone(), book.clone(), allowances.clone(), stop_intake.clone()));
        let meters = Meters { client: client.clone(), usage, book: book.clone(), instance };
        tracker.spawn(meters.run(stop_all.clone()));
        follow_rules(&js, &rules, &permits, &stop_all, &tracker).await?;
        follow_cancels(&js, &cancels, &running, &stop_all, &tracker).await?;
        follow_deaths(&js, &deaths, &stop_all, &tracker).await?;
        follow_catalog(&catalog, &live, &stop_all, &tracker).await;
        let (missing, misses) = mpsc::channel::<SourceName>(64);
        let tenants = Arc::new(Tenants {
            client: client.clone(),
            book: book.clone(),
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
            permits: permits.clone(),
            crowd: Arc::default(),
            preparing: tokio::sync::Semaphore::new(PREPARED_TOGETHER),
            departed: {
                let (running, allowances) = (running.clone(), allowances);
                Box::new(move |tenant| {
                    running.interrupt_tenant(tenant);
                    allowances.forget(tenant);
                })
            },
            served: std::sync::Mutex::default(),
        });
        tenants.follow(misses).await?;
        crate::planner::start(&js, &stop_intake, &tracker).await?;
        let drain = options.file.drain;
        Ok(Self {
            stop_intake,
            stop_all,
            tracker,
            intake,
            running,
            settler,
            guests,
            client,
            permits,
            presence,
            book,
            drain,
        })
    }

    /// What this worker knows of its tenants.
    pub fn tenants(&self) -> Arc<TenantBook> {
        self.book.clone()
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

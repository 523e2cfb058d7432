//! What the parts of a worker share, and how each part is made of it.

use super::upkeep::{follow_cancels, follow_catalog, follow_deaths, follow_rules, keep_leases, log_end};
use super::{WorkerOptions, ground};
use crate::audit::Auditor;
use crate::counters::Counters;
use crate::egress::{Egress, Names};
use crate::intake::Intake;
use crate::lease::Leases;
use crate::nats::allowance::Allowances;
use crate::nats::broker::NatsBroker;
use crate::nats::control::Cancels;
use crate::nats::deaths::DeathNotes;
use crate::nats::errands::NatsErrands;
use crate::nats::headroom::Headroom;
use crate::nats::logs::Logs;
use crate::nats::meter::Meters;
use crate::nats::permits::Permits;
use crate::nats::puller::SourceName;
use crate::nats::records::Records;
use crate::nats::room::watch_over;
use crate::nats::rules::Rules;
use crate::nats::secrets::SecretStore;
use crate::nats::settle::Settler;
use crate::nats::storage::{NatsStorage, StorageLimits};
use crate::nats::store::{Catalog, Components, Payloads, Results};
use crate::nats::topology::TopologyConfig;
use crate::pipeline::{GuestsConfig, Heard, Running, Shared};
use crate::ports::Tracer;
use crate::presence::Presence;
use crate::registry::gate::Gate;
use crate::registry::live::Live;
use crate::registry::load::Loader;
use crate::runners::Runners;
use crate::telemetry::{WorkerMetrics, WorkerParts};
use crate::tenant_book::TenantBook;
use crate::tenants::{PREPARED_TOGETHER, Tenants};
use crate::usage::Usage;
use crate::webhook::courier::HttpCourier;
use async_nats::Client;
use async_nats::jetstream;
use lovage_sandbox::Groups;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch as signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The cores there are; one where that cannot be told.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Attempts at once of a worker that was asked for so many, or for nothing.
pub(crate) fn concurrency(asked: Option<usize>) -> usize {
    asked.unwrap_or(8 * cores())
}

/// What the parts of a worker share.
pub(super) struct Base {
    pub(super) options: WorkerOptions,
    pub(super) client: Client,
    pub(super) js: jetstream::Context,
    pub(super) topology: TopologyConfig,
    /// Attempts at once, without those of light tenants.
    pub(super) concurrency: usize,
    /// Ends what brings new jobs.
    pub(super) stop_intake: CancellationToken,
    /// Ends everything, after the last job.
    pub(super) stop_all: CancellationToken,
    pub(super) tracker: TaskTracker,
    pub(super) running: Arc<Running>,
    pub(super) rules: Arc<Rules>,
    pub(super) book: Arc<TenantBook>,
    pub(super) counters: Arc<Counters>,
    usage: Arc<Usage>,
    headroom: Arc<Headroom>,
    cancels: Arc<Cancels>,
}

impl Base {
    /// What is there before anything is asked of the broker.
    pub(super) fn new(options: WorkerOptions, client: Client) -> Self {
        let file = &options.file;
        let topology = TopologyConfig {
            replicas: file.replicas,
            jobs_max: file.jobs_max,
            keyvalue: file.storage.keyvalue,
            blobstore: file.storage.blobstore,
            ..TopologyConfig::default()
        };
        let concurrency = concurrency(file.concurrency);
        let queues = options.queues.iter().map(|(name, _)| name);
        let counters = Arc::new(Counters::new(queues, file.metrics.tenants()));
        Self {
            js: jetstream::new(client.clone()),
            options,
            client,
            topology,
            concurrency,
            stop_intake: CancellationToken::new(),
            stop_all: CancellationToken::new(),
            tracker: TaskTracker::new(),
            running: Arc::default(),
            rules: Arc::default(),
            book: Arc::default(),
            counters,
            usage: Arc::default(),
            headroom: Arc::default(),
            cancels: Arc::default(),
        }
    }

    /// What is told of this worker.
    pub(super) fn presence(&self, runners: Option<Arc<Runners>>) -> Arc<Presence> {
        let (name, queues) = (self.options.name.clone(), self.options.queues.clone());
        Presence::new(name, queues, self.concurrency, self.rules.clone(), self.running.clone(), runners)
    }

    fn tracer(&self) -> Option<Arc<dyn Tracer>> {
        self.options.traces.clone().map(|traces| traces as Arc<dyn Tracer>)
    }

    /// What is shown of this worker.
    pub(super) fn metrics(
        &self,
        settler: &Arc<Settler>,
        leases: &Arc<Leases>,
        presence: &Arc<Presence>,
    ) -> Arc<WorkerMetrics> {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (running, leases) = (self.running.clone(), leases.clone());
        let (settler, presence, capacity) = (settler.clone(), presence.clone(), presence.clone());
        let metrics = WorkerMetrics::new(WorkerParts {
            counters: self.counters.clone(),
            client: self.client.clone(),
            concurrency: Box::new(move || count(capacity.concurrency())),
            running: Box::new(move || count(running.count())),
            held: Box::new(move || count(leases.count())),
            pending: Box::new(move || count(settler.pending())),
            mode: Box::new(move || presence.mode()),
        });
        self.tracker.spawn(metrics.clone().beat(self.stop_all.clone()));
        metrics
    }

    /// The versions that this worker makes ready, and what makes them.
    pub(super) async fn versions(
        &self,
        (groups, runners): (Option<Arc<Groups>>, Option<Arc<Runners>>),
        catalog: &Catalog,
        auditor: Arc<dyn Auditor>,
    ) -> anyhow::Result<Arc<Live>> {
        let options = &self.options;
        let compiler = ground::compiler(&options.file, &options.cache_dir, &options.compiler, groups)?;
        let all = self.concurrency + GuestsConfig::light(self.concurrency);
        let ground = ground::ground(options, all, runners)?;
        let components = Components::new(self.js.clone());
        let gate = Gate::new(self.book.clone(), Records::open(&self.js).await?, auditor.clone());
        let (policy, counters) = (options.file.limit_policy(), self.counters.clone());
        let loader =
            Loader::new(ground, compiler, catalog.clone(), components, policy, gate, (counters, self.tracer()));
        Ok(Arc::new(Live::new(loader, catalog.clone(), self.book.clone(), auditor)))
    }

    /// The broker as jobs need it.
    pub(super) async fn broker(&self) -> anyhow::Result<NatsBroker> {
        let payloads = Payloads::new(self.js.clone());
        let control = self.js.get_key_value(lovage_job::subject::asset::CONTROL).await?;
        Ok(NatsBroker {
            client: self.client.clone(),
            settler: Settler::new(self.client.clone(), payloads.clone(), self.counters.clone()),
            results: Results::new(self.client.clone()),
            payloads,
            logs: Logs::new(self.client.clone(), self.options.file.replicas),
            cancels: self.cancels.clone(),
            deaths: Arc::new(DeathNotes::new(control)),
            rules: self.rules.clone(),
            permits: Permits::new(self.client.clone(), self.rules.clone(), Handle::current()),
            runtime: Handle::current(),
        })
    }

    /// What every attempt needs.
    pub(super) async fn shared(
        &self,
        broker: Arc<NatsBroker>,
        tasks: Arc<Live>,
        auditor: Arc<dyn Auditor>,
        heard: mpsc::Sender<Heard>,
    ) -> anyhow::Result<Shared<NatsBroker, Live>> {
        let (client, file) = (&self.client, &self.options.file);
        Ok(Shared {
            broker,
            tasks,
            running: self.running.clone(),
            worker: self.options.name.as_str().into(),
            ceiling: file.limit_policy().ceiling,
            heard,
            courier: Arc::new(HttpCourier::new(client.clone(), Handle::current(), file.webhook.allow_private)),
            egress: Arc::new(Egress::new(Handle::current(), Names::System, file.egress.allow_private)),
            auditor,
            errands: Arc::new(NatsErrands::new(client.clone())),
            tracer: self.tracer(),
            counters: self.counters.clone(),
            usage: self.usage.clone(),
            storage: Arc::new(self.storage().await?),
            fanout: file.submit.fanout,
            result_keep: file.result_keep,
        })
    }

    /// What tasks keep.
    async fn storage(&self) -> anyhow::Result<NatsStorage> {
        let (book, headroom) = (self.book.clone(), self.headroom.clone());
        let limits = StorageLimits { topology: self.topology, book, headroom };
        let secrets = SecretStore::open(&self.js, self.topology).await?;
        Ok(NatsStorage::new(self.js.clone(), limits, secrets, self.options.keys.clone()))
    }

    /// Keeps what this worker has of the broker: leases, permits, and ends on their way.
    pub(super) fn keep(&self, broker: &NatsBroker, intake: &Arc<Intake>, leases: &Arc<Leases>) {
        let settler = &broker.settler;
        self.tracker.spawn(log_end("settler", settler.clone().run(self.stop_all.clone())));
        self.tracker.spawn(keep_leases(settler.clone(), leases.clone(), intake.clone(), self.stop_all.clone()));
        self.tracker.spawn(broker.permits.clone().run(self.stop_all.clone()));
    }

    /// Counts what tenants use, and holds them to it.
    pub(super) fn count(&self) -> Arc<Allowances> {
        let (book, usage, rules) = (self.book.clone(), self.usage.clone(), self.rules.clone());
        let allowances = Allowances::new(book, usage, rules, self.headroom.clone());
        self.tracker.spawn(allowances.clone().run(self.stop_intake.clone()));
        let (js, book) = (self.js.clone(), self.book.clone());
        self.tracker.spawn(watch_over(js, book, allowances.clone(), self.stop_intake.clone()));
        let (client, usage, book) = (self.client.clone(), self.usage.clone(), self.book.clone());
        let instance = uuid::Uuid::now_v7().to_string();
        self.tracker.spawn(Meters { client, usage, book, instance }.run(self.stop_all.clone()));
        allowances
    }

    /// Follows what is changed from outside: limits, cancels, deaths of runners, and the catalogue.
    pub(super) async fn follow(&self, broker: &NatsBroker, catalog: &Catalog, live: &Arc<Live>) -> anyhow::Result<()> {
        let (js, stop, tracker) = (&self.js, &self.stop_all, &self.tracker);
        follow_rules(js, &self.rules, &broker.permits, stop, tracker).await?;
        follow_cancels(js, &self.cancels, &self.running, stop, tracker).await?;
        follow_deaths(js, &broker.deaths, stop, tracker).await?;
        follow_catalog(catalog, live, stop, tracker).await;
        Ok(())
    }

    /// What serves every tenant.
    pub(super) fn tenants(
        &self,
        broker: &NatsBroker,
        intake: &Arc<Intake>,
        leases: Arc<Leases>,
        connections: signal::Receiver<u64>,
        missing: mpsc::Sender<SourceName>,
        allowances: Arc<Allowances>,
    ) -> Arc<Tenants> {
        let running = self.running.clone();
        Arc::new(Tenants {
            client: self.client.clone(),
            book: self.book.clone(),
            js: self.js.clone(),
            topology: self.topology,
            queues: signal::Sender::new(self.options.queues.clone()),
            strict: self.options.file.strict,
            rules: self.rules.clone(),
            intake: intake.clone(),
            leases,
            connections,
            settler: broker.settler.clone(),
            missing,
            stop: self.stop_intake.clone(),
            tracker: self.tracker.clone(),
            permits: broker.permits.clone(),
            crowd: Arc::default(),
            preparing: tokio::sync::Semaphore::new(PREPARED_TOGETHER),
            departed: Box::new(move |tenant| {
                running.interrupt_tenant(tenant);
                allowances.forget(tenant);
            }),
            served: std::sync::Mutex::default(),
        })
    }
}

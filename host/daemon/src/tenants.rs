//! Serves tenants as their records say: their streams and consumers are made, each lane of each queue is pulled, a
//! changed record applies at once, and one that is removed ends the pulls and leaves nothing of the tenant here.

mod pulls;

use crate::intake::{Intake, Share};
use crate::lease::Leases;
use crate::nats::control::watch;
use crate::nats::permits::Permits;
use crate::nats::puller::SourceName;
use crate::nats::quotas::{self, Applied};
use crate::nats::records::Records;
use crate::nats::rules::Rules;
use crate::nats::settle::Settler;
use crate::nats::sweep::sweep;
use crate::nats::topology::{self, TopologyConfig};
use crate::tenant_book::TenantBook;
use async_nats::Client;
use async_nats::jetstream::Context;
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::{Lane, asset};
use lovage_job::tenant::{Quota, TenantRecord};
use lovage_job::unit::UnixMs;
use pulls::Pulls;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch as signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The pause before a tenant whose streams cannot be made is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Tenants that are prepared at once.
pub const PREPARED_TOGETHER: usize = 16;

/// What it takes to serve tenants.
pub struct Tenants {
    /// The connection.
    pub client: Client,
    /// JetStream on it.
    pub js: Context,
    /// What streams are made with.
    pub topology: TopologyConfig,
    /// What is known of each tenant.
    pub book: Arc<TenantBook>,
    /// The queues that are served, with their weights; may change.
    pub queues: signal::Sender<Vec<(QueueName, usize)>>,
    /// Whether the queues are served strictly in their order.
    pub strict: bool,
    /// Which queues are paused.
    pub rules: Arc<Rules>,
    /// Where jobs go.
    pub intake: Arc<Intake>,
    /// Where leases are kept.
    pub leases: Arc<Leases>,
    /// Counts how often the connection was made.
    pub connections: signal::Receiver<u64>,
    /// Buries what cannot be received.
    pub settler: Arc<Settler>,
    /// Told of missing consumers.
    pub missing: mpsc::Sender<SourceName>,
    /// Ends the pulls.
    pub stop: CancellationToken,
    /// Owns the pulls.
    pub tracker: TaskTracker,
    /// What this worker's jobs hold under limits.
    pub permits: Arc<Permits>,
    /// How many sources are pulled.
    pub crowd: Arc<AtomicUsize>,
    /// Bounds how many tenants are prepared at once.
    pub preparing: Semaphore,
    /// Told of each tenant that is removed, once nothing more is pulled for it.
    pub departed: Box<dyn Fn(&TenantName) + Send + Sync>,
    /// Who is served.
    pub served: Mutex<HashMap<TenantName, Served>>,
}

/// A tenant that is served, or is about to be.
#[derive(Debug)]
pub struct Served {
    /// What its record says; nothing where it has none any more.
    wanted: signal::Sender<Wanted>,
    /// When its stream of jobs was created, in Unix milliseconds.
    created: Arc<AtomicU64>,
}

/// What is wanted for a tenant.
#[derive(Debug, Clone)]
enum Wanted {
    /// To be served under this quota.
    Serve(Quota),
    /// To be served no more.
    Leave,
}

impl Tenants {
    /// Serves every tenant there is and every one to come. Returns once those there are now are served, or were tried.
    pub async fn follow(self: Arc<Self>, misses: mpsc::Receiver<SourceName>) -> anyhow::Result<()> {
        let bucket = self.js.get_key_value(asset::TENANTS).await?;
        let default = TenantName::default_tenant();
        Records::open(&self.js).await?.register(&default).await?;
        // what cannot be made for this one can be made for nobody: better told now
        self.prepare(&default, &Quota::default()).await?;
        let (caught_up, ready) = oneshot::channel();
        let firsts = Arc::new(Mutex::new(Vec::new()));
        let (all, tries) = (self.clone(), firsts.clone());
        self.tracker.spawn(async move {
            let each = |change: crate::nats::control::Change| {
                if let Ok(tenant) = change.key.parse::<TenantName>() {
                    match change.value.as_deref() {
                        Some(value) => all.come(tenant, value, &tries),
                        None => all.leave(&tenant),
                    }
                }
                std::future::ready(())
            };
            watch(&bucket, ">", &all.stop, Some(caught_up), each).await;
        });
        self.tracker.spawn(self.clone().mend(misses));
        self.tracker.spawn(self.clone().sweep_after_connects());
        let _later_tenants_come_by_themselves = ready.await;
        let firsts = std::mem::take(&mut *firsts.lock().unwrap_or_else(PoisonError::into_inner));
        // an end without a word is that of the worker
        let _tried: Vec<Result<(), oneshot::error::RecvError>> = futures::future::join_all(firsts).await;
        Ok(())
    }

    /// A tenant's record was written.
    fn come(self: &Arc<Self>, tenant: TenantName, value: &[u8], firsts: &Mutex<Vec<oneshot::Receiver<()>>>) {
        self.note(&tenant, value);
        let record = self.book.get(&tenant);
        let quota = record.as_ref().map(|record| record.quota.clone()).unwrap_or_default();
        let share = Share { weight: record.map_or(1, |record| record.weight), most: quota.concurrency };
        self.intake.set_share(&tenant, share);
        let mut served = self.served();
        if let Some(served) = served.get(&tenant) {
            served.wanted.send_replace(Wanted::Serve(quota));
            return;
        }
        let (wanted, wants) = signal::channel(Wanted::Serve(quota));
        let created = Arc::new(AtomicU64::new(0));
        served.insert(tenant.clone(), Served { wanted, created: created.clone() });
        let (tried, first) = oneshot::channel();
        firsts.lock().unwrap_or_else(PoisonError::into_inner).push(first);
        self.tracker.spawn(self.clone().keep(tenant, wants, created, tried));
    }

    /// A tenant's record was removed.
    fn leave(&self, tenant: &TenantName) {
        self.book.remove(tenant);
        if let Some(served) = self.served().get(tenant) {
            served.wanted.send_replace(Wanted::Leave);
        }
    }

    /// Does what is wanted for one tenant, until its record is removed or the worker stops. What fails is tried again,
    /// which holds up no other tenant.
    async fn keep(
        self: Arc<Self>,
        tenant: TenantName,
        mut wants: signal::Receiver<Wanted>,
        created: Arc<AtomicU64>,
        tried: oneshot::Sender<()>,
    ) {
        let mut tried = Some(tried);
        let mut pulls: Option<Pulls> = None;
        let mut queues = self.queues.subscribe();
        loop {
            queues.mark_unchanged();
            let wanted = wants.borrow_and_update().clone();
            let done = match wanted {
                Wanted::Serve(quota) => self.serve(&tenant, &quota, &created, &mut pulls).await,
                Wanted::Leave => {
                    self.end_pulls(&tenant, pulls.take()).await;
                    let mut served = self.served();
                    if matches!(*wants.borrow(), Wanted::Leave) {
                        served.remove(&tenant);
                        return;
                    }
                    Ok(())
                }
            };
            if let Some(tried) = tried.take() {
                let _nobody_waits_for_later_ones = tried.send(());
            }
            let failed = done.is_err();
            if let Err(error) = done {
                tracing::warn!(tenant = %tenant, error = %error, "tenant not served as its record says yet");
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = wants.changed() => if changed.is_err() { return },
                changed = queues.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(PAUSE), if failed => {}
            }
        }
    }

    fn served(&self) -> MutexGuard<'_, HashMap<TenantName, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the record of a tenant. One that cannot be read leaves the one before in force: nothing is granted by it.
    fn note(&self, tenant: &TenantName, value: &[u8]) {
        match serde_json::from_slice::<TenantRecord>(value) {
            Ok(record) if record.tenant == *tenant => return self.book.put(record),
            Ok(record) => tracing::warn!(tenant = %tenant, says = %record.tenant, "a tenant's record is of another"),
            Err(error) => tracing::warn!(tenant = %tenant, error = %error, "a tenant's record cannot be read"),
        }
        self.book.spoil(tenant);
    }

    /// Makes what a tenant needs at the broker. Returns when its stream of jobs was created.
    async fn prepare(&self, tenant: &TenantName, quota: &Quota) -> Result<UnixMs, topology::TopologyError> {
        // at the start of a worker there may be very many
        let _turn = self.preparing.acquire().await;
        let created = topology::ensure_tenant(&self.js, tenant, self.topology).await?;
        self.limit(tenant, quota).await?;
        for (queue, _) in self.queues() {
            for lane in Lane::ALL {
                let queue = &queue;
                topology::ensure_consumer(&self.js, tenant, queue, lane, self.topology).await?;
            }
        }
        Ok(created)
    }

    /// Puts the limits of a quota on a tenant's streams. What can only be done later is an error: it is tried again.
    async fn limit(&self, tenant: &TenantName, quota: &Quota) -> Result<(), topology::TopologyError> {
        match quotas::apply(&self.js, tenant, Some(self.topology), quota).await? {
            Applied::Whole => Ok(()),
            Applied::Later(reason) => Err(topology::TopologyError { asset: asset::jobs(tenant), reason }),
        }
    }

    /// Sees that a tenant is served under a quota.
    async fn serve(
        &self,
        tenant: &TenantName,
        quota: &Quota,
        created: &Arc<AtomicU64>,
        pulls: &mut Option<Pulls>,
    ) -> Result<(), topology::TopologyError> {
        self.settler.welcome(tenant, quota.schedule_bytes());
        if let Some(change) = self.rules.set_concurrency(tenant, quota.concurrency) {
            let (permits, tenant) = (self.permits.clone(), tenant.clone());
            // ends by itself after a few tries
            self.tracker.spawn(async move { permits.heed(&tenant, &change).await });
        }
        let queues = self.queues();
        if let Some(pulls) = pulls {
            self.limit(tenant, quota).await?;
            return self.serve_queues(tenant, &queues, (created, pulls)).await;
        }
        created.store(self.prepare(tenant, quota).await?.0, Ordering::Relaxed);
        let mut begun = Pulls::new(&self.stop);
        begun.begin(self, tenant, &queues, created);
        *pulls = Some(begun);
        tracing::info!(tenant = %tenant, "tenant served");
        Ok(())
    }

    /// The queues that are served, with their weights.
    pub fn queues(&self) -> Vec<(QueueName, usize)> {
        self.queues.borrow().clone()
    }

    /// Serves other queues from now on. What waits here of one that is served no more goes back.
    pub fn set_queues(&self, queues: Vec<(QueueName, usize)>) {
        self.queues.send_replace(queues);
    }

    /// Ends the pulls of a tenant: what waits here goes back, what runs is cut short, and nothing more is written.
    async fn end_pulls(&self, tenant: &TenantName, pulls: Option<Pulls>) {
        self.settler.depart(tenant);
        (self.departed)(tenant);
        if let Some(pulls) = pulls {
            pulls.end().await;
            tracing::info!(tenant = %tenant, "tenant served no more");
        }
        // again, for what was taken meanwhile
        (self.departed)(tenant);
        self.intake.forget_share(tenant);
        let _nothing_waits_any_more = self.rules.set_concurrency(tenant, None);
    }

    /// After each connection that was made anew, looks for messages that no worker can receive: they may be why the
    /// one before ended.
    async fn sweep_after_connects(self: Arc<Self>) {
        let mut connections = self.connections.clone();
        connections.mark_unchanged();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = connections.changed() => if changed.is_err() { return },
            }
            let served: Vec<(TenantName, u64)> = {
                let served = self.served();
                served.iter().map(|(tenant, served)| (tenant.clone(), served.created.load(Ordering::Relaxed))).collect()
            };
            for (tenant, created) in served {
                for (queue, _) in self.queues() {
                    for lane in Lane::ALL {
                        let name = SourceName { tenant: tenant.clone(), queue: queue.clone(), lane };
                        if let Err(error) = sweep(&self.js, &self.settler, &name, created).await {
                            tracing::debug!(tenant = %tenant, queue = %queue, error = %error, "sweep not finished");
                        }
                    }
                }
            }
        }
    }

    /// Whether a tenant has a record at this moment.
    async fn is_noted(&self, tenant: &TenantName) -> anyhow::Result<bool> {
        let bucket = self.js.get_key_value(asset::TENANTS).await?;
        Ok(bucket.get(tenant.as_str()).await?.is_some())
    }

    /// Makes consumers again that someone removed, and says so: a worker must not sit silently on a missing queue.
    async fn mend(self: Arc<Self>, mut misses: mpsc::Receiver<SourceName>) {
        loop {
            let miss = tokio::select! {
                () = self.stop.cancelled() => return,
                miss = misses.recv() => miss,
            };
            let Some(miss) = miss else { return };
            // of a tenant that is being removed the consumers go, too, and must not come again
            if !matches!(self.is_noted(&miss.tenant).await, Ok(true)) {
                continue;
            }
            let made = async {
                let created = topology::ensure_tenant(&self.js, &miss.tenant, self.topology).await?;
                // a stream that was made anew counts from 1 again: ids of plain jobs must not repeat
                if let Some(known) = self.served().get(&miss.tenant) {
                    known.created.store(created.0, Ordering::Relaxed);
                }
                if let Some(record) = self.book.get(&miss.tenant) {
                    self.limit(&miss.tenant, &record.quota).await?;
                }
                topology::ensure_consumer(&self.js, &miss.tenant, &miss.queue, miss.lane, self.topology).await
            };
            match made.await {
                Ok(_) => {
                    tracing::debug!(tenant = %miss.tenant, queue = %miss.queue, lane = %miss.lane, "consumer there")
                }
                Err(error) => {
                    tracing::warn!(tenant = %miss.tenant, queue = %miss.queue, error = %error, "consumer missing")
                }
            }
        }
    }
}

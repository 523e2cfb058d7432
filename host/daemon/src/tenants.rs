//! Serves tenants as they come: their streams and consumers are made, and each lane of each queue is pulled.

use crate::intake::Intake;
use crate::lease::Leases;
use crate::nats::control::watch;
use crate::nats::puller::{Puller, SourceName};
use crate::nats::rules::Rules;
use crate::nats::settle::Settler;
use crate::nats::sweep::sweep;
use crate::nats::topology::{self, TopologyConfig};
use crate::tenant_book::TenantBook;
use async_nats::Client;
use async_nats::jetstream::Context;
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::{Lane, asset};
use lovage_job::tenant::TenantRecord;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch as signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The pause before a tenant whose streams cannot be made is tried again.
const PAUSE: Duration = Duration::from_secs(1);

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
    /// The queues that are served, with their weights.
    pub queues: Vec<(QueueName, usize)>,
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
    /// Who is served already, and when each one's stream of jobs was created, in Unix milliseconds.
    pub served: Mutex<HashMap<TenantName, Arc<AtomicU64>>>,
}

/// The share of a lane: high goes first, low is never starved.
fn weight(lane: Lane) -> usize {
    match lane {
        Lane::High => 16,
        Lane::Normal => 4,
        Lane::Low => 1,
    }
}

impl Tenants {
    /// Serves every tenant there is and every one to come. Returns once those there are now are served.
    pub async fn follow(self: Arc<Self>, misses: mpsc::Receiver<SourceName>) -> anyhow::Result<()> {
        let bucket = self.js.get_key_value(asset::TENANTS).await?;
        register(&bucket, &TenantName::default_tenant()).await?;
        self.serve(TenantName::default_tenant()).await?;
        let (caught_up, ready) = tokio::sync::oneshot::channel();
        let all = self.clone();
        self.tracker.spawn(async move {
            let each = |change: crate::nats::control::Change| {
                let all = all.clone();
                async move {
                    let Ok(tenant) = change.key.parse::<TenantName>() else { return };
                    match change.value.as_deref() {
                        Some(value) => {
                            all.note(&tenant, value);
                            all.serve_in_time(tenant).await;
                        }
                        None => all.book.remove(&tenant),
                    }
                }
            };
            watch(&bucket, ">", &all.stop, Some(caught_up), each).await;
        });
        self.tracker.spawn(self.clone().mend(misses));
        self.tracker.spawn(self.clone().sweep_after_connects());
        let _later_tenants_come_by_themselves = ready.await;
        Ok(())
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

    async fn serve_in_time(&self, tenant: TenantName) {
        while let Err(error) = self.serve(tenant.clone()).await {
            tracing::warn!(tenant = %tenant, error = %error, "tenant not served yet");
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn serve(&self, tenant: TenantName) -> Result<(), topology::TopologyError> {
        if self.served.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&tenant) {
            return Ok(());
        }
        let stream_created = topology::ensure_tenant(&self.js, &tenant, self.topology).await?;
        for (queue, _) in &self.queues {
            for lane in Lane::ALL {
                topology::ensure_consumer(&self.js, &tenant, queue, lane, self.topology).await?;
            }
        }
        let created = Arc::new(AtomicU64::new(stream_created.0));
        self.served.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), created.clone());
        for (place, (queue, share)) in self.queues.iter().enumerate() {
            let rank = if self.strict { place } else { 0 };
            for lane in Lane::ALL {
                let name = SourceName { tenant: tenant.clone(), queue: queue.clone(), lane };
                self.pull(name, created.clone(), (*share, rank));
            }
        }
        tracing::info!(tenant = %tenant, "tenant served");
        Ok(())
    }

    fn pull(&self, name: SourceName, stream_created: Arc<AtomicU64>, (share, rank): (usize, usize)) {
        let puller = Puller {
            client: self.client.clone(),
            source: self.intake.add_source(share.max(1) * weight(name.lane), rank),
            name,
            stream_created,
            leases: self.leases.clone(),
            settler: self.settler.clone(),
            connections: self.connections.clone(),
            rules: self.rules.clone(),
            missing: self.missing.clone(),
        };
        self.tracker.spawn(puller.run(self.stop.clone()));
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
                let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
                served.iter().map(|(tenant, created)| (tenant.clone(), created.load(Ordering::Relaxed))).collect()
            };
            for (tenant, created) in served {
                for (queue, _) in &self.queues {
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

    /// Makes consumers again that someone removed, and says so: a worker must not sit silently on a missing queue.
    async fn mend(self: Arc<Self>, mut misses: mpsc::Receiver<SourceName>) {
        loop {
            let miss = tokio::select! {
                () = self.stop.cancelled() => return,
                miss = misses.recv() => miss,
            };
            let Some(miss) = miss else { return };
            let made = async {
                let created = topology::ensure_tenant(&self.js, &miss.tenant, self.topology).await?;
                // a stream that was made anew counts from 1 again: ids of plain jobs must not repeat
                if let Some(known) = self.served.lock().unwrap_or_else(PoisonError::into_inner).get(&miss.tenant) {
                    known.store(created.0, Ordering::Relaxed);
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

/// Notes a tenant, unless it is noted.
pub async fn register(bucket: &async_nats::jetstream::kv::Store, tenant: &TenantName) -> anyhow::Result<()> {
    let record = TenantRecord::new(tenant.clone(), crate::clock::now());
    if bucket.get(tenant.as_str()).await?.is_none() {
        // someone else may note it at the same moment
        let _noted_by_another = bucket.create(tenant.as_str(), serde_json::to_vec(&record)?.into()).await;
    }
    Ok(())
}

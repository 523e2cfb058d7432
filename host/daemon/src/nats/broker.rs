//! The broker behind the pipeline's port.

use super::control::Cancels;
use super::deaths::DeathNotes;
use super::logs::Logs;
use super::permits::Permits;
use super::rules::Rules;
use super::settle::{Settler, tell};
use super::store::{Payloads, Results};
use crate::ports::{Broker, BrokerError, Delivery, GiveBack, Settlement};
use async_nats::Client;
use bytes::Bytes;
use lovage_job::crash::CrashRecord;
use lovage_job::deaths::{DeathNote, Deaths};
use lovage_job::event::Event;
use lovage_job::job::Job;
use lovage_job::limit::{Applied, JobRules, Rate};
use lovage_job::log::LogPiece;
use lovage_job::name::{Digest, JobId, TenantName};
use lovage_job::result::JobResult;
use lovage_job::subject::Lot;
use lovage_job::unit::UnixMs;
use std::sync::Arc;

/// Outputs above this size go to the object store, whatever a message may carry.
const OUTPUT_INLINE_MAX: usize = 512 * 1024;

/// The broker behind the pipeline's port.
#[derive(Debug)]
pub struct NatsBroker {
    /// The connection.
    pub client: Client,
    /// Writes endings.
    pub settler: Arc<Settler>,
    /// Reads results.
    pub results: Results,
    /// Large payloads and outputs.
    pub payloads: Payloads,
    /// Logs of attempts.
    pub logs: Logs,
    /// What was cancelled.
    pub cancels: Arc<Cancels>,
    /// Runners that died, by component.
    pub deaths: Arc<DeathNotes>,
    /// Limits and pauses.
    pub rules: Arc<Rules>,
    /// What this worker's jobs hold under limits.
    pub permits: Arc<Permits>,
    /// Where the rare endings are confirmed: guests must not wait for them.
    pub runtime: tokio::runtime::Handle,
}

impl Broker for NatsBroker {
    async fn settle(&self, settlement: Settlement) {
        self.settler.settle(settlement, &self.runtime).await;
    }

    async fn tell(&self, tenant: &TenantName, event: &Event) {
        tell(&self.client, tenant, event).await;
    }

    async fn result(&self, tenant: &TenantName, id: &JobId) -> Result<Option<JobResult>, BrokerError> {
        self.results.get(tenant, id).await
    }

    async fn payload(&self, tenant: &TenantName, digest: &Digest) -> Result<Option<Bytes>, BrokerError> {
        self.payloads.get(tenant, digest).await
    }

    async fn store_payload(&self, tenant: &TenantName, bytes: Bytes) -> Result<Digest, BrokerError> {
        self.payloads.put(tenant, &bytes).await
    }

    fn output_inline_max(&self) -> usize {
        OUTPUT_INLINE_MAX.min(self.client.max_payload() / 2)
    }

    async fn wake(&self, tenant: &TenantName, lot: &Lot, most: usize) -> Result<usize, BrokerError> {
        super::lots::wake(&self.client, tenant, lot, most).await
    }

    async fn store_log(&self, tenant: &TenantName, piece: &LogPiece) -> Result<(), BrokerError> {
        self.logs.store(tenant, piece).await
    }

    fn instance(&self) -> &str {
        self.settler.crashes.instance()
    }

    async fn note_crashes(
        &self,
        message: &Delivery,
        change: impl FnMut(&mut CrashRecord) -> bool + Send,
    ) -> Result<CrashRecord, BrokerError> {
        self.settler.crashes.change(message.lease.address(), change).await
    }

    fn rules_of(&self, job: &Job) -> Option<JobRules> {
        self.rules.of(job)
    }

    async fn permit(&self, job: &Job, limit: &Applied) -> Result<Option<GiveBack>, BrokerError> {
        self.permits.permit(job, limit).await
    }

    async fn place(&self, job: &Job, limit: &Applied, rate: &Rate) -> Result<UnixMs, BrokerError> {
        self.permits.place(job, limit, rate).await
    }

    fn quarantined(&self, tenant: &TenantName, digest: &Digest) -> Option<String> {
        self.deaths.reason(tenant, digest)
    }

    async fn note_death(&self, tenant: &TenantName, digest: &Digest, note: DeathNote) -> Result<Deaths, BrokerError> {
        self.deaths.add(tenant, digest, note).await
    }

    fn cancelled(&self, tenant: &TenantName, id: &JobId) -> Option<String> {
        self.cancels.reason(tenant, id)
    }
}

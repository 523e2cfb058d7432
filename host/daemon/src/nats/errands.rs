//! Errands of guests on the broker: children by the client that everybody uses, checkpoints in the tenant's bucket.
//!
//! What a job that ended without completing has kept stays for a replay of its dead letter and goes away by age.

use super::keys::{self, KeyError};
use super::store::Results;
use crate::errands::{ChildFault, Errands, LEDGER};
use crate::ports::BrokerError;
use async_nats::HeaderMap;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use lovage_client::{Client, GroupError, JobState, NewGroup, NewJob, SubmitError};
use lovage_job::ledger::Ledger;
use lovage_job::name::{JobId, TenantName};
use lovage_job::subject::asset;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How often a job's result is looked for before what it kept is left to its age.
const RESULT_TRIES: u32 = 10;
/// The pause before each look.
const RESULT_PAUSE: Duration = Duration::from_secs(2);
/// Jobs whose values wait to be forgotten; more are left to their age.
const FORGETTING_MAX: usize = 256;
/// How long a checkpoint is kept: as long as a dead letter may be replayed, after the longest that one attempt puts the
/// next one off.
const CHECKPOINTS_KEPT: Duration = Duration::from_secs(60 * 86_400);

/// Runs errands on the broker.
#[derive(Debug)]
pub struct NatsErrands {
    nats: async_nats::Client,
    clients: Mutex<HashMap<TenantName, Client>>,
    results: Results,
    forgetting: Arc<Semaphore>,
    runtime: tokio::runtime::Handle,
}

impl NatsErrands {
    /// Runs errands over a connection, and on this runtime.
    pub fn new(nats: async_nats::Client) -> Self {
        Self {
            results: Results::new(nats.clone()),
            nats,
            clients: Mutex::default(),
            forgetting: Arc::new(Semaphore::new(FORGETTING_MAX)),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// The client of a tenant, which remembers what its tasks take.
    fn client(&self, tenant: &TenantName) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.entry(tenant.clone()).or_insert_with(|| Client::new(self.nats.clone(), tenant.clone())).clone()
    }
}

impl Errands for NatsErrands {
    fn submit<'a>(&'a self, tenant: &'a TenantName, job: NewJob) -> BoxFuture<'a, Result<bool, ChildFault>> {
        let client = self.client(tenant);
        async move { client.submit(job).await.map(|submitted| submitted.existing).map_err(fault) }.boxed()
    }

    fn submit_group<'a>(&'a self, tenant: &'a TenantName, group: NewGroup) -> BoxFuture<'a, Result<bool, ChildFault>> {
        let client = self.client(tenant);
        async move { client.submit_group(group).await.map(|submitted| submitted.existing).map_err(group_fault) }.boxed()
    }

    fn is_known<'a>(&'a self, tenant: &'a TenantName, id: &'a JobId) -> BoxFuture<'a, Result<bool, BrokerError>> {
        let client = self.client(tenant);
        async move {
            let state = client.find(id).await.map_err(|error| BrokerError(error.to_string()))?;
            Ok(!matches!(state, JobState::Unknown))
        }
        .boxed()
    }

    fn keep<'a>(
        &'a self,
        tenant: &'a TenantName,
        id: &'a JobId,
        name: &'a str,
        value: Bytes,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        async move {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-TTL", format!("{}s", CHECKPOINTS_KEPT.as_secs()));
            let subject = asset::checkpoint_subject(tenant, id, name);
            keys::put(&self.nats, subject, headers, value).await.map_err(failed)
        }
        .boxed()
    }

    fn kept<'a>(
        &'a self,
        tenant: &'a TenantName,
        id: &'a JobId,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Bytes>, BrokerError>> {
        async move { value(&self.nats, tenant, id, name).await }.boxed()
    }

    fn forget(&self, tenant: &TenantName, id: &JobId) {
        let Ok(place) = self.forgetting.clone().try_acquire_owned() else { return };
        let (nats, results, tenant, id) = (self.nats.clone(), self.results.clone(), tenant.clone(), id.clone());
        // ends by itself after its tries; what a worker that stops does not get to goes away by age
        self.runtime.spawn(async move {
            if has_ended(&results, &tenant, &id).await
                && let Err(error) = clear(&nats, &tenant, &id).await
            {
                tracing::debug!(job.id = %id, error = %error, "checkpoints are left to their age");
            }
            drop(place);
        });
    }
}

async fn value(
    nats: &async_nats::Client,
    tenant: &TenantName,
    id: &JobId,
    name: &str,
) -> Result<Option<Bytes>, BrokerError> {
    let subject = asset::checkpoint_subject(tenant, id, name);
    keys::get(nats, &asset::state(tenant), &subject).await.map(|(value, _)| value).map_err(failed)
}

fn failed(error: KeyError) -> BrokerError {
    BrokerError(format!("checkpoint: {error}"))
}

/// Waits for the result: a job that ran again because its result was not written would miss what it had kept.
async fn has_ended(results: &Results, tenant: &TenantName, id: &JobId) -> bool {
    for _ in 0..RESULT_TRIES {
        tokio::time::sleep(RESULT_PAUSE).await;
        if matches!(results.get(tenant, id).await, Ok(Some(_))) {
            return true;
        }
    }
    false
}

/// Removes a job's values, and last its ledger, which names them: what is left of a removal that stops in between can
/// still be found, and goes away by age.
async fn clear(nats: &async_nats::Client, tenant: &TenantName, id: &JobId) -> Result<(), BrokerError> {
    let Some(value) = value(nats, tenant, id, LEDGER).await? else { return Ok(()) };
    let ledger: Ledger =
        serde_json::from_slice(&value).map_err(|error| BrokerError(format!("the ledger of {id}: {error}")))?;
    for name in ledger.names().chain([LEDGER]) {
        let subject = asset::checkpoint_subject(tenant, id, name);
        keys::put(nats, subject, keys::removal(), Bytes::new()).await.map_err(failed)?;
    }
    Ok(())
}

fn fault(error: SubmitError) -> ChildFault {
    match error {
        SubmitError::Invalid(_)
        | SubmitError::UnknownTask { .. }
        | SubmitError::UnknownVersion(_)
        | SubmitError::BadInput { .. }
        | SubmitError::PayloadTooLarge { .. }
        | SubmitError::OverTenantPayload { .. } => ChildFault::Invalid(error.to_string()),
        SubmitError::QueueFull { .. }
        | SubmitError::TooManyDelayed { .. }
        | SubmitError::NoSuchTenant(_)
        | SubmitError::Forbidden { .. }
        | SubmitError::Payload(_)
        | SubmitError::Key { .. }
        | SubmitError::Contended { .. }
        | SubmitError::Refused { .. }
        | SubmitError::Indeterminate { .. } => ChildFault::Unavailable(error.to_string()),
    }
}

fn group_fault(error: GroupError) -> ChildFault {
    let text = error.to_string();
    match error {
        GroupError::Invalid(_) | GroupError::Another(_) => ChildFault::Invalid(text),
        GroupError::Member { error, .. } => match fault(error) {
            ChildFault::Invalid(_) => ChildFault::Invalid(text),
            ChildFault::Unavailable(_) => ChildFault::Unavailable(text),
        },
        GroupError::Unknown(_) | GroupError::Read(_) | GroupError::Follow(_) => ChildFault::Unavailable(text),
    }
}

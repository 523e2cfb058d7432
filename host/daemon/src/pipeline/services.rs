//! What one attempt's guest may ask: children of its job and checkpoints, within the limits of the job.
//!
//! A retry must find what an earlier attempt did, so nothing here depends on the attempt: ids of children come from the
//! job's id and what it calls them, and values lie under the job's id.

mod group;
mod storage;

use crate::egress::AttemptEgress;
use crate::errands::{ChildFault, Errands, LEDGER};
use crate::ports::{BrokerError, Delivery};
use crate::storage::Storage;
use futures::FutureExt;
use futures::future::BoxFuture;
use lovage_client::NewJob;
use lovage_job::capability::Grants;
use lovage_job::child::{ChildLimit, ChildName, child_id, depth_below, depth_of};
use lovage_job::flow::FlowError;
use lovage_job::header;
use lovage_job::job::Job;
use lovage_job::ledger::{Ledger, stored_name};
use lovage_job::name::{JobId, NameError, TenantName};
use lovage_job::subject::JobSubject;
use lovage_job::trace::TraceContext;
use lovage_sandbox::{Answer, Ask, ChildGroup, ChildId, ChildJob, GroupHeld, Refusal, Services};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use tokio::sync::Mutex;

/// New children that are counted in memory before the ledger is written. A worker that is killed forgets fewer than
/// this; a write for each child would cost as much as the child.
const CHILDREN_UNWRITTEN_MAX: u32 = 32;

/// What one attempt's guest may ask.
#[derive(Debug)]
pub(super) struct GuestServices {
    errands: Arc<dyn Errands>,
    tenant: TenantName,
    id: JobId,
    subject: JobSubject,
    depth: u32,
    /// Where the attempt is in a trace, for the jobs that it submits.
    trace: Option<TraceContext>,
    /// What the task is granted: checked here, whatever the sandbox has checked.
    grants: Arc<Grants>,
    fanout: u32,
    egress: AttemptEgress,
    storage: Arc<dyn Storage>,
    /// How often the attempt has used its capabilities.
    asks: AtomicU32,
    book: Mutex<Book>,
}

/// What the attempt has done. Locked while the broker is asked: a guest asks one thing at a time.
#[derive(Debug, Default)]
struct Book {
    /// Read with the first thing that needs it.
    ledger: Option<Ledger>,
    /// New children that are not in the stored ledger yet.
    unwritten: u32,
    submits: u32,
    numbered: u32,
    groups_numbered: u32,
}

impl GuestServices {
    /// The services of an attempt of `job`.
    pub(super) fn new(
        (errands, storage): (&Arc<dyn Errands>, &Arc<dyn Storage>),
        message: &Delivery,
        job: &Job,
        grants: Arc<Grants>,
        fanout: u32,
        egress: AttemptEgress,
    ) -> Self {
        Self {
            errands: errands.clone(),
            tenant: message.tenant.clone(),
            id: job.id.clone(),
            subject: job.subject.clone(),
            depth: depth_of(&message.headers),
            trace: job.wishes.trace_parent,
            grants,
            fanout,
            egress,
            storage: storage.clone(),
            asks: AtomicU32::new(0),
            book: Mutex::default(),
        }
    }

    /// Writes down what is only in memory. After the attempt, whatever became of it.
    pub(super) async fn close(&self) {
        let mut book = self.book.lock().await;
        if let Err(error) = self.write_children(&mut book, 1).await {
            tracing::debug!(job.id = %self.id, error = %error, "children of a job are not counted");
        }
    }

    /// Forgets what the job has kept, for a job that is done.
    pub(super) async fn forget(&self) {
        self.errands.forget(&self.tenant, &self.id);
    }

    /// Bytes that the attempt sent to other hosts and received from them.
    pub(super) fn egress_bytes(&self) -> u64 {
        self.egress.used_bytes()
    }

    /// True where this attempt has asked for anything.
    pub(super) async fn was_used(&self) -> bool {
        self.book.lock().await.ledger.is_some()
    }

    fn check_grant(&self) -> Result<(), Refusal> {
        let text = "the task is not granted to submit jobs; `lovage task allow TASK submit` grants it";
        self.grants.submit.then_some(()).ok_or_else(|| Refusal::Denied(text.to_owned()))
    }

    async fn submit_child(&self, job: ChildJob) -> Result<ChildId, Refusal> {
        self.check_grant()?;
        let depth = depth_below(self.depth).map_err(limit)?;
        let mut book = self.book.lock().await;
        if book.submits >= self.fanout {
            return Err(limit(ChildLimit::Attempt { most: self.fanout }));
        }
        book.submits += 1;
        let name = match job.key.clone() {
            Some(key) => ChildName::Key(key),
            None => {
                book.numbered += 1;
                ChildName::Number(book.numbered - 1)
            }
        };
        let id = child_id(&self.id, &name);
        let child = self.job(job).map_err(invalid)?.id(id.clone()).parent(self.id.clone(), depth);
        let full = self.ledger(&mut book).await?.room_for_child(self.fanout);
        if let Err(reached) = full {
            // a retry may name again what is there
            let known = self.errands.is_known(&self.tenant, &id).await.map_err(unavailable)?;
            return if known { Ok(ChildId { id: id.to_string(), existing: true }) } else { Err(limit(reached)) };
        }
        let existing = self.errands.submit(&self.tenant, child).await.map_err(refused)?;
        if !existing {
            self.ledger(&mut book).await?.add_child();
            book.unwritten += 1;
            self.write_children(&mut book, CHILDREN_UNWRITTEN_MAX).await.map_err(unavailable)?;
        }
        Ok(ChildId { id: id.to_string(), existing })
    }

    /// The job to submit; where it says nothing it waits where its parent did.
    fn job(&self, job: ChildJob) -> Result<NewJob, FlowError> {
        let name = |error: NameError| FlowError(error.to_string());
        let follow = job.followers()?;
        let queue = job.queue_or(&self.subject.queue).map_err(name)?;
        let lane = job.lane_or(self.subject.lane);
        let mut child = NewJob::new(job.task.parse().map_err(name)?, job.input).queue(queue).lane(lane);
        child.version = job.version.map(|version| version.parse()).transpose().map_err(name)?;
        (child.on_success, child.on_failure) = (follow.on_success, follow.on_failure);
        (child.on_dead, child.then) = (follow.on_dead, follow.then);
        child.content_type = job.content_type;
        child.retries = job.retries;
        child.timeout = job.timeout_ms.map(Duration::from_millis);
        child.limit_key = job.limit_key;
        child.tags = job.tags;
        if let Some(trace) = self.trace {
            child.headers.set(header::TRACE_PARENT, trace.to_string());
        }
        Ok(match job.delay_ms {
            Some(delay) => child.delay(Duration::from_millis(delay)),
            None => child,
        })
    }

    async fn save_value(&self, key: &str, value: Vec<u8>) -> Result<(), Refusal> {
        let name = stored_name(key).map_err(|limit| Refusal::Limit(limit.to_string()))?;
        let mut book = self.book.lock().await;
        let mut ledger = self.ledger(&mut book).await?.clone();
        // the entry goes before the value: see `Ledger::enter`
        if ledger.enter(&name, value.len()).map_err(|limit| Refusal::Limit(limit.to_string()))? {
            self.write(&mut book, ledger).await.map_err(unavailable)?;
        }
        self.errands.keep(&self.tenant, &self.id, &name, value.into()).await.map_err(unavailable)
    }

    async fn load_value(&self, key: &str) -> Result<Option<Vec<u8>>, Refusal> {
        let name = stored_name(key).map_err(|limit| Refusal::Limit(limit.to_string()))?;
        let mut book = self.book.lock().await;
        if !self.ledger(&mut book).await?.has(&name) {
            return Ok(None);
        }
        let kept = self.errands.kept(&self.tenant, &self.id, &name).await.map_err(unavailable)?;
        Ok(kept.map(|value| value.to_vec()))
    }

    /// The job's ledger. One that cannot be read is taken for empty: it holds limits, not the job's values.
    async fn ledger<'b>(&self, book: &'b mut Book) -> Result<&'b mut Ledger, Refusal> {
        if book.ledger.is_none() {
            let stored = self.errands.kept(&self.tenant, &self.id, LEDGER).await.map_err(unavailable)?;
            book.ledger = stored.and_then(|stored| serde_json::from_slice(&stored).ok());
        }
        Ok(book.ledger.get_or_insert_default())
    }

    async fn write_children(&self, book: &mut Book, least: u32) -> Result<(), BrokerError> {
        match book.ledger.clone() {
            Some(ledger) if book.unwritten >= least => self.write(book, ledger).await,
            _ => Ok(()),
        }
    }

    async fn write(&self, book: &mut Book, ledger: Ledger) -> Result<(), BrokerError> {
        let value = serde_json::to_vec(&ledger).map_err(|error| BrokerError(error.to_string()))?;
        self.errands.keep(&self.tenant, &self.id, LEDGER, value.into()).await?;
        book.ledger = Some(ledger);
        book.unwritten = 0;
        Ok(())
    }
}

impl Services for GuestServices {
    fn submit(&self, job: ChildJob) -> BoxFuture<'_, Result<ChildId, Refusal>> {
        self.submit_child(job).boxed()
    }

    fn submit_group(&self, group: ChildGroup) -> BoxFuture<'_, Result<GroupHeld, Refusal>> {
        self.submit_children(group).boxed()
    }

    fn save(&self, key: String, value: Vec<u8>) -> BoxFuture<'_, Result<(), Refusal>> {
        async move { self.save_value(&key, value).await }.boxed()
    }

    fn load(&self, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, Refusal>> {
        async move { self.load_value(&key).await }.boxed()
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Refusal>> {
        self.ask_for(ask).boxed()
    }
}

fn limit(limit: ChildLimit) -> Refusal {
    Refusal::Limit(limit.to_string())
}

fn invalid(error: impl std::fmt::Display) -> Refusal {
    Refusal::Invalid(error.to_string())
}

fn unavailable(error: BrokerError) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

fn refused(fault: ChildFault) -> Refusal {
    match fault {
        ChildFault::Invalid(text) => Refusal::Invalid(text),
        ChildFault::Unavailable(text) => Refusal::Unavailable(text),
    }
}

#[cfg(test)]
#[path = "services_tests.rs"]
mod tests;

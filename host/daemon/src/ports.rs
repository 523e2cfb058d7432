//! What the pipeline needs of the outside: the words it shares with the broker's side.
//!
//! The pipeline knows these types and traits and nothing of NATS; the `nats` room implements them and knows nothing
//! of the pipeline.

mod schedules;
mod trace;

pub use schedules::Schedules;
pub use trace::{AttemptSpan, Beginning, Compilation, Ended, Tracer};

use bytes::Bytes;
use lovage_job::capability::Grants;
use lovage_job::catalog::VersionRef;
use lovage_job::crash::CrashRecord;
use lovage_job::dead::DeadLetter;
use lovage_job::deaths::{DeathNote, Deaths};
use lovage_job::decode::Origin;
use lovage_job::event::Event;
use lovage_job::flow::Led;
use lovage_job::header::Headers;
use lovage_job::job::Job;
use lovage_job::limit::{Applied, JobRules, Rate};
use lovage_job::log::LogPiece;
use lovage_job::name::{Digest, JobId, TaskName, TenantName};
use lovage_job::outcome::JobError;
use lovage_job::result::JobResult;
use lovage_job::subject::Lot;
use lovage_job::trace::TraceContext;
use lovage_job::trail::Trail;
use lovage_job::unit::UnixMs;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::lease::Lease;
use crate::registry::ready::ReadyTask;

/// A message that this worker holds: it must be settled, or its lease runs out and another worker gets it.
#[derive(Debug)]
pub struct Delivery {
    /// Whose stream it came from.
    pub tenant: TenantName,
    /// The subject that it was published to.
    pub subject: String,
    /// Its headers, without the broker's own.
    pub headers: Headers,
    /// Its body.
    pub payload: Bytes,
    /// What the broker knows of it.
    pub origin: Origin,
    /// How often it was delivered, this time included; releases and crashes count too.
    pub delivered: u64,
    /// Keeps it from being delivered to anyone else.
    pub lease: Lease,
}

impl Delivery {
    /// The dead letter of the job in this message: all that it came with, why it is dead, and what it came to before.
    pub fn dead_letter(&self, id: JobId, error: JobError, trail: Trail, buried: UnixMs) -> DeadLetter {
        DeadLetter {
            id,
            subject: self.subject.clone(),
            error,
            trail,
            buried,
            headers: self.headers.clone(),
            payload: self.payload.to_vec(),
        }
    }
}

/// What happens to a held message, and to its job.
#[derive(Debug)]
pub struct Settlement {
    /// The lease of the message.
    pub lease: Lease,
    /// Whose job it is.
    pub tenant: TenantName,
    /// What to write before the message is acknowledged.
    pub ending: Ending,
}

/// What is written before a message is acknowledged.
#[derive(Debug)]
pub enum Ending {
    /// The job ended: its result is written, unless it has one already.
    Finish(Box<Finish>),
    /// The job goes back, to be delivered later: for another attempt, after a snooze, or when it may run.
    Later(Box<Later>),
    /// The job is done already; only its dead letter may be missing.
    Settled(Option<Box<DeadLetter>>),
    /// The job is done already and leads on to something: its dead letter and what follows it may be missing.
    Again(Box<Again>),
    /// The message goes back to its queue as it is, which costs the job no attempt.
    Release(Option<Duration>),
}

/// The end of a job.
#[derive(Debug)]
pub struct Finish {
    /// What is stored; its body is in `body`.
    pub result: JobResult,
    /// The result's body.
    pub body: Bytes,
    /// How long the result is kept.
    pub keep: Duration,
    /// Who gets the outcome by core NATS.
    pub reply: Option<String>,
    /// The dead letter of a job that failed for good.
    pub dead: Option<DeadLetter>,
    /// Where the next run waits of the schedule that this was a run of.
    pub wakes: Option<Lot>,
    /// What the job leads on to, which most jobs do not.
    pub follow: Option<Box<Led>>,
    /// What watchers are told.
    pub event: Event,
}

/// The end of a job that was written before, by a worker that did not come to its acknowledgement.
#[derive(Debug)]
pub struct Again {
    /// What is stored, with its body.
    pub result: JobResult,
    /// Its dead letter, where it failed for good.
    pub dead: Option<DeadLetter>,
    /// What it leads on to.
    pub follow: Box<Led>,
}

/// A job that is put back.
#[derive(Debug)]
pub struct Later {
    /// The job.
    pub id: JobId,
    /// How often it was put back before.
    pub round: u32,
    /// Where it waits; in the place of the retries where nothing is said.
    pub lot: Option<Lot>,
    /// Where the broker puts the job when it is due.
    pub target: String,
    /// When it is due; one in a lot may be woken sooner.
    pub due: UnixMs,
    /// The headers that it comes back with.
    pub headers: Headers,
    /// The job's payload.
    pub payload: Bytes,
    /// What watchers are told.
    pub event: Event,
}

/// Gives back what a job holds.
pub type GiveBack = Box<dyn FnOnce() + Send>;

/// What a job holds while an attempt runs, such as a place under a limit. Dropping it gives everything back.
#[derive(Default)]
pub struct Holds(Vec<Box<dyn FnOnce() + Send>>);

impl Holds {
    /// Adds what is to be done when the attempt has ended, whatever became of it.
    pub fn on_end(&mut self, give_back: impl FnOnce() + Send + 'static) {
        self.0.push(Box::new(give_back));
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        for give_back in self.0.drain(..) {
            give_back();
        }
    }
}

impl std::fmt::Debug for Holds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Holds").field(&self.0.len()).finish()
    }
}

/// The broker does not answer, or not as it should. A retry is useful: the message's lease runs on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct BrokerError(pub String);

/// The broker, as the pipeline sees it.
pub trait Broker: Schedules + Send + Sync + 'static {
    /// Settles a held message; returns once the message is under way, not once it is confirmed.
    fn settle(&self, settlement: Settlement) -> impl Future<Output = ()> + Send;
    /// Tells watchers; may be lost.
    fn tell(&self, tenant: &TenantName, event: &Event) -> impl Future<Output = ()> + Send;
    /// The result that a job has already.
    fn result(
        &self,
        tenant: &TenantName,
        id: &JobId,
    ) -> impl Future<Output = Result<Option<JobResult>, BrokerError>> + Send;
    /// A payload that was too large for a message; nothing where there is no such object.
    fn payload(
        &self,
        tenant: &TenantName,
        digest: &Digest,
    ) -> impl Future<Output = Result<Option<Bytes>, BrokerError>> + Send;
    /// Stores an output that is too large for a message.
    fn store_payload(
        &self,
        tenant: &TenantName,
        bytes: Bytes,
    ) -> impl Future<Output = Result<Digest, BrokerError>> + Send;
    /// Outputs above this size, in bytes, must be stored as payloads.
    fn output_inline_max(&self) -> usize;
    /// Sends the jobs that have waited longest in a lot, at most `most`, to their queues; returns how many.
    fn wake(
        &self,
        tenant: &TenantName,
        lot: &Lot,
        most: usize,
    ) -> impl Future<Output = Result<usize, BrokerError>> + Send;
    /// Stores a piece of a log; returns once the broker has it, or has refused it for good.
    fn store_log(&self, tenant: &TenantName, piece: &LogPiece) -> impl Future<Output = Result<(), BrokerError>> + Send;
    /// This run of this worker; a restart is another.
    fn instance(&self) -> &str;
    /// Changes what is noted of the deliveries of a message, and returns it; nothing is written where `change` says no.
    fn note_crashes(
        &self,
        message: &Delivery,
        change: impl FnMut(&mut CrashRecord) -> bool + Send,
    ) -> impl Future<Output = Result<CrashRecord, BrokerError>> + Send;
    /// What limits and pauses say of a job: a local look-up, nothing where none of them concerns it.
    fn rules_of(&self, job: &Job) -> Option<JobRules>;
    /// Takes a permit under a limit of jobs at once, without waiting. What is returned gives it back; nothing where
    /// there is no room.
    fn permit(&self, job: &Job, limit: &Applied) -> impl Future<Output = Result<Option<GiveBack>, BrokerError>> + Send;
    /// The job's place under a rate: when it may start.
    fn place(
        &self,
        job: &Job,
        limit: &Applied,
        rate: &Rate,
    ) -> impl Future<Output = Result<UnixMs, BrokerError>> + Send;
    /// Why no job of a component may run: its runners died of it. A local look-up.
    fn quarantined(&self, tenant: &TenantName, digest: &Digest) -> Option<String>;
    /// Notes that a runner died of a component.
    fn note_death(
        &self,
        tenant: &TenantName,
        digest: &Digest,
        note: DeathNote,
    ) -> impl Future<Output = Result<Deaths, BrokerError>> + Send;
    /// The reason for which a job was cancelled, where it was.
    fn cancelled(&self, tenant: &TenantName, id: &JobId) -> Option<String>;
}

/// What a job's task resolves to.
#[derive(Debug, Clone)]
pub enum Resolution {
    /// Compiled and linked, with what its task may do beyond the sandbox.
    Ready(Arc<ReadyTask>, Arc<Grants>),
    /// No such task or version; the text says what there is.
    Unknown(String),
    /// The version cannot be run.
    Broken(String),
}

/// The tasks, as the pipeline sees them.
pub trait Tasks: Send + Sync + 'static {
    /// Finds what a job runs; waits where it must be compiled first.
    fn resolve(
        &self,
        tenant: &TenantName,
        task: &TaskName,
        wanted: Option<&VersionRef>,
        pinned: Option<&Digest>,
        job: &JobId,
    ) -> impl Future<Output = Result<Resolution, BrokerError>> + Send;
}

/// What came of one try to deliver a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The receiver took it.
    Taken(lovage_job::outcome::Output),
    /// It did not, or was not reached.
    Failed(lovage_job::outcome::Failure),
    /// It took too long.
    TimedOut(Duration),
    /// The secret cannot be had: this side is at fault.
    NoSecret(String),
}

/// One try to deliver a webhook.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Whose secret signs it.
    pub tenant: TenantName,
    /// The job's id, which is the webhook's too: the same for each try.
    pub id: JobId,
    /// Where it goes.
    pub url: lovage_job::flow::WebhookUrl,
    /// What is posted.
    pub body: Bytes,
    /// How long the try may take.
    pub timeout: Duration,
    /// Where the job that leads to it is in a trace.
    pub trace: Option<TraceContext>,
}

/// Who delivers webhooks, as the pipeline sees it.
pub trait Courier: std::fmt::Debug + Send + Sync + 'static {
    /// Tries once.
    fn deliver(&self, letter: Letter) -> futures::future::BoxFuture<'static, Delivered>;
}

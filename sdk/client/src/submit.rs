//! Submitting jobs, one or very many.

use crate::claim::{self, ClaimError, PAYLOAD_BYTES_MAX};
use crate::client::{Client, now};
use crate::input::InputFault;
use crate::list::Place;
use crate::new_job::NewJob;
use crate::prepare::{InvalidJob, Prepared};
use crate::publish::{self, PublishFault};
use crate::wire;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use futures::{Stream, StreamExt};
use lovage_job::header;
use lovage_job::name::{JobId, TaskName, TenantName};
use lovage_job::subject::{ScheduleKind, asset, schedule};

/// The most submissions in flight that [`Client::submit_many`] allows.
const WINDOW_MAX: usize = 4_096;

/// A job that the broker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub id: JobId,
    /// Whether it was there before this submission.
    pub existing: bool,
    /// Where it is.
    pub place: Place,
}

/// Why a job was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// No worker would take it.
    #[error("the job is not valid: {0}")]
    Invalid(#[from] InvalidJob),
    /// No task of that name.
    #[error("there is no task {task}: {}push it with `lovage push`", near(nearest))]
    UnknownTask {
        /// What was asked for.
        task: TaskName,
        /// Tasks with a similar name, nearest first.
        nearest: Vec<TaskName>,
    },
    /// No such version of the task.
    #[error("{0}")]
    UnknownVersion(#[from] lovage_job::catalog::CatalogError),
    /// The input is not what the task takes.
    #[error("the input is not what task {task} takes: {reason}")]
    BadInput {
        /// The task.
        task: TaskName,
        /// What is wrong, and where.
        reason: String,
    },
    /// The payload is larger than any may be.
    #[error("the payload of {} is larger than {}; store it elsewhere and submit a reference", claim::told(*size), claim::told(*most))]
    PayloadTooLarge {
        /// Its size in bytes.
        size: usize,
        /// The largest size in bytes.
        most: usize,
    },
    /// The tenant has as many jobs waiting as it may.
    #[error(
        "the queues of tenant {tenant} are full ({reason}); wait for workers to catch up, or raise the tenant's limit"
    )]
    QueueFull {
        /// The tenant.
        tenant: TenantName,
        /// The broker's words.
        reason: String,
    },
    /// The message is larger than those of the tenant may be.
    #[error(
        "the message of {} is larger than the payload limit of tenant {tenant}: submit a smaller input or a reference, or have the tenant's payload limit raised",
        claim::told(*size)
    )]
    OverTenantPayload {
        /// The tenant.
        tenant: TenantName,
        /// The payload's size in bytes, without headers.
        size: usize,
    },
    /// The tenant has as many delayed jobs as it may.
    #[error(
        "tenant {tenant} has as many delayed jobs waiting as it may: submit the job without a delay, wait until some were due, or have the tenant's limit of delayed jobs raised"
    )]
    TooManyDelayed {
        /// The tenant.
        tenant: TenantName,
    },
    /// Nothing stores jobs of this tenant.
    #[error("nothing stores jobs of tenant {0}; check the name, and that a worker has been started once")]
    NoSuchTenant(TenantName),
    /// The payload is too large for a message, and its object cannot be stored.
    #[error(transparent)]
    Payload(#[from] ClaimError),
    /// The entry of a key cannot be read or written; the job may be submitted or not.
    #[error(
        "the key {key:?} cannot be looked up: {reason}; submit the job again with the same key, which runs it once"
    )]
    Key {
        /// The key.
        key: String,
        /// What happened.
        reason: String,
    },
    /// Others submit under the same key without end.
    #[error("others submit under the key {key:?} all the time; submit the job again")]
    Contended {
        /// The key.
        key: String,
    },
    /// The user may not submit jobs of this tenant.
    #[error("this connection may not submit jobs of tenant {tenant}: {reason}")]
    Forbidden {
        /// The tenant.
        tenant: TenantName,
        /// Why.
        reason: String,
    },
    /// The broker refuses the job.
    #[error("the broker refuses the job: {reason} (error {code})")]
    Refused {
        /// The broker's number for it.
        code: u64,
        /// The broker's words.
        reason: String,
    },
    /// The job may have been submitted or not.
    #[error(
        "the broker did not confirm job {id} ({reason}); it may be submitted or not: submit it again with the same id, which runs it once"
    )]
    Indeterminate {
        /// The job's id.
        id: JobId,
        /// What happened last.
        reason: String,
    },
}

fn near(nearest: &[TaskName]) -> String {
    match nearest {
        [] => String::new(),
        names => {
            let names: Vec<_> = names.iter().map(TaskName::as_str).collect();
            format!("did you mean {}? If not, ", names.join(" or "))
        }
    }
}

impl From<InputFault> for SubmitError {
    fn from(fault: InputFault) -> Self {
        match fault {
            InputFault::UnknownTask { task, nearest } => Self::UnknownTask { task, nearest },
            InputFault::UnknownVersion(error) => Self::UnknownVersion(error),
            InputFault::BadInput { task, reason } => Self::BadInput { task, reason },
        }
    }
}

impl Client {
    /// Submits a job and returns once the broker holds it.
    ///
    /// A job with an id that is there already is not submitted again: it is returned as existing, wherever it is; so is
    /// the job that stands for the job's key, whose place is told as far as it can be seen. A submission that the broker does not confirm is repeated under the same id for about 10 seconds.
    pub async fn submit(&self, job: NewJob) -> Result<Submitted, SubmitError> {
        self.submit_as(job, fresh_id).await
    }

    /// Submits a job under the id that `fresh` makes, unless the caller chose one.
    pub(crate) async fn submit_as(&self, job: NewJob, fresh: impl FnOnce() -> JobId) -> Result<Submitted, SubmitError> {
        let prepared = job.prepare(&self.tenant, now(), fresh)?;
        let size = prepared.payload.len();
        if size > PAYLOAD_BYTES_MAX {
            return Err(SubmitError::PayloadTooLarge { size, most: PAYLOAD_BYTES_MAX });
        }
        if prepared.chosen
            && let Some(place) = self.known(&prepared).await
        {
            return Ok(Submitted { id: prepared.id, existing: true, place });
        }
        if !prepared.unchecked {
            self.check_input(&prepared).await?;
        }
        self.send_or_claim(prepared).await
    }

    /// Sends a job, its payload by an object where it is too large for a message.
    pub(crate) async fn send_or_claim(&self, job: Prepared) -> Result<Submitted, SubmitError> {
        if job.payload.len() > claim::inline_bytes_max(self.nats.max_payload()) {
            return Box::pin(self.submit_claimed(job)).await;
        }
        self.send_or_join(job).await
    }

    /// Submits jobs as they come, at most `window` at a time, and yields what became of each with its place in the
    /// input, in the order of completion. One job's error does not stop the others.
    pub fn submit_many<S>(
        &self,
        jobs: S,
        window: usize,
    ) -> impl Stream<Item = (usize, Result<Submitted, SubmitError>)> + use<S>
    where
        S: Stream<Item = NewJob>,
    {
        let client = self.clone();
        let submit = move |(place, job)| {
            let client = client.clone();
            async move { (place, client.submit(job).await) }
        };
        jobs.enumerate().map(submit).buffer_unordered(window.clamp(1, WINDOW_MAX))
    }

    async fn submit_claimed(&self, mut job: Prepared) -> Result<Submitted, SubmitError> {
        let digest = self.upload(std::mem::take(&mut job.payload)).await?;
        job.headers.set(header::PAYLOAD, digest.as_str());
        self.send_or_join(job).await
    }

    async fn send_or_join(&self, mut job: Prepared) -> Result<Submitted, SubmitError> {
        match job.unique.take() {
            Some(unique) => Box::pin(self.submit_unique(job, unique)).await,
            None => self.send(job).await,
        }
    }

    pub(crate) async fn send(&self, job: Prepared) -> Result<Submitted, SubmitError> {
        let (stream, subject, place) = match job.due {
            None => (asset::jobs(&self.tenant), job.subject.to_string(), Place::Queued),
            Some(due) => {
                let subject = schedule(&self.tenant, ScheduleKind::Delay, &job.id);
                (asset::schedules(&self.tenant), subject, Place::Delayed { due })
            }
        };
        let (headers, size) = (to_send(&job), job.payload.len());
        match publish::publish(&self.nats, &stream, &subject, headers, job.payload).await {
            // A fresh id is this caller's alone: where it is known already, that was an earlier try of ours.
            Ok(ack) => Ok(Submitted { existing: ack.duplicate && job.chosen, id: job.id, place }),
            Err(PublishFault::WrongSequence) => Ok(Submitted { existing: job.chosen, id: job.id, place }),
            Err(PublishFault::Closed) => Err(SubmitError::TooManyDelayed { tenant: self.tenant.clone() }),
            Err(fault) => Err(self.told(fault, job.id, size)),
        }
    }

    pub(crate) fn told(&self, fault: PublishFault, id: JobId, size: usize) -> SubmitError {
        match fault {
            PublishFault::NoStream => SubmitError::NoSuchTenant(self.tenant.clone()),
            PublishFault::Full(reason) => SubmitError::QueueFull { tenant: self.tenant.clone(), reason },
            PublishFault::Closed => SubmitError::TooManyDelayed { tenant: self.tenant.clone() },
            PublishFault::OverStream(_) => SubmitError::OverTenantPayload { tenant: self.tenant.clone(), size },
            PublishFault::TooLarge(_) => {
                SubmitError::PayloadTooLarge { size, most: claim::inline_bytes_max(self.nats.max_payload()) }
            }
            PublishFault::Refused { code, description } => SubmitError::Refused { code, reason: description },
            PublishFault::Forbidden(reason) => SubmitError::Forbidden { tenant: self.tenant.clone(), reason },
            PublishFault::Silence(reason) => SubmitError::Indeterminate { id, reason },
            PublishFault::WrongSequence => SubmitError::Indeterminate { id, reason: fault.to_string() },
        }
    }
}

pub(crate) fn to_send(job: &Prepared) -> async_nats::HeaderMap {
    let mut headers = wire::to_nats(&job.headers);
    headers.insert(NATS_MESSAGE_ID, job.id.as_str());
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
    if let Some(due) = job.due {
        headers.insert("Nats-Schedule", format!("@at {}", due.to_rfc3339()));
        headers.insert("Nats-Schedule-Target", job.subject.due(&job.id));
    }
    headers
}

/// An id that nobody else has; ids of later jobs sort later.
pub(crate) fn fresh_id() -> JobId {
    let uuid = uuid::Uuid::now_v7();
    let text = uuid.simple().to_string();
    // 32 hexadecimal digits are an id.
    text.parse().unwrap_or_else(|_| JobId::from_stream(now().0, 0))
}

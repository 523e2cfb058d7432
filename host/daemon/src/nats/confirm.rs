//! The rare endings: retries and dead letters, each written and confirmed on its own, and again until the broker has
//! it. Leases are extended meanwhile.

use super::api::{PublishReply, WRONG_LAST_SEQUENCE};
use super::settle::{CONFIRM_WITHIN, PAUSE, Settler, tell};
use super::sweep::Unreadable;
use crate::counters::BrokerFault;
use crate::lease::Lease;
use crate::ports::Later;
use async_nats::HeaderMap;
use bytes::Bytes;
use lovage_client::wire;
use lovage_job::dead::DeadLetter;
use lovage_job::header::{self, Headers};
use lovage_job::name::TenantName;
use lovage_job::outcome::{JobError, Meter, OutcomeKind};
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::subject::{self, JobSubject, ScheduleKind, asset};
use lovage_job::trail::Trail;
use std::time::Duration;

/// How long the result of a message that cannot be received is kept.
const UNREADABLE_KEPT: Duration = Duration::from_secs(86_400);
/// The broker's number for a message that is larger than its stream takes.
const MESSAGE_TOO_LARGE: u32 = 10_054;
/// Room in a message for the headers that are added to it last.
const MESSAGE_SPARE: usize = 2 * 1024;

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// The broker has it.
    Now,
    /// The condition did not hold: there is one already.
    There,
    /// It is not to be had any more.
    No,
}

impl Settler {
    /// Schedules a job for later, then acknowledges its message.
    pub(super) async fn put_back(&self, lease: Lease, tenant: TenantName, later: Later) {
        let subject = match &later.lot {
            None => subject::schedule(&tenant, ScheduleKind::Retry, &later.id),
            Some(lot) => subject::waiting(&tenant, lot, &later.id),
        };
        let (headers, payload) = self.fitting(&tenant, later.headers, later.payload).await;
        let mut headers = wire::to_nats(&headers);
        headers.insert("Nats-Schedule", format!("@at {}", later.due.to_rfc3339()));
        headers.insert("Nats-Schedule-Target", later.target.clone());
        headers.insert("Nats-Msg-Id", format!("{}:{}", later.id, later.round));
        if self.write(&tenant, &subject, headers, payload).await {
            tell(&self.client, &tenant, &later.event).await;
            self.acknowledge(&lease).await;
        }
    }

    /// Writes a dead letter unless it is there. True to its word or still trying: the lease is extended meanwhile.
    pub(super) async fn bury(&self, tenant: &TenantName, dead: &DeadLetter) {
        let subject = match dead.place() {
            Some((queue, task)) => subject::dead(tenant, &queue, &task, &dead.id),
            None => subject::dead_undecodable(tenant, &dead.id),
        };
        let mut letter = dead.clone();
        let size = letter.to_headers().size() + letter.payload.len();
        if size > self.message_max() {
            // the original headers name the object, as those of a job with a large payload do
            let (headers, payload) = self.claim(tenant, letter.headers, letter.payload.into()).await;
            (letter.headers, letter.payload) = (headers, payload.to_vec());
        }
        let mut headers = wire::to_nats(&letter.to_headers());
        // a replay removes its letter only once the job is queued again: the job may come to an end before that
        let replayed =
            letter.headers.get(header::REPLAY).filter(|place| place.parse::<u64>().is_ok()).map(str::to_owned);
        let payload = Bytes::from(letter.payload);
        for before in ["0"].into_iter().chain(replayed.as_deref()).chain(["0"]) {
            headers.insert("Nats-Expected-Last-Subject-Sequence", before);
            let written = self.write_where(tenant, &subject, headers.clone(), payload.clone()).await;
            if written != Written::There || replayed.is_none() {
                return;
            }
        }
    }

    /// Ends a job whose message cannot even be received: a result for whoever waits, and a dead letter.
    pub async fn bury_unreadable(&self, tenant: &TenantName, message: &Unreadable) {
        let subject = JobSubject::parse(&message.subject).ok();
        let id = subject.as_ref().and_then(|subject| subject.id.clone()).unwrap_or_else(|| message.origin.job_id());
        let error = JobError::new(OutcomeKind::Undecodable, message.reason.clone());
        let stored = message.origin.stored;
        let record = ResultRecord {
            id: id.clone(),
            task: subject.as_ref().map(|subject| subject.task.clone()),
            queue: subject.as_ref().map(|subject| subject.queue.clone()),
            lane: subject.as_ref().map(|subject| subject.lane),
            outcome: error.kind,
            digest: None,
            version: None,
            attempt: 0,
            published: stored,
            started: stored,
            finished: stored,
            meter: Meter::default(),
            worker: String::new(),
            tags: Vec::new(),
            payload: None,
            trace_id: None,
        };
        let (trail, content_type, body) = (Trail::default(), None, Vec::new());
        let result = JobResult { record, error: Some(error.clone()), trail: trail.clone(), content_type, body };
        let mut headers = wire::to_nats(&result.to_headers());
        headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
        headers.insert("Nats-TTL", format!("{}s", UNREADABLE_KEPT.as_secs()));
        self.write(tenant, &asset::result_subject(tenant, &id), headers, Bytes::new()).await;
        let letter = DeadLetter {
            id,
            subject: message.subject.clone(),
            error,
            trail,
            buried: stored,
            headers: Headers::new(),
            payload: message.payload.clone(),
        };
        self.bury(tenant, &letter).await;
    }

    /// What fits in one message, with room for the headers that are added on the way.
    fn message_max(&self) -> usize {
        self.client.max_payload().saturating_sub(MESSAGE_SPARE)
    }

    /// The headers and payload of a message that may have become too large by its headers.
    async fn fitting(&self, tenant: &TenantName, headers: Headers, payload: Bytes) -> (Headers, Bytes) {
        let most = self.message_max().min(self.schedule_max(tenant).saturating_sub(MESSAGE_SPARE));
        if headers.size() + payload.len() <= most {
            (headers, payload)
        } else {
            self.claim(tenant, headers, payload).await
        }
    }

    /// Puts a payload into the object store, and its name into the headers.
    async fn claim(&self, tenant: &TenantName, mut headers: Headers, payload: Bytes) -> (Headers, Bytes) {
        while !self.has_departed(tenant) {
            match self.payloads.put(tenant, &payload).await {
                Ok(digest) => {
                    headers.set(header::PAYLOAD, digest.as_str());
                    return (headers, Bytes::new());
                }
                Err(error) => tracing::debug!(error = %error, "a payload was not stored yet"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        (headers, payload)
    }

    /// Publishes and waits for the confirmation, again and again until the broker has the message, or the tenant is gone.
    async fn write(&self, tenant: &TenantName, subject: &str, headers: HeaderMap, body: Bytes) -> bool {
        self.write_where(tenant, subject, headers, body).await != Written::No
    }

    /// As `write`, and tells whether something else was there under the condition in the headers.
    async fn write_where(&self, tenant: &TenantName, subject: &str, headers: HeaderMap, body: Bytes) -> Written {
        loop {
            if self.has_departed(tenant) {
                return Written::No;
            }
            let request = async_nats::Request::new().headers(headers.clone()).payload(body.clone());
            let request = request.timeout(Some(CONFIRM_WITHIN));
            match self.client.send_request(subject.to_owned(), request).await {
                Ok(reply) => match serde_json::from_slice::<PublishReply>(&reply.payload) {
                    Ok(PublishReply { error: None, .. }) => return Written::Now,
                    Ok(PublishReply { error: Some(error), .. }) if error.err_code == WRONG_LAST_SEQUENCE => {
                        return Written::There;
                    }
                    Ok(PublishReply { error: Some(error), .. }) if error.err_code == MESSAGE_TOO_LARGE => {
                        // headers alone: the message comes again, and what cannot be put back is quarantined in the end
                        tracing::warn!(
                            subject,
                            "a job is larger than its tenant's messages may be and is not put back"
                        );
                        return Written::No;
                    }
                    Ok(PublishReply { error: Some(error), .. }) => {
                        tracing::warn!(subject, code = error.err_code, said = error.description, "a write was refused");
                    }
                    Err(error) => tracing::warn!(subject, error = %error, "a confirmation cannot be read"),
                },
                Err(error) => tracing::debug!(subject, error = %error, "a write was not confirmed"),
            }
            self.counters.fault(BrokerFault::WriteRefused);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

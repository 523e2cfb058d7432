//! Submitting jobs whose key makes them one with others. No worker takes part: the entry of a key in the tenant's bucket
//! is written under conditions, so that of many submissions at once one makes the job.
//!
//! The order makes every crash harmless. The entry comes first, with the id of the job; then the job, under that id and
//! on the condition that there is none; then the entry again, to say that the job is certain. Who meets an entry that is
//! not certain and finds no such job publishes it under the same id: of a slow submitter and this one, the broker takes
//! one. A conflict of any kind leads back to reading the entry.

use crate::client::{Client, now};
use crate::find::JobState;
use crate::list::Place;
use crate::prepare::Prepared;
use crate::publish::{self, PublishFault};
use crate::read::{self, READ_TIMEOUT, Stored};
use crate::submit::{SubmitError, Submitted, to_send};
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use lovage_job::name::JobId;
use lovage_job::subject::{ScheduleKind, asset, schedule};
use lovage_job::unique::{Entry, Seen, Unique, Verdict};
use lovage_job::unit::UnixMs;
use std::time::{Duration, Instant};

/// How long a submission tries while others keep changing the entry.
const CONTENDED_MAX: Duration = Duration::from_secs(20);
/// The longest pause before it looks again.
const PAUSE_MS_MAX: u64 = 40;

/// The entry of a key, as the broker holds it: nothing where it was removed, or is not one.
struct Held {
    entry: Option<Entry>,
    sequence: u64,
}

/// What is known of an entry's job.
struct Looked {
    seen: Seen,
    place: Option<Place>,
    /// The sequence of its schedule, where it is delayed.
    schedule: Option<u64>,
}

impl Client {
    /// Submits a job that is one with others of its key.
    pub(crate) async fn submit_unique(&self, job: Prepared, unique: Unique) -> Result<Submitted, SubmitError> {
        let subject = asset::unique_subject(&self.tenant, &unique.digest(&job.subject.task));
        let slot = Slot { client: self, unique, subject, job };
        let begun = Instant::now();
        loop {
            if let Some(submitted) = slot.attempt().await? {
                return Ok(submitted);
            }
            if begun.elapsed() > CONTENDED_MAX {
                return Err(SubmitError::Contended { key: slot.unique.key.clone() });
            }
            tokio::time::sleep(Duration::from_millis(1 + rand::random::<u64>() % PAUSE_MS_MAX)).await;
        }
    }
}

/// A submission under a key.
struct Slot<'a> {
    client: &'a Client,
    unique: Unique,
    subject: String,
    job: Prepared,
}

impl Slot<'_> {
    /// One try; nothing where someone else changed something in between.
    async fn attempt(&self) -> Result<Option<Submitted>, SubmitError> {
        let fresh = self.fresh();
        if let Some(sequence) = self.write(&fresh, 0).await? {
            return self.publish(fresh, sequence).await;
        }
        let Some(held) = self.read().await? else { return Ok(None) };
        let Some(entry) = held.entry else { return self.take_over(held.sequence).await };
        let (rule, now) = (self.unique.rule, now());
        let looked = match rule.needs_look(&entry, now) {
            true => self.look(&entry).await?,
            false => Looked { seen: Seen::Unknown, place: None, schedule: None },
        };
        match (rule.decide(&entry, looked.seen, now), looked.schedule) {
            (Verdict::Existing, _) => Ok(Some(self.existing(entry, held.sequence, looked.place).await)),
            (Verdict::Adopt, _) => self.publish(entry, held.sequence).await,
            (Verdict::TakeOver, _) => self.take_over(held.sequence).await,
            (Verdict::Replace { due }, Some(schedule)) => self.replace(entry, held.sequence, schedule, due).await,
            // it became due just now
            (Verdict::Replace { .. }, None) => Ok(None),
        }
    }

    fn fresh(&self) -> Entry {
        let now = now();
        let due = self.unique.rule.due(self.job.due, now);
        Entry { id: self.job.id.clone(), at: now, due, first: now, certain: false }
    }

    async fn take_over(&self, sequence: u64) -> Result<Option<Submitted>, SubmitError> {
        let fresh = self.fresh();
        match self.write(&fresh, sequence).await? {
            Some(sequence) => self.publish(fresh, sequence).await,
            None => Ok(None),
        }
    }

    /// Writes the entry where its last write is still `sequence`; returns the new one.
    async fn write(&self, entry: &Entry, sequence: u64) -> Result<Option<u64>, SubmitError> {
        let kept = self.unique.rule.kept(entry, entry.at).as_secs();
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, sequence.to_string());
        headers.insert("Nats-TTL", format!("{kept}s"));
        let body = serde_json::to_vec(entry).unwrap_or_default();
        let stream = self.stream();
        match publish::publish(&self.client.nats, &stream, &self.subject, headers, body.into()).await {
            Ok(ack) => Ok(Some(ack.sequence)),
            Err(PublishFault::WrongSequence) => Ok(None),
            Err(fault) => Err(SubmitError::Key { key: self.unique.key.clone(), reason: fault.to_string() }),
        }
    }

    async fn read(&self) -> Result<Option<Held>, SubmitError> {
        let stored = read::last(&self.client.nats, &self.stream(), &self.subject, READ_TIMEOUT).await;
        let stored = stored.map_err(|error| self.unclear(&error))?;
        let entry = |stored: &Stored| serde_json::from_slice(&stored.payload).ok().filter(|_| !stored.is_tombstone());
        Ok(stored.map(|stored| Held { entry: entry(&stored), sequence: stored.sequence }))
    }

    fn stream(&self) -> String {
        format!("KV_{}", asset::state(&self.client.tenant))
    }

    fn unclear(&self, error: &dyn std::fmt::Display) -> SubmitError {
        SubmitError::Key { key: self.unique.key.clone(), reason: error.to_string() }
    }

    async fn look(&self, entry: &Entry) -> Result<Looked, SubmitError> {
        let subject = schedule(&self.client.tenant, ScheduleKind::Delay, &entry.id);
        let stream = asset::schedules(&self.client.tenant);
        let delayed = read::last(&self.client.nats, &stream, &subject, READ_TIMEOUT).await;
        if let Some(stored) = delayed.map_err(|error| self.unclear(&error))? {
            let due = crate::find::due(&stored).unwrap_or(entry.due);
            let place = Some(Place::Delayed { due });
            return Ok(Looked { seen: Seen::Delayed, place, schedule: Some(stored.sequence) });
        }
        let state = self.client.find(&entry.id).await.map_err(|error| self.unclear(&error))?;
        let (seen, place) = match state {
            // a retry of the look finds it where it is now
            JobState::Delayed { due } => (Seen::Delayed, Some(Place::Delayed { due })),
            JobState::Queued { .. } => (Seen::Active, Some(Place::Queued)),
            JobState::Held { due, .. } => (Seen::Active, Some(Place::Held { due })),
            JobState::WaitingRetry { due, .. } => (Seen::Active, Some(Place::WaitingRetry { due })),
            JobState::Done(result) => (Seen::Ended, Some(Place::Done(result.record.outcome))),
            JobState::Unknown => (Seen::Unknown, None),
        };
        Ok(Looked { seen, place, schedule: None })
    }

    /// The job of the entry stands for this one. Its entry is kept alive as long as anyone asks.
    async fn existing(&self, entry: Entry, sequence: u64, place: Option<Place>) -> Submitted {
        let now = now();
        if self.unique.rule.is_old(&entry, now) {
            let _another_renews_it = self.write(&Entry { at: now, ..entry.clone() }, sequence).await;
        }
        let known = match place {
            Some(place) => Some(place),
            None => self.client.known(&self.under(&entry)).await,
        };
        let otherwise = if entry.due > now { Place::Delayed { due: entry.due } } else { Place::Queued };
        Submitted { id: entry.id, existing: true, place: known.unwrap_or(otherwise) }
    }

    /// The job under the id and for the time of the entry. What was meant for later goes to the schedules also where
    /// that time has passed, so that whoever publishes it publishes it to the same place.
    fn under(&self, entry: &Entry) -> Prepared {
        let mut job = self.job.clone();
        job.id = entry.id.clone();
        job.subject.id = Some(entry.id.clone());
        job.due = (entry.due > entry.at).then_some(entry.due);
        job.chosen = true;
        job
    }

    /// Publishes the job of an entry and makes the entry certain. Where the broker has the job already, it is an
    /// existing one; a debounce looks again then, since its input is not in it.
    async fn publish(&self, entry: Entry, sequence: u64) -> Result<Option<Submitted>, SubmitError> {
        let submitted = self.client.send(self.under(&entry)).await?;
        let debounce = matches!(self.unique.rule, lovage_job::unique::Rule::Debounce { .. });
        if submitted.existing && debounce && self.certain(&entry.id).await {
            return Ok(None);
        }
        let _whoever_was_faster_made_it_certain = self.write(&Entry { certain: true, ..entry }, sequence).await;
        Ok(if submitted.existing && debounce { None } else { Some(submitted) })
    }

    async fn certain(&self, id: &JobId) -> bool {
        let held = self.read().await.ok().flatten().and_then(|held| held.entry);
        held.is_some_and(|entry| entry.certain || entry.id != *id)
    }

    /// Puts this job in the place of the delayed one, while that is still the schedule that was seen.
    async fn replace(
        &self,
        entry: Entry,
        sequence: u64,
        schedule_sequence: u64,
        due: UnixMs,
    ) -> Result<Option<Submitted>, SubmitError> {
        let entry = Entry { due, certain: true, ..entry };
        let mut job = self.under(&entry);
        job.due = Some(due);
        let mut headers = to_send(&job);
        // an id of this very message: of two submissions that replace the same one, the second must be refused
        let message = format!("{}:{schedule_sequence}:{:016x}", entry.id, rand::random::<u64>());
        headers.insert(NATS_MESSAGE_ID, message);
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, schedule_sequence.to_string());
        let subject = schedule(&self.client.tenant, ScheduleKind::Delay, &entry.id);
        let (stream, size) = (asset::schedules(&self.client.tenant), job.payload.len());
        match publish::publish(&self.client.nats, &stream, &subject, headers, job.payload).await {
            Ok(_) => {}
            Err(PublishFault::WrongSequence) => return Ok(None),
            Err(fault) => return Err(self.client.told(fault, entry.id, size)),
        }
        // the entry must live as long as the job is put off; where another was faster, it does
        let _another_was_faster = self.write(&Entry { at: now(), ..entry.clone() }, sequence).await;
        Ok(Some(Submitted { id: entry.id, existing: true, place: Place::Delayed { due } }))
    }
}

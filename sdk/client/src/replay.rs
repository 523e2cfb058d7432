//! Replaying a dead letter: the job runs again under its own id, perhaps with another version.
//!
//! The order of the steps makes a repeat safe. The old result goes first, since it would keep a new one from being
//! stored; then the job is published and confirmed; the letter goes last. Whoever repeats this after a crash in
//! between finds the job waiting with the mark of this letter, or a result that is younger than the letter, and only
//! removes the letter. A copy without the mark is the one that was buried: a letter is written before its message is
//! acknowledged, so a quick replay waits until that is gone.

use crate::client::Client;
use crate::dead::{DeadError, StoredLetter};
use crate::publish::{self, PublishFault};
use crate::read::{self, READ_TIMEOUT, ReadError, Stored};
use crate::result::results_stream;
use crate::wire;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use bytes::Bytes;
use lovage_job::catalog::VersionRef;
use lovage_job::dead::DeadLetter;
use lovage_job::header;
use lovage_job::result::ResultRecord;
use lovage_job::subject::{JobSubject, asset};
use std::time::{Duration, Instant};

/// How much later than the burial an attempt must have begun to be one of a replay. The worker that buries a job has
/// begun its last attempt before, by the same clock.
const LATER: Duration = Duration::from_secs(1);
/// How long a replay waits for the message of a job that is just being buried.
const BURIAL_WAIT: Duration = Duration::from_secs(5);
/// How often it looks.
const BURIAL_LOOK: Duration = Duration::from_millis(50);

/// How a dead letter is replayed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayOptions {
    /// The version to run; the one that the job asked for where nothing is said.
    pub version: Option<VersionRef>,
}

/// What became of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// The job is in its queue again.
    Queued,
    /// It was replayed before: it waits, runs or has ended since. Only its letter was left to remove.
    Already,
}

impl Client {
    /// Publishes the job of a dead letter again and then removes the letter. Safe to repeat.
    pub async fn replay(&self, stored: &StoredLetter, options: &ReplayOptions) -> Result<Replayed, DeadError> {
        let letter = &stored.letter;
        let subject = self.replay_subject(letter)?;
        let replayed = if self.was_replayed(stored).await? {
            Replayed::Already
        } else {
            self.forget_the_end(letter).await?;
            self.publish_again(stored, &subject, options).await?
        };
        read::delete(&self.nats, &asset::dead(&self.tenant), stored.sequence).await?;
        Ok(replayed)
    }

    /// The subject of the job, with its id also where the publisher gave none.
    fn replay_subject(&self, letter: &DeadLetter) -> Result<JobSubject, DeadError> {
        let not_a_job = |reason: String| DeadError::NotAJob { id: letter.id.clone(), reason };
        let subject = JobSubject::parse(&letter.subject).map_err(|error| not_a_job(error.to_string()))?;
        if subject.tenant != self.tenant {
            return Err(not_a_job(format!("it belongs to tenant {}", subject.tenant)));
        }
        Ok(JobSubject { id: Some(letter.id.clone()), ..subject })
    }

    async fn was_replayed(&self, stored: &StoredLetter) -> Result<bool, DeadError> {
        let id = &stored.letter.id;
        let begun = Instant::now();
        while let Some(queued) = self.find_queued(id).await? {
            if is_marked(&queued.stored, stored) {
                return Ok(true);
            }
            if begun.elapsed() > BURIAL_WAIT {
                let reason = "the worker that buried it still holds its message".to_owned();
                return Err(DeadError::Publish { id: id.clone(), reason });
            }
            tokio::time::sleep(BURIAL_LOOK).await;
        }
        match self.scheduled_copies(id).await {
            Ok(copies) if copies.iter().any(|copy| is_marked(copy, stored)) => return Ok(true),
            Ok(_) | Err(ReadError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let result = self.result_head(id, READ_TIMEOUT).await?;
        Ok(result.is_some_and(|result| is_of_a_replay(&result, &stored.letter)))
    }

    /// Removes the old result, and a cancel that would stop the job at once.
    async fn forget_the_end(&self, letter: &DeadLetter) -> Result<(), DeadError> {
        let stream = format!("KV_{}", asset::CONTROL);
        let cancel = format!("$KV.{}.{}", asset::CONTROL, asset::cancel_key(&self.tenant, &letter.id));
        let mark = read::last(&self.nats, &stream, &cancel, READ_TIMEOUT).await?;
        if mark.is_some_and(|mark| !mark.is_tombstone()) {
            // A purge would say nothing to the workers, who hold the cancel in memory.
            let headers = wire::to_nats(&[("KV-Operation", "DEL")].into_iter().collect());
            let deleted = publish::publish(&self.nats, &stream, &cancel, headers, Bytes::new()).await;
            deleted.map_err(|fault| not_published(letter, &fault))?;
        }
        let result = asset::result_subject(&self.tenant, &letter.id);
        read::purge(&self.nats, &results_stream(self), &result).await?;
        Ok(())
    }

    async fn publish_again(
        &self,
        stored: &StoredLetter,
        subject: &JobSubject,
        options: &ReplayOptions,
    ) -> Result<Replayed, DeadError> {
        let letter = &stored.letter;
        let mut headers = letter.replay_headers();
        if let Some(version) = &options.version {
            headers.set(header::VERSION, version.to_string());
        }
        headers.set(header::REPLAY, stored.sequence.to_string());
        let mut headers = wire::to_nats(&headers);
        // The broker may still remember the id of the first submission, so a replay has one of its own.
        headers.insert(NATS_MESSAGE_ID, format!("{}:replay:{}", letter.id, stored.sequence));
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        let (stream, payload) = (asset::jobs(&self.tenant), letter.payload.clone().into());
        match publish::publish(&self.nats, &stream, &subject.to_string(), headers, payload).await {
            Ok(ack) if ack.duplicate => Ok(Replayed::Already),
            Ok(_) => Ok(Replayed::Queued),
            Err(PublishFault::WrongSequence) if self.was_replayed(stored).await? => Ok(Replayed::Already),
            Err(fault) => Err(not_published(letter, &fault)),
        }
    }
}

fn not_published(letter: &DeadLetter, fault: &PublishFault) -> DeadError {
    DeadError::Publish { id: letter.id.clone(), reason: fault.to_string() }
}

/// Whether a message is of a replay of this letter.
fn is_marked(message: &Stored, letter: &StoredLetter) -> bool {
    message.headers.get(header::REPLAY).and_then(|text| text.parse().ok()) == Some(letter.sequence)
}

/// Whether a result is of a later attempt than those that the letter tells of.
fn is_of_a_replay(result: &ResultRecord, letter: &DeadLetter) -> bool {
    result.attempt > 0 && result.started > letter.buried.after(LATER)
}

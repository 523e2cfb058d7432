//! Where a job is: one look at each of the places that hold jobs.

use crate::client::Client;
use crate::read::{self, ReadError, Stored};
use lovage_job::decode::{Origin, decode};
use lovage_job::header;
use lovage_job::job::Job;
use lovage_job::limit::about_lot;
use lovage_job::name::{JobId, TenantName};
use lovage_job::result::JobResult;
use lovage_job::subject::{JobSubject, Lane, ScheduleKind, asset, job_filter, schedule};
use lovage_job::unit::UnixMs;

/// Where a job is.
#[derive(Debug, Clone, PartialEq)]
pub enum JobState {
    /// It waits in its queue, or a worker runs it: the queue holds a job until it has ended, so the two look alike.
    Queued {
        /// Its subject.
        subject: JobSubject,
        /// When the queue got it, for this attempt.
        stored: UnixMs,
        /// Which attempt this is, from 1.
        attempt: u32,
    },
    /// Its first attempt is due later.
    Delayed {
        /// When.
        due: UnixMs,
    },
    /// An attempt failed, and the next one is due later.
    WaitingRetry {
        /// When.
        due: UnixMs,
        /// The attempt that is due, from 2.
        attempt: u32,
    },
    /// It may not run yet: it waits for a limit or a pause, and is woken when it may.
    Held {
        /// What it waits for, for people.
        waits_for: String,
        /// When it looks again by itself, at the latest.
        due: UnixMs,
        /// Which attempt this is, from 1.
        attempt: u32,
    },
    /// It has ended.
    Done(Box<JobResult>),
    /// Nothing is known of it: it was never submitted, or its result is forgotten.
    Unknown,
}

/// A job in its queue.
pub(crate) struct Queued {
    pub(crate) stored: Stored,
    pub(crate) job: Job,
}

impl Client {
    /// Finds a job by the id in its subject, or by the one made from its place in the stream; a plain publisher's
    /// `Lovage-Id` header alone is nothing that the broker can look up. The job may move while it is looked for, so the places are looked at again before it is called
    /// unknown.
    pub async fn find(&self, id: &JobId) -> Result<JobState, ReadError> {
        for _ in 0..2 {
            if let Some(result) = self.result(id).await? {
                return Ok(JobState::Done(Box::new(result)));
            }
            if let Some(Queued { stored, job }) = self.find_queued(id).await? {
                return Ok(JobState::Queued { subject: job.subject, stored: stored.stored, attempt: job.attempt });
            }
            if let Some(state) = self.find_scheduled(id).await? {
                return Ok(state);
            }
        }
        Ok(JobState::Unknown)
    }

    /// The job's message in the stream of waiting jobs.
    pub(crate) async fn find_queued(&self, id: &JobId) -> Result<Option<Queued>, ReadError> {
        let stream = asset::jobs(&self.tenant);
        for lane in Lane::ALL {
            let filter = job_filter(&self.tenant, lane, id);
            if let Some(stored) = read::next(&self.nats, &stream, &filter, 1).await? {
                return Ok(queued(stored, UnixMs(0)));
            }
        }
        let Some((created, sequence)) = stream_place(id) else { return Ok(None) };
        let facts = read::facts(&self.nats, &stream).await?;
        if facts.created != created {
            return Ok(None);
        }
        let stored = read::at(&self.nats, &stream, sequence).await?;
        Ok(stored.and_then(|stored| queued(stored, created)).filter(|queued| queued.job.id == *id))
    }

    /// The job where a schedule holds it.
    pub(crate) async fn find_scheduled(&self, id: &JobId) -> Result<Option<JobState>, ReadError> {
        let stream = asset::schedules(&self.tenant);
        let due_filter = format!("lovage.{}.due.*.*.*.{id}", self.tenant);
        // What is due waits here only until the stream of waiting jobs has room.
        for filter in [due_filter, self.retry_subject(id), schedule(&self.tenant, ScheduleKind::Delay, id)] {
            if let Some(stored) = read::next(&self.nats, &stream, &filter, 1).await? {
                let due = due(&stored).unwrap_or(stored.stored);
                return Ok(Some(match attempt(&stored) {
                    1 => JobState::Delayed { due },
                    attempt => JobState::WaitingRetry { due, attempt },
                }));
            }
        }
        let held = read::next(&self.nats, &stream, &self.held_filter(id), 1).await?;
        Ok(held.map(|stored| JobState::Held {
            waits_for: waits_for(&stored).unwrap_or_default(),
            due: due(&stored).unwrap_or(stored.stored),
            attempt: attempt(&stored),
        }))
    }

    /// Every copy of the job that the stream of schedules holds.
    pub(crate) async fn scheduled_copies(&self, id: &JobId) -> Result<Vec<Stored>, ReadError> {
        let stream = asset::schedules(&self.tenant);
        let due = format!("lovage.{}.due.*.*.*.{id}", self.tenant);
        let delay = schedule(&self.tenant, ScheduleKind::Delay, id);
        let mut copies = Vec::new();
        for filter in [due, self.retry_subject(id), delay, self.held_filter(id)] {
            copies.extend(read::next(&self.nats, &stream, &filter, 1).await?);
        }
        Ok(copies)
    }

    /// The filter of the job in whatever lot it waits.
    pub(crate) fn held_filter(&self, id: &JobId) -> String {
        format!("lovage.{}.sched.wait.*.{id}", self.tenant)
    }

    /// The subject that holds the job's next attempt.
    pub(crate) fn retry_subject(&self, id: &JobId) -> String {
        schedule(&self.tenant, ScheduleKind::Retry, id)
    }
}

/// Decodes a message of the stream of waiting jobs; nothing where it is not a job. `created` is when the stream was.
pub(crate) fn queued(stored: Stored, created: UnixMs) -> Option<Queued> {
    let origin = Origin { stream_created_ms: created.0, sequence: stored.sequence, stored: stored.stored };
    let job = decode(&stored.subject, &stored.headers, origin).ok()?;
    Some(Queued { stored, job })
}

/// The stream's creation time and the sequence in an id that was made from them.
pub(crate) fn stream_place(id: &JobId) -> Option<(UnixMs, u64)> {
    let (created, sequence) = id.as_str().strip_prefix('s')?.split_once('-')?;
    let place = (UnixMs(u64::from_str_radix(created, 16).ok()?), sequence.parse().ok()?);
    (JobId::from_stream(place.0.0, place.1) == *id).then_some(place)
}

/// What a job in a lot waits for, for people.
pub(crate) fn waits_for(stored: &Stored) -> Option<String> {
    let mut tokens = stored.subject.split('.').skip(2);
    let (Some("sched"), Some("wait"), Some(lot)) = (tokens.next(), tokens.next(), tokens.next()) else { return None };
    Some(about_lot(lot))
}

/// When a schedule fires.
pub(crate) fn due(stored: &Stored) -> Option<UnixMs> {
    let schedule = stored.headers.get("Nats-Schedule")?;
    UnixMs::from_rfc3339(schedule.strip_prefix("@at ")?.trim()).ok()
}

/// The attempt that a message is, from 1.
pub(crate) fn attempt(stored: &Stored) -> u32 {
    stored.headers.get(header::ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// The subject that a scheduled or due job will have in its queue.
pub(crate) fn target(stored: &Stored, tenant: &TenantName) -> Option<JobSubject> {
    let subject = stored.headers.get("Nats-Schedule-Target").unwrap_or(&stored.subject);
    let rest = subject.strip_prefix(&format!("lovage.{tenant}.due."))?;
    JobSubject::parse(&format!("lovage.{tenant}.{rest}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheduled(headers: &[(&str, &str)]) -> Stored {
        Stored {
            subject: "lovage.acme.sched.retry.j".into(),
            sequence: 1,
            stored: UnixMs(1),
            headers: headers.iter().copied().collect(),
            payload: bytes::Bytes::new(),
        }
    }

    #[test]
    fn an_id_from_the_stream_tells_its_place() {
        assert_eq!(stream_place(&JobId::from_stream(0xabc, 17)), Some((UnixMs(0xabc), 17)));
        for other in ["j", "s-1", "s12", "sxyz-1", "s0abc-17", "sABC-17", "sabc-017", "order-1"] {
            assert_eq!(stream_place(&other.parse().unwrap()), None, "{other}");
        }
    }

    #[test]
    fn a_schedule_tells_when_and_where() {
        let stored = scheduled(&[
            ("Nats-Schedule", "@at 1970-01-01T00:00:05.000Z"),
            ("Nats-Schedule-Target", "lovage.acme.due.job-low.mail.send.j"),
            ("Lovage-Attempt", "3"),
        ]);
        assert_eq!((due(&stored), attempt(&stored)), (Some(UnixMs(5_000)), 3));
        let target = target(&stored, &"acme".parse().unwrap()).unwrap();
        assert_eq!(target.to_string(), "lovage.acme.job-low.mail.send.j");
    }

    #[test]
    fn other_schedules_tell_nothing() {
        let stored =
            scheduled(&[("Nats-Schedule", "@every 5s"), ("Nats-Schedule-Target", "lovage.evil.due.job.q.t.j")]);
        assert_eq!(due(&stored), None);
        assert_eq!(target(&stored, &"acme".parse().unwrap()), None);
    }
}

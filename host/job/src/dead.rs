//! Dead letters: jobs that failed for good, whole, with the reason.

use crate::header::{self, Headers};
use crate::name::{JobId, QueueName, TaskName};
use crate::outcome::JobError;
use crate::subject::JobSubject;
use crate::trail::{Trail, ascii_json};
use crate::unit::UnixMs;

/// The most JSON that a dead letter's error takes in its header.
const ERROR_BYTES_MAX: usize = 8 * 1024;

/// A job that failed for good.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The job.
    pub id: JobId,
    /// The subject that it was published to.
    pub subject: String,
    /// Why it is dead.
    pub error: JobError,
    /// What its attempts came to.
    pub trail: Trail,
    /// When it was buried.
    pub buried: UnixMs,
    /// The headers that it was published with.
    pub headers: Headers,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// A message that is not a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the dead letter is damaged: {0}")]
pub struct DeadLetterError(String);

/// The prefix that keeps the broker's own headers of the original from having an effect on the dead letter.
const KEPT: &str = "Lovage-Original-";

impl DeadLetter {
    /// The task and queue, where the message was a job.
    pub fn place(&self) -> Option<(QueueName, TaskName)> {
        JobSubject::parse(&self.subject).ok().map(|subject| (subject.queue, subject.task))
    }

    /// The headers of the stored dead letter: the original ones, the reason and the trail.
    pub fn to_headers(&self) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in self.headers.iter() {
            if header::is_brokers(name) {
                continue;
            }
            let name = if header::is_lovages(name) { format!("{KEPT}{name}") } else { name.to_owned() };
            headers.push(name, value);
        }
        headers.push(header::ID, self.id.as_str());
        headers.push(header::SUBJECT, printable(&self.subject));
        headers.push(header::OUTCOME, self.error.kind.as_str());
        headers.push(header::ERROR, ascii_json(&self.error.clone().clipped(ERROR_BYTES_MAX)));
        headers.push(header::TRAIL, self.trail.to_header());
        headers.push(header::BURIED, self.buried.0.to_string());
        headers
    }

    /// Reads a stored dead letter.
    pub fn from_message(stored: &Headers, payload: Vec<u8>) -> Result<Self, DeadLetterError> {
        let missing = |name: &str| DeadLetterError(format!("it has no {name}"));
        let need = |name: &'static str| stored.get(name).ok_or_else(|| missing(name));
        let id = need(header::ID)?.parse().map_err(|error| DeadLetterError(format!("{error}")))?;
        let error = serde_json::from_str(need(header::ERROR)?).map_err(|error| DeadLetterError(error.to_string()))?;
        let buried = need(header::BURIED)?.parse().map_err(|_| missing(header::BURIED))?;
        let mut headers = Headers::new();
        for (name, value) in stored.iter() {
            match name.strip_prefix(KEPT) {
                Some(original) => headers.push(original, value),
                None if header::is_lovages(name) || header::is_brokers(name) => {}
                None => headers.push(name, value),
            }
        }
        Ok(Self {
            id,
            subject: need(header::SUBJECT)?.to_owned(),
            error,
            trail: stored.get(header::TRAIL).and_then(Trail::from_header).unwrap_or_default(),
            buried: UnixMs(buried),
            headers,
            payload,
        })
    }

    /// The headers with which the job is published again: as it came, without the state of its old attempts.
    pub fn replay_headers(&self) -> Headers {
        let stale = |name: &str| header::FROM_WORKERS.iter().any(|worker| worker.eq_ignore_ascii_case(name));
        let mut headers: Headers = self.headers.iter().filter(|(name, _)| !stale(name)).collect();
        headers.remove(header::EXPIRES);
        // a tick runs once; its replay is a run of the schedule by hand
        headers.remove(header::SLOT);
        headers
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(512).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::OutcomeKind;

    fn letter() -> DeadLetter {
        DeadLetter {
            id: "j".parse().unwrap(),
            subject: "lovage.acme.job.default.add".into(),
            error: JobError::new(OutcomeKind::Failed, "nö"),
            trail: Trail::default(),
            buried: UnixMs(5),
            headers: [("X-Own", "mine"), ("Lovage-Retries", "2"), ("Lovage-Attempt", "3"), ("Lovage-Expires", "5s")]
                .into_iter()
                .collect(),
            payload: b"{}".to_vec(),
        }
    }

    #[test]
    fn a_dead_letter_reads_back_whole() {
        let letter = letter();
        assert_eq!(DeadLetter::from_message(&letter.to_headers(), b"{}".to_vec()).unwrap(), letter);
    }

    #[test]
    fn the_brokers_headers_have_no_second_effect() {
        let mut letter = letter();
        letter.headers.push("Nats-TTL", "1s");
        assert!(letter.to_headers().iter().all(|(name, _)| !header::is_brokers(name)));
    }

    #[test]
    fn a_replay_starts_from_the_first_attempt_and_does_not_expire() {
        let headers = letter().replay_headers();
        assert_eq!(headers, [("X-Own", "mine"), ("Lovage-Retries", "2")].into_iter().collect());
    }
}

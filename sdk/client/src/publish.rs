//! Publishing with an acknowledgement from the stream: one try, and tries until it is certain.
//!
//! A message keeps its id over all tries, so the broker stores it once however often it is sent.

use crate::link::{AskError, Link};
use async_nats::{HeaderMap, Request, RequestErrorKind};
use bytes::Bytes;
use serde::Deserialize;
use std::time::{Duration, Instant};

/// One try.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// All tries together.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Between the first two tries; doubles each time.
const DELAY_MIN: Duration = Duration::from_millis(50);
/// Between later ones.
const DELAY_MAX: Duration = Duration::from_millis(500);
/// How long to wait for word on whether a stream exists.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

const WRONG_LAST_SEQUENCE: [u64; 2] = [10071, 10164];
const STORE_FAILED: u64 = 10077;
const MESSAGE_TOO_LARGE: u64 = 10054;
/// The broker's number for a stream that is not there.
pub(crate) const STREAM_NOT_FOUND: u64 = 10059;

/// What a stream says of a message that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ack {
    /// The message's place in the stream.
    pub(crate) sequence: u64,
    /// Whether the stream had it before.
    pub(crate) duplicate: bool,
}

/// Why a stream does not hold a message, or may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PublishFault {
    /// No stream takes the subject.
    #[error("no stream takes it")]
    NoStream,
    /// The condition on the subject's last message does not hold: there is one already.
    #[error("there is a message on this subject already")]
    WrongSequence,
    /// The stream is full.
    #[error("{0}")]
    Full(String),
    /// The message is larger than the stream or the server takes.
    #[error("{0}")]
    TooLarge(String),
    /// The message is larger than its stream takes.
    #[error("{0}")]
    OverStream(String),
    /// The stream is there and does not take the subject: its tenant has as many delayed jobs as it may.
    #[error("the stream takes no more of it")]
    Closed,
    /// The user has no right to it.
    #[error("{0}")]
    Forbidden(String),
    /// The broker refuses the message.
    #[error("{description} (error {code})")]
    Refused {
        /// The broker's number for it.
        code: u64,
        /// The broker's words.
        description: String,
    },
    /// No answer in time: the message may be stored or not.
    #[error("{0}")]
    Silence(String),
}

/// An error of the JetStream API.
#[derive(Debug, Deserialize)]
pub(crate) struct ApiError {
    /// As in HTTP.
    #[serde(default)]
    pub(crate) code: u64,
    /// The exact error.
    #[serde(default)]
    pub(crate) err_code: u64,
    /// For people.
    #[serde(default)]
    pub(crate) description: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<ApiError>,
}

/// The error in an answer of the JetStream API, where there is one.
pub(crate) fn api_error(answer: &[u8]) -> Option<ApiError> {
    serde_json::from_slice::<Answer>(answer).ok().and_then(|answer| answer.error)
}

/// Publishes until the stream named `stream` has said yes or no, or the time is up. Only faults that may pass are
/// tried again.
pub(crate) async fn publish(
    nats: &Link,
    stream: &str,
    subject: &str,
    headers: HeaderMap,
    payload: Bytes,
) -> Result<Ack, PublishFault> {
    let begun = Instant::now();
    let mut delay = DELAY_MIN;
    loop {
        let fault = match publish_once(nats, subject, headers.clone(), payload.clone()).await {
            Ok(ack) => return Ok(ack),
            Err(Tried::Final(fault)) => return Err(fault),
            Err(Tried::Again(fault)) => fault,
        };
        if fault == PublishFault::NoStream {
            match known(nats, stream, subject).await {
                Stream::Missing => return Err(fault),
                Stream::Closed => return Err(PublishFault::Closed),
                Stream::There => {}
            }
        }
        if begun.elapsed() + delay >= TOTAL_TIMEOUT {
            return Err(match fault {
                // whoever may not ask about streams hears nothing else of one that is closed
                PublishFault::NoStream if subject.contains(".sched.delay.") => PublishFault::Closed,
                fault => fault,
            });
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(DELAY_MAX);
    }
}

enum Tried {
    Final(PublishFault),
    Again(PublishFault),
}

async fn publish_once(nats: &Link, subject: &str, headers: HeaderMap, payload: Bytes) -> Result<Ack, Tried> {
    let request = Request::new().headers(headers).payload(payload).timeout(Some(TRY_TIMEOUT));
    match nats.ask(subject.to_owned(), request).await {
        Ok(message) => judge(&message.payload),
        Err(AskError::Forbidden(reason)) => Err(Tried::Final(PublishFault::Forbidden(reason))),
        Err(AskError::Failed(error)) => Err(match error.kind() {
            RequestErrorKind::NoResponders => Tried::Again(PublishFault::NoStream),
            RequestErrorKind::MaxPayloadExceeded => Tried::Final(PublishFault::TooLarge(error.to_string())),
            RequestErrorKind::InvalidSubject => {
                Tried::Final(PublishFault::Refused { code: 0, description: error.to_string() })
            }
            RequestErrorKind::TimedOut | RequestErrorKind::Other => {
                Tried::Again(PublishFault::Silence(error.to_string()))
            }
        }),
    }
}

fn judge(answer: &[u8]) -> Result<Ack, Tried> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| {
        Tried::Final(PublishFault::Silence(format!("something that is not a stream answered: {error}")))
    })?;
    let Some(error) = answer.error else { return Ok(Ack { sequence: answer.seq, duplicate: answer.duplicate }) };
    let description = error.description;
    Err(match error.err_code {
        code if WRONG_LAST_SEQUENCE.contains(&code) => Tried::Final(PublishFault::WrongSequence),
        STORE_FAILED if description.contains("maximum") => Tried::Final(PublishFault::Full(description)),
        MESSAGE_TOO_LARGE => Tried::Final(PublishFault::OverStream(description)),
        code if error.code == 503 => Tried::Again(PublishFault::Refused { code, description }),
        code => Tried::Final(PublishFault::Refused { code, description }),
    })
}

/// What is known of a stream to which nobody listens.
enum Stream {
    /// The broker says that there is none.
    Missing,
    /// It is there, and what it takes leaves out delayed jobs, which are what was published.
    Closed,
    /// It may be there: while the broker elects a leader, or where the user may not ask, it says nothing.
    There,
}

async fn known(nats: &Link, stream: &str, subject: &str) -> Stream {
    let delays = subject.split('.').nth(2) == Some("sched");
    let request = Request::new().payload(Bytes::new()).timeout(Some(ASK_TIMEOUT));
    let Ok(message) = nats.ask(format!("$JS.API.STREAM.INFO.{stream}"), request).await else {
        // one that may not be asked about and does not hear a delayed job is closed, or gone
        return Stream::There;
    };
    match api_error(&message.payload) {
        Some(error) if error.err_code == STREAM_NOT_FOUND => Stream::Missing,
        Some(_) => Stream::There,
        None if delays && is_closed(&message.payload) => Stream::Closed,
        None => Stream::There,
    }
}

/// Whether a stream of schedules takes none of delayed jobs.
fn is_closed(info: &[u8]) -> bool {
    let info: serde_json::Value = serde_json::from_slice(info).unwrap_or_default();
    let subjects = info.pointer("/config/subjects").and_then(serde_json::Value::as_array);
    subjects.is_some_and(|subjects| {
        let takes = |subject: &&str| subject.ends_with(".sched.>") || subject.contains(".sched.delay.");
        !subjects.iter().filter_map(serde_json::Value::as_str).any(|subject| takes(&subject))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(answer: &str) -> (bool, PublishFault) {
        match judge(answer.as_bytes()) {
            Ok(ack) => panic!("{ack:?}"),
            Err(Tried::Final(fault)) => (false, fault),
            Err(Tried::Again(fault)) => (true, fault),
        }
    }

    #[test]
    fn an_acknowledgement_is_read() {
        let ack = judge(br#"{"stream":"JOBS_a","seq":7,"duplicate":true}"#);
        assert!(matches!(ack, Ok(Ack { sequence: 7, duplicate: true })));
    }

    #[test]
    fn each_refusal_has_its_meaning() {
        let answer = |code, err_code, text| {
            fault(&format!(r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"{text}"}}}}"#))
        };
        assert_eq!(answer(400, 10071, "wrong last sequence: 3"), (false, PublishFault::WrongSequence));
        assert!(matches!(answer(503, 10077, "maximum messages exceeded"), (false, PublishFault::Full(_))));
        assert!(matches!(answer(400, 10054, "message size exceeds"), (false, PublishFault::OverStream(_))));
        assert!(matches!(answer(503, 10008, "unavailable"), (true, PublishFault::Refused { .. })));
        assert!(matches!(answer(400, 10189, "bad schedule"), (false, PublishFault::Refused { code: 10189, .. })));
    }

    #[test]
    fn a_stream_that_takes_no_delays_is_known() {
        let info = |subjects: &str| format!(r#"{{"config":{{"subjects":[{subjects}]}}}}"#);
        assert!(!is_closed(info(r#""lovage.a.sched.>","lovage.a.due.>""#).as_bytes()));
        assert!(is_closed(info(r#""lovage.a.sched.retry.>","lovage.a.due.>""#).as_bytes()));
        assert!(!is_closed(b"") && !is_closed(b"{}"));
    }

    #[test]
    fn junk_is_no_acknowledgement() {
        for junk in ["", "x", "[]", "\u{0}"] {
            assert!(matches!(fault(junk), (false, PublishFault::Silence(_))));
        }
    }
}

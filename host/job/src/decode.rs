//! From a message to a [`Job`]: the only door for what publishers send.

use crate::flow::Flow;
use crate::header::{self, Headers};
use crate::job::{Job, Wishes};
use crate::limits::soft_below;
use crate::name::{JobId, TenantName};
use crate::retry::ATTEMPTS_MAX;
use crate::schedule::ScheduledRun;
use crate::subject::{JobSubject, SubjectError};
use crate::trace::TraceContext;
use crate::trail::Trail;
use crate::unit::{UnixMs, parse_span};
use std::time::Duration;

/// The longest tag, in bytes.
pub(crate) const TAG_LENGTH_MAX: usize = 100;
/// The most tags.
pub(crate) const TAGS_MAX: usize = 16;
/// The longest reply subject, in bytes.
const REPLY_LENGTH_MAX: usize = 256;
/// The longest key, in bytes.
pub const KEY_LENGTH_MAX: usize = 256;
/// The most bytes of headers that reach a guest, names and values together.
const GUEST_HEADERS_MAX: usize = 32 * 1024;

/// What the broker knows of a message.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// When the stream was created, in Unix milliseconds.
    pub stream_created_ms: u64,
    /// The message's place in the stream.
    pub sequence: u64,
    /// When the broker stored it.
    pub stored: UnixMs,
}

impl Origin {
    /// The id of a job whose publisher gave none.
    pub fn job_id(&self) -> JobId {
        JobId::from_stream(self.stream_created_ms, self.sequence)
    }
}

/// A message that is not a job. The text names the value and says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The subject is not that of a job.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// A header that no version of Lovage knows.
    #[error("header {name:?} is not known{hint}")]
    UnknownHeader {
        /// Its name.
        name: String,
        /// The nearest known name.
        hint: String,
    },
    /// A header with a value that makes no sense.
    #[error("header {name}: {reason}")]
    BadHeader {
        /// Its name.
        name: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The subject and the header name different jobs.
    #[error("header Lovage-Id says {header} but the subject says {subject}; give one of them, or the same in both")]
    TwoIds {
        /// From the header.
        header: JobId,
        /// From the subject.
        subject: JobId,
    },
}

/// Decodes a message. The payload is not looked at: what it must be is for the task to say.
pub fn decode(subject: &str, headers: &Headers, origin: Origin) -> Result<Job, DecodeError> {
    let subject = JobSubject::parse(subject)?;
    check_known(headers)?;
    let id = job_id(&subject, headers, origin)?;
    let published = number(headers, header::PUBLISHED)?.map_or(origin.stored, UnixMs);
    Ok(Job {
        run: scheduled_run(headers, &id)?,
        flow: Flow::read(headers, &id)?,
        id,
        wishes: wishes(headers, published, &subject.tenant)?,
        subject,
        attempt: attempt(headers)?,
        round: round(headers)?,
        crashes: crashes(headers)?,
        pinned: parsed(headers, header::DIGEST)?,
        trail: headers.get(header::TRAIL).and_then(Trail::from_header).unwrap_or_default(),
        published,
        headers: guest_headers(headers)?,
    })
}

fn job_id(subject: &JobSubject, headers: &Headers, origin: Origin) -> Result<JobId, DecodeError> {
    match (&subject.id, parsed::<JobId>(headers, header::ID)?) {
        (Some(subject), Some(header)) if *subject != header => {
            Err(DecodeError::TwoIds { header, subject: subject.clone() })
        }
        (Some(id), _) => Ok(id.clone()),
        (None, Some(id)) => Ok(id),
        (None, None) => Ok(origin.job_id()),
    }
}

/// The run of a schedule that a job is. A tick has the id of its slot and no other, so that nobody can claim a tick
/// for another job.
fn scheduled_run(headers: &Headers, id: &JobId) -> Result<Option<ScheduledRun>, DecodeError> {
    let slot = number(headers, header::SLOT)?.map(UnixMs);
    let Some(schedule) = parsed(headers, header::SCHEDULE)? else {
        return match slot {
            None => Ok(None),
            Some(_) => Err(bad(header::SLOT, "a slot needs the schedule in Lovage-Schedule")),
        };
    };
    match slot.map(|slot| JobId::of_tick(&schedule, slot.0)) {
        Some(tick) if tick != *id => Err(bad(header::SLOT, format!("the tick of this slot is job {tick}, not {id}"))),
        _ => Ok(Some(ScheduledRun { schedule, slot })),
    }
}

/// Refuses `Lovage-*` headers that are not known: a misspelt limit that is silently dropped costs someone a night.
fn check_known(headers: &Headers) -> Result<(), DecodeError> {
    let known = || header::FROM_PUBLISHERS.into_iter().chain(header::FROM_WORKERS).chain(header::LINEAGE);
    for (name, _) in headers.iter().filter(|(name, _)| header::is_lovages(name)) {
        if !known().any(|known| known.eq_ignore_ascii_case(name)) {
            let lower = name.to_ascii_lowercase();
            let near = header::FROM_PUBLISHERS
                .into_iter()
                .max_by(|a, b| similarity(a, &lower).total_cmp(&similarity(b, &lower)))
                .unwrap_or_default();
            let hint = format!("; did you mean {near}? known are {}", header::FROM_PUBLISHERS.join(", "));
            return Err(DecodeError::UnknownHeader { name: name.chars().take(60).collect(), hint });
        }
    }
    Ok(())
}

fn similarity(known: &str, lower: &str) -> f64 {
    strsim::jaro_winkler(&known.to_ascii_lowercase(), lower)
}

fn attempt(headers: &Headers) -> Result<u32, DecodeError> {
    let attempt = number(headers, header::ATTEMPT)?.unwrap_or(1);
    match u32::try_from(attempt) {
        Ok(attempt) if (1..=ATTEMPTS_MAX).contains(&attempt) => Ok(attempt),
        _ => Err(bad(header::ATTEMPT, format!("{attempt} is not between 1 and {ATTEMPTS_MAX}"))),
    }
}

fn round(headers: &Headers) -> Result<u32, DecodeError> {
    let round = number(headers, header::ROUND)?.unwrap_or(0);
    u32::try_from(round).map_err(|_| bad(header::ROUND, format!("{round} is more than {}", u32::MAX)))
}

fn crashes(headers: &Headers) -> Result<u32, DecodeError> {
    let crashes = number(headers, header::CRASHES)?.unwrap_or(0);
    u32::try_from(crashes).map_err(|_| bad(header::CRASHES, format!("{crashes} is more than {}", u32::MAX)))
}

fn wishes(headers: &Headers, published: UnixMs, tenant: &TenantName) -> Result<Wishes, DecodeError> {
    Ok(Wishes {
        version: parsed(headers, header::VERSION)?,
        retries: retries(headers)?,
        backoff: parsed(headers, header::BACKOFF)?,
        retry_on: parsed(headers, header::RETRY_ON)?,
        timeout: timeout(headers, header::TIMEOUT)?,
        soft_timeout: soft_timeout(headers)?,
        limit_key: limit_key(headers)?,
        expires: expires(headers, published)?,
        tags: tags(headers)?,
        reply: reply(headers, tenant)?,
        content_type: headers.get(header::CONTENT_TYPE).map(str::to_owned),
        trace_parent: headers.get(header::TRACE_PARENT).and_then(TraceContext::parse),
        payload: parsed(headers, header::PAYLOAD)?,
    })
}

fn retries(headers: &Headers) -> Result<Option<u32>, DecodeError> {
    let most = ATTEMPTS_MAX - 1;
    number(headers, header::RETRIES)?
        .map(|retries| match u32::try_from(retries) {
            Ok(retries) if retries <= most => Ok(retries),
            _ => Err(bad(header::RETRIES, format!("{retries} is more than {most}"))),
        })
        .transpose()
}

fn timeout(headers: &Headers, name: &'static str) -> Result<Option<Duration>, DecodeError> {
    match headers.get(name) {
        None => Ok(None),
        Some(text) => match parse_span(text) {
            Ok(span) if span.is_zero() => Err(bad(name, "0 would stop the job before it starts")),
            Ok(span) => Ok(Some(span)),
            Err(error) => Err(bad(name, error)),
        },
    }
}

/// A soft timeout that the job's own timeout would never let pass is a mistake of whoever wrote both. Where the timeout
/// is the task's or the operator's, it has no effect.
fn soft_timeout(headers: &Headers) -> Result<Option<Duration>, DecodeError> {
    let soft = timeout(headers, header::SOFT_TIMEOUT)?;
    match (soft, timeout(headers, header::TIMEOUT)?) {
        (Some(soft), Some(hard)) => {
            soft_below(soft, hard).map_err(|reason| bad(header::SOFT_TIMEOUT, reason)).map(|()| Some(soft))
        }
        _ => Ok(soft),
    }
}

fn limit_key(headers: &Headers) -> Result<Option<String>, DecodeError> {
    match headers.get(header::LIMIT_KEY) {
        Some(key) if key.is_empty() || key.len() > KEY_LENGTH_MAX => {
            let reason = format!("a key of {} bytes is not between 1 and {KEY_LENGTH_MAX}", key.len());
            Err(bad(header::LIMIT_KEY, reason))
        }
        key => Ok(key.map(str::to_owned)),
    }
}

fn expires(headers: &Headers, published: UnixMs) -> Result<Option<UnixMs>, DecodeError> {
    let Some(text) = headers.get(header::EXPIRES) else { return Ok(None) };
    if let Ok(span) = parse_span(text) {
        return Ok(Some(published.after(span)));
    }
    UnixMs::from_rfc3339(text).map(Some).map_err(|_| {
        let text: String = text.chars().take(60).collect();
        bad(
            header::EXPIRES,
            format!("{text:?} is neither a duration such as 5m nor a time such as 2026-11-23T18:30:00Z"),
        )
    })
}

fn tags(headers: &Headers) -> Result<Vec<String>, DecodeError> {
    let tags: Vec<String> = headers.all(header::TAG).map(str::to_owned).collect();
    if tags.len() > TAGS_MAX {
        return Err(bad(header::TAG, format!("{} tags are more than {TAGS_MAX}", tags.len())));
    }
    match tags.iter().find(|tag| tag.is_empty() || tag.len() > TAG_LENGTH_MAX) {
        Some(tag) => {
            Err(bad(header::TAG, format!("a tag of {} bytes is not between 1 and {TAG_LENGTH_MAX}", tag.len())))
        }
        None => Ok(tags),
    }
}

/// A reply subject is published to with the worker's own rights, so it may only be an inbox: anything else would let
/// a publisher write where it has no right to. A tenant's own inboxes have its name in their prefix.
fn reply(headers: &Headers, tenant: &TenantName) -> Result<Option<String>, DecodeError> {
    let Some(subject) = headers.get(header::REPLY) else { return Ok(None) };
    let plain = subject.len() <= REPLY_LENGTH_MAX
        && subject.split('.').all(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()))
        && !subject.contains(['*', '>']);
    let prefix = subject.split('.').next().unwrap_or_default();
    if plain && (prefix == "_INBOX" || prefix.strip_prefix("_INBOX_") == Some(tenant.as_str())) {
        Ok(Some(subject.to_owned()))
    } else {
        let subject: String = subject.chars().take(60).collect();
        Err(bad(header::REPLY, format!("{subject:?} is not an inbox such as _INBOX.abc")))
    }
}

fn guest_headers(headers: &Headers) -> Result<Headers, DecodeError> {
    let own = |name: &str| !header::is_brokers(name) && !header::is_lovages(name);
    let headers: Headers = headers.iter().filter(|(name, _)| own(name)).collect();
    let size: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > GUEST_HEADERS_MAX {
        let reason = format!("the publisher's own headers have {size} bytes, more than {GUEST_HEADERS_MAX}");
        return Err(bad("(all)", reason));
    }
    Ok(headers)
}

fn number(headers: &Headers, name: &'static str) -> Result<Option<u64>, DecodeError> {
    let Some(text) = headers.get(name) else { return Ok(None) };
    let short: String = text.chars().take(60).collect();
    text.parse().map(Some).map_err(|_| bad(name, format!("{short:?} is not a whole number from 0")))
}

fn parsed<T: std::str::FromStr>(headers: &Headers, name: &'static str) -> Result<Option<T>, DecodeError>
where
    T::Err: std::fmt::Display,
{
    headers.get(name).map(|text| text.parse().map_err(|error: T::Err| bad(name, error))).transpose()
}

fn bad(name: &'static str, reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::BadHeader { name, reason: reason.to_string() }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

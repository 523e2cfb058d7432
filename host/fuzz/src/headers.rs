//! Headers of messages. A message is written as its subject on the first line and a header on each other one.

use crate::{text, told};
use lovage_job::{
    decode::{Origin, decode},
    flow::{GroupPlace, Target},
    header::{Headers, is_brokers, is_lovages},
    retry::Backoff,
    retry_on::RetryOn,
    trail::Trail,
    unit::UnixMs,
};

/// Where every message comes from.
const ORIGIN: Origin = Origin { stream_created_ms: 1_790_000_000_000, sequence: 7, stored: UnixMs(1_795_000_000_000) };

/// The subject and the headers of a message.
pub(crate) fn message(bytes: &[u8]) -> Option<(&str, Headers)> {
    let mut lines = text(bytes)?.split('\n');
    let subject = lines.next()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    Some((subject, headers.collect()))
}

pub(crate) fn envelope(bytes: &[u8]) {
    let Some((subject, headers)) = message(bytes) else { return };
    match decode(subject, &headers, ORIGIN) {
        Err(error) => told(&error),
        Ok(job) => {
            assert_eq!(decode(subject, &headers, ORIGIN).ok().as_ref(), Some(&job), "decoding is no matter of luck");
            assert!(job.headers.iter().all(|(name, _)| !is_brokers(name) && !is_lovages(name)));
            assert!(job.headers.size() <= 33 * 1024);
            assert!((1..=100).contains(&job.attempt));
            if let Some(reply) = &job.wishes.reply {
                let own = format!("_INBOX_{}.", job.subject.tenant);
                assert!(reply.starts_with("_INBOX.") || reply.starts_with(&own), "{reply}");
                assert!(!reply.contains(['*', '>', ' ', '\r', '\n']), "{reply}");
            }
        }
    }
}

pub(crate) fn follow_ups(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match text.parse::<Target>() {
        Ok(target) => {
            let written = target.to_string();
            assert_eq!(written.parse::<Target>().ok().as_ref(), Some(&target), "{written}");
        }
        Err(error) => told(&error),
    }
    text.parse::<GroupPlace>().map_or_else(|error| told(&error), drop);
    text.parse::<Backoff>().map_or_else(
        |error| told(&error),
        |backoff| {
            assert_eq!(backoff.to_string().parse::<Backoff>().ok().as_ref(), Some(&backoff));
            for attempt in [1, 2, 50, 100, u32::MAX] {
                assert!(backoff.delay(attempt, 0.5) <= backoff.longest(attempt));
            }
        },
    );
    text.parse::<RetryOn>().map_or_else(|error| told(&error), |on| assert!(on.kinds().count() < 20));
    let _none_where_it_is_damaged = Trail::from_header(text);
}

//! What is a job and what is not.

use super::*;
use crate::retry::{Backoff, RetryPolicy};
use proptest::prelude::*;

const ORIGIN: Origin = Origin { stream_created_ms: 0x10, sequence: 7, stored: UnixMs(1_000_000) };
const SUBJECT: &str = "lovage.acme.job.default.add";

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().copied().collect()
}

fn refused(pairs: &[(&str, &str)]) -> String {
    decode(SUBJECT, &headers(pairs), ORIGIN).unwrap_err().to_string()
}

#[test]
fn a_plain_publish_is_a_whole_job() {
    let job = decode(SUBJECT, &Headers::new(), ORIGIN).unwrap();
    assert_eq!(job.id.as_str(), "s10-7");
    assert_eq!((job.attempt, job.published), (1, UnixMs(1_000_000)));
    assert_eq!(job.wishes, Wishes::default());
    assert_eq!(job.retry_policy(&RetryPolicy::default()), RetryPolicy::default());
}

#[test]
fn headers_refine_a_job() {
    let job = decode(
        SUBJECT,
        &headers(&[
            ("Lovage-Id", "a1"),
            ("lovage-version", "canary"),
            ("Lovage-Retries", "2"),
            ("Lovage-Backoff", "fixed:3s"),
            ("Lovage-Retry-On", "timed-out"),
            ("Lovage-Timeout", "5s"),
            ("Lovage-Expires", "10s"),
            ("Lovage-Tag", "one"),
            ("Lovage-Tag", "two"),
            ("Lovage-Reply", "_INBOX.x.1"),
            ("Content-Type", "text/plain"),
            ("X-Own", "mine"),
            ("Nats-Msg-Id", "hidden"),
        ]),
        ORIGIN,
    )
    .unwrap();
    assert_eq!(job.id.as_str(), "a1");
    assert_eq!(job.wishes.version, Some("canary".parse().unwrap()));
    assert_eq!(job.wishes.timeout, Some(Duration::from_secs(5)));
    assert_eq!(job.wishes.expires, Some(UnixMs(1_010_000)));
    assert_eq!(job.wishes.tags, ["one", "two"]);
    assert_eq!(
        job.retry_policy(&RetryPolicy::default()),
        RetryPolicy {
            attempts_max: 3,
            backoff: Backoff::Fixed(Duration::from_secs(3)),
            retry_on: "timed-out".parse().unwrap()
        }
    );
    assert_eq!(job.headers, headers(&[("Content-Type", "text/plain"), ("X-Own", "mine")]));
}

#[test]
fn a_misspelt_header_is_refused_with_the_nearest_name() {
    let error = refused(&[("Lovage-Retrys", "1")]);
    assert!(error.contains("did you mean Lovage-Retries?"), "{error}");
}

#[test]
fn absurd_values_are_refused_by_name() {
    for (name, value) in [
        ("Lovage-Id", "a.b"),
        ("Lovage-Id", ""),
        ("Lovage-Version", "A*"),
        ("Lovage-Version", "sha256:zz"),
        ("Lovage-Retries", "-1"),
        ("Lovage-Retries", "4294967296"),
        ("Lovage-Retries", "100"),
        ("Lovage-Retries", "99999999999999999999999"),
        ("Lovage-Retries", "1e3"),
        ("Lovage-Backoff", "fast"),
        ("Lovage-Backoff", "exponential:2s..99999999999999999999d"),
        ("Lovage-Backoff", "fixed:18446744073709551615d"),
        ("Lovage-Retry-On", ""),
        ("Lovage-Retry-On", "completed"),
        ("Lovage-Retry-On", "failed,timeout"),
        ("Lovage-Crashes", "-1"),
        ("Lovage-Timeout", "0s"),
        ("Lovage-Timeout", "30"),
        ("Lovage-Timeout", "-5s"),
        ("Lovage-Soft-Timeout", "0s"),
        ("Lovage-Soft-Timeout", "soon"),
        ("Lovage-Expires", "yesterday"),
        ("Lovage-Reply", "lovage.other.job.default.add"),
        ("Lovage-Reply", "_INBOX.*"),
        ("Lovage-Reply", "_INBOX_other.x"),
        ("Lovage-Reply", "_INBOX.a b"),
        ("Lovage-Reply", "$JS.API.STREAM.DELETE.X"),
        ("Lovage-Tag", ""),
        ("Lovage-Attempt", "0"),
        ("Lovage-Attempt", "101"),
        ("Lovage-Digest", "x"),
        ("Lovage-Payload", "../x"),
    ] {
        let error = refused(&[(name, value)]);
        assert!(error.contains(name), "{name}: {value} gave {error}");
        assert!(error.len() < 400, "{error}");
    }
    let many: Vec<_> = (0..17).map(|_| ("Lovage-Tag", "x")).collect();
    assert!(refused(&many).contains("Lovage-Tag"));
    assert!(refused(&[("X", &"x".repeat(GUEST_HEADERS_MAX))]).contains("bytes"));
}

#[test]
fn an_unknown_outcome_is_refused_with_the_nearest_one() {
    let error = refused(&[("Lovage-Retry-On", "failed,timeout")]);
    assert!(error.contains("\"timeout\" is no outcome; did you mean timed-out?"), "{error}");
}

#[test]
fn crashes_are_remembered_by_whatever_comes_next() {
    let mut job = decode(SUBJECT, &Headers::new(), ORIGIN).unwrap();
    assert_eq!((job.crashes, job.put_back(&Headers::new()).get("Lovage-Crashes")), (0, None));
    job.crashes = 2;
    for next in [job.put_back(&Headers::new()), job.next_attempt(&Headers::new(), None, &Trail::default())] {
        assert_eq!(decode(SUBJECT, &next, ORIGIN).unwrap().crashes, 2);
    }
}

#[test]
fn a_soft_timeout_is_below_the_jobs_own_timeout() {
    let soft =
        |timeouts: &[(&str, &str)]| decode(SUBJECT, &headers(timeouts), ORIGIN).map(|job| job.wishes.soft_timeout);
    assert_eq!(soft(&[("Lovage-Soft-Timeout", "4s"), ("Lovage-Timeout", "5s")]), Ok(Some(Duration::from_secs(4))));
    assert_eq!(soft(&[("Lovage-Soft-Timeout", "4s")]), Ok(Some(Duration::from_secs(4))));
    let error = soft(&[("Lovage-Soft-Timeout", "5s"), ("Lovage-Timeout", "5s")]).unwrap_err().to_string();
    assert!(error.contains("Lovage-Soft-Timeout") && error.contains("not below"), "{error}");
}

#[test]
fn two_ids_must_agree() {
    let subject = "lovage.acme.job.default.add.one";
    assert!(decode(subject, &headers(&[("Lovage-Id", "one")]), ORIGIN).is_ok());
    let error = decode(subject, &headers(&[("Lovage-Id", "two")]), ORIGIN).unwrap_err();
    assert!(matches!(error, DecodeError::TwoIds { .. }));
}

#[test]
fn the_next_attempt_remembers() {
    let came_with = headers(&[("X-Own", "mine"), ("Nats-Msg-Id", "m"), ("Lovage-Expires", "10s")]);
    let job = decode(SUBJECT, &came_with, ORIGIN).unwrap();
    let digest = crate::name::Digest::of(b"component");
    let next = job.next_attempt(&came_with, Some(&digest), &Trail::default());
    let later = Origin { stored: UnixMs(9_000_000), sequence: 8, ..ORIGIN };
    let again = decode(&job.subject.due(&job.id).replace(".due.", "."), &next, later).unwrap();
    assert_eq!((again.id, again.attempt, again.pinned), (job.id, 2, Some(digest)));
    assert_eq!((again.published, again.wishes.expires), (job.published, job.wishes.expires));
    assert_eq!(next.get("Nats-Msg-Id"), None);
}

proptest! {
    #[test]
    fn no_headers_panic(pairs: Vec<(String, String)>, known in 0usize..13, value: String) {
        let mut headers: Headers = pairs.into_iter().collect();
        let names: Vec<_> = header::FROM_PUBLISHERS.into_iter().chain(header::FROM_WORKERS).collect();
        headers.push(names[known], value);
        let _ = decode(SUBJECT, &headers, ORIGIN);
    }
}

#[test]
fn a_tick_of_a_schedule_is_the_job_of_its_slot_and_no_other() {
    let tick = headers(&[("Lovage-Schedule", "nightly"), ("Lovage-Slot", "5000"), ("Lovage-Id", "nightly-5000")]);
    let run = decode(SUBJECT, &tick, ORIGIN).unwrap().run.unwrap();
    assert_eq!((run.schedule.as_str(), run.slot), ("nightly", Some(UnixMs(5_000))));
    let by_hand = decode(SUBJECT, &headers(&[("Lovage-Schedule", "nightly")]), ORIGIN).unwrap().run.unwrap();
    assert_eq!(by_hand.slot, None);
    for (bad, told) in [
        (vec![("Lovage-Slot", "5000")], "needs the schedule"),
        (vec![("Lovage-Schedule", "nightly"), ("Lovage-Slot", "5000")], "is job nightly-5000, not s10-7"),
        (vec![("Lovage-Schedule", "nightly"), ("Lovage-Slot", "soon")], "not a whole number"),
        (vec![("Lovage-Schedule", "night.ly")], "schedule name"),
    ] {
        assert!(refused(&bad).contains(told), "{bad:?}");
    }
}

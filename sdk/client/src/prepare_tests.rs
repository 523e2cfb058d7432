use super::*;
use crate::new_job::When;
use lovage_job::subject::Lane;
use std::time::Duration;

const NOW: UnixMs = UnixMs(1_000_000);

fn job() -> NewJob {
    NewJob::json("add".parse().unwrap(), &serde_json::json!({"a": 1})).unwrap()
}

fn prepare(job: NewJob) -> Result<Prepared, InvalidJob> {
    job.prepare(&"acme".parse().unwrap(), NOW, || "fresh".parse().unwrap())
}

#[test]
fn a_plain_job_needs_no_lovage_header() {
    let prepared = prepare(job()).unwrap();
    assert_eq!(prepared.subject.to_string(), "lovage.acme.job.default.add.fresh");
    assert_eq!(prepared.headers, [("Content-Type", "application/json")].into_iter().collect());
    assert!(!prepared.chosen && prepared.due.is_none());
}

#[test]
fn every_wish_becomes_its_header() {
    let wishes = job()
        .lane(Lane::High)
        .queue("mail".parse().unwrap())
        .id("J7".parse().unwrap())
        .version("1.2".parse().unwrap())
        .retries(2)
        .backoff("fixed:5s".parse().unwrap())
        .timeout(Duration::from_millis(1500))
        .expires(When::In(Duration::from_secs(60)))
        .tag("a")
        .tag("b")
        .reply("_INBOX_acme.x")
        .header("X-Own", "mine");
    let prepared = prepare(wishes).unwrap();
    assert_eq!(prepared.subject.to_string(), "lovage.acme.job-high.mail.add.J7");
    let expected: Headers = [
        ("X-Own", "mine"),
        ("Content-Type", "application/json"),
        ("Lovage-Version", "1.2"),
        ("Lovage-Retries", "2"),
        ("Lovage-Backoff", "fixed:5s"),
        ("Lovage-Timeout", "1500ms"),
        ("Lovage-Expires", "1970-01-01T00:17:40.000Z"),
        ("Lovage-Reply", "_INBOX_acme.x"),
        ("Lovage-Tag", "a"),
        ("Lovage-Tag", "b"),
    ]
    .into_iter()
    .collect();
    assert_eq!(prepared.headers, expected);
}

#[test]
fn a_key_goes_with_neither_an_id_nor_a_wrong_time() {
    let with = |unique| job().unique(unique);
    assert!(!prepare(with(Unique::active("k"))).unwrap().chosen);
    let second = Duration::from_secs(1);
    assert_eq!(prepare(with(Unique::active("k")).id("x".parse().unwrap())).unwrap_err(), InvalidJob::IdAndKey);
    let debounce = || with(Unique::debounce("k", second));
    assert_eq!(prepare(debounce()).unwrap().due, Some(NOW.after(second)));
    assert_eq!(prepare(debounce().delay(second)).unwrap_err(), InvalidJob::DebounceAndDue);
    assert!(matches!(prepare(with(Unique::active("k".repeat(10_000)))), Err(InvalidJob::Unique(_))));
    assert!(matches!(prepare(with(Unique::idempotent("k", Duration::ZERO))), Err(InvalidJob::Unique(_))));
}

#[test]
fn a_job_is_due_within_a_year() {
    let year = Duration::from_secs(366 * 86_400);
    assert_eq!(prepare(job().delay(year)).unwrap().due, Some(NOW.after(year)));
    for late in [year + Duration::from_millis(1), Duration::MAX] {
        assert!(matches!(prepare(job().delay(late)), Err(InvalidJob::DueTooLate { .. })), "{late:?}");
    }
    assert!(matches!(prepare(job().at(UnixMs(u64::MAX))), Err(InvalidJob::DueTooLate { .. })));
}

#[test]
fn a_time_in_the_past_is_at_once() {
    assert_eq!(prepare(job().at(UnixMs(5))).unwrap().due, None);
    assert_eq!(prepare(job().delay(Duration::ZERO)).unwrap().due, None);
    assert_eq!(prepare(job().delay(Duration::from_millis(1))).unwrap().due, Some(UnixMs(NOW.0 + 1)));
}

#[test]
fn a_job_that_expires_before_it_is_due_is_refused() {
    let ends_in = |seconds| job().delay(Duration::from_secs(10)).expires(When::In(Duration::from_secs(seconds)));
    assert!(matches!(prepare(ends_in(9)), Err(InvalidJob::ExpiresFirst { .. })));
    assert!(matches!(prepare(ends_in(10)), Err(InvalidJob::ExpiresFirst { .. })));
    prepare(ends_in(11)).unwrap();
}

#[test]
fn what_workers_would_refuse_is_refused_here() {
    for bad in [
        job().retries(100),
        job().timeout(Duration::ZERO),
        job().tag(""),
        job().tag("x".repeat(101)),
        job().reply("lovage.other.job.default.add"),
        job().header("X-Large", "x".repeat(33_000)),
    ] {
        assert!(matches!(prepare(bad), Err(InvalidJob::Refused(_))));
    }
    prepare(job().retries(99)).unwrap();
}

#[test]
fn headers_that_are_not_the_callers_are_refused() {
    for (name, value) in [
        ("Nats-TTL", "1s"),
        ("lovage-tag", "x"),
        ("", "x"),
        ("a b", "x"),
        ("a:b", "x"),
        ("X", "1\r\nY: 2"),
        ("X", " 1"),
    ] {
        assert!(matches!(prepare(job().header(name, value)), Err(InvalidJob::OwnHeader { .. })), "{name:?}");
    }
    assert!(matches!(prepare(job().tag("a\nb")), Err(InvalidJob::OwnHeader { .. })));
    assert!(matches!(prepare(job().content_type("a\r\nb")), Err(InvalidJob::OwnHeader { .. })));
}

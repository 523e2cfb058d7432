use super::*;
use crate::decode::{Origin, decode};
use crate::unit::UnixMs;

fn job(subject: &str, key: Option<&str>) -> Job {
    let headers = key.map(|key| (crate::header::LIMIT_KEY, key)).into_iter().collect();
    decode(subject, &headers, Origin { stream_created_ms: 1, sequence: 1, stored: UnixMs(1) }).unwrap()
}

fn limit(text: &str) -> Option<Limit> {
    Some(serde_json::from_str(text).unwrap())
}

fn scope(rest: &str) -> LimitScope {
    LimitScope::from_key(rest).unwrap()
}

fn lots(book: &Book, job: &Job) -> Vec<String> {
    let rules = book.rules_of(job);
    rules.map(|rules| rules.limits.iter().map(|applied| applied.lot.to_string()).collect()).unwrap_or_default()
}

#[test]
fn a_job_is_counted_by_its_own_limits_only() {
    let mut book = Book::default();
    let mail = job("lovage.acme.job.slow.mail.a", Some("customer 7"));
    assert_eq!(book.rules_of(&mail), None);
    for rest in ["tenant", "queue.slow", "task.mail", "key.mail", "queue.fast", "task.other", "key.other"] {
        assert_eq!(book.note(Entry::Limit(scope(rest), limit(r#"{"concurrency":1}"#))), Change::None);
    }
    let keyed = Lot::new("key", "mail", Some("customer 7"));
    assert_eq!(lots(&book, &mail), ["tenant_all", "queue_slow", "task_mail", keyed.as_str()]);
    let without_key = job("lovage.acme.job.slow.mail.a", None);
    assert_eq!(lots(&book, &without_key), ["tenant_all", "queue_slow", "task_mail"]);
}

#[test]
fn changes_of_a_limit_wake_what_they_concern() {
    let mut book = Book::default();
    let mut set = |text| book.note(Entry::Limit(scope("task.mail"), limit(text)));
    assert_eq!(set(r#"{"concurrency":1,"rate":"5/1m"}"#), Change::None);
    assert_eq!(set(r#"{"concurrency":1,"rate":"5/1m"}"#), Change::None, "told again");
    assert_eq!(set(r#"{"concurrency":3,"rate":"5/1m"}"#), Change::Room(scope("task.mail")));
    assert_eq!(set(r#"{"concurrency":3,"rate":"50/1m"}"#), Change::Void(scope("task.mail")));
    assert_eq!(set(r#"{"rate":"50/1m"}"#), Change::Void(scope("task.mail")));
    assert_eq!(book.note(Entry::Limit(scope("task.mail"), None)), Change::Void(scope("task.mail")));
    assert_eq!(book.note(Entry::Limit(scope("task.mail"), None)), Change::None);
    assert!(book.is_empty());
}

#[test]
fn pauses_stop_queues_where_they_are_and_tasks_in_a_lot() {
    let mut book = Book::default();
    let mail = job("lovage.acme.job.slow.mail.a", None);
    let pause = |rest: &str, on| Entry::Pause(PauseScope::from_key(rest).unwrap(), on);
    assert_eq!(book.note(pause("task.mail", true)), Change::None);
    let lot = Lot::new("pause", "mail", None);
    assert_eq!(book.rules_of(&mail).unwrap().stopped, Some(Stopped::InLot(lot.clone())));
    assert_eq!(book.rules_of(&job("lovage.acme.job.slow.other", None)), None);
    for rest in ["queue.slow", "tenant"] {
        assert_eq!(book.note(pause(rest, true)), Change::Queues);
        assert_eq!(book.rules_of(&mail).unwrap().stopped, Some(Stopped::InQueue));
        assert_eq!(book.note(pause(rest, false)), Change::Queues);
    }
    assert!(!book.is_queue_paused(&"slow".parse().unwrap()));
    assert_eq!(book.note(pause("task.mail", false)), Change::Open(lot));
    assert_eq!(book.note(pause("task.mail", false)), Change::None);
}

#[test]
fn entries_are_checked_before_they_are_believed() {
    let (tenant, entry) = Entry::parse("acme.limit.task.mail", Some(br#"{"concurrency":2}"#)).unwrap().unwrap();
    assert_eq!((tenant.as_str(), entry), ("acme", Entry::Limit(scope("task.mail"), limit(r#"{"concurrency":2}"#))));
    assert_eq!(Entry::parse("acme.cancel.j", Some(b"{}")), Ok(None));
    assert_eq!(Entry::parse("acme", None), Ok(None));
    for (key, value) in [
        ("acme.limit.worker.x", "{}"),
        ("acme.limit.task.mail", "junk"),
        ("acme.limit.task.mail", r#"{"concurrency":0}"#),
        ("ACME.limit.tenant", r#"{"concurrency":1}"#),
        ("acme.pause.key.mail", "{}"),
    ] {
        assert!(Entry::parse(key, Some(value.as_bytes())).is_err(), "{key} {value}");
    }
    assert!(matches!(Entry::parse("acme.pause.queue.q", None), Ok(Some((_, Entry::Pause(_, false))))));
}

#[test]
fn a_quota_is_a_limit_of_the_tenant_and_the_stricter_one_holds() {
    let mut book = Book::default();
    let most = |book: &Book| book.limit(&LimitScope::Tenant).and_then(Limit::concurrency);
    let told = |most| Entry::Limit(LimitScope::Tenant, most);
    assert_eq!((book.set_quota(Some(5)), most(&book)), (Change::None, Some(5)));
    assert_eq!(book.note(told(Limit::new(Some(9), None).ok())), Change::None);
    assert_eq!(
        (book.note(told(Limit::new(Some(3), None).ok())), most(&book)),
        (Change::Room(LimitScope::Tenant), Some(3))
    );
    assert_eq!((book.note(told(None)), most(&book)), (Change::Room(LimitScope::Tenant), Some(5)));
    assert_eq!((book.set_quota(None), most(&book), book.is_empty()), (Change::Void(LimitScope::Tenant), None, true));
    let rate = Limit::new(None, Some("5/1s".parse().unwrap())).unwrap();
    book.note(told(Some(rate.clone())));
    book.set_quota(Some(2));
    let both = book.limit(&LimitScope::Tenant).unwrap();
    assert_eq!((both.concurrency(), both.rate()), (Some(2), rate.rate()));
}

#[test]
fn who_has_used_up_the_day_is_asked_for_nothing() {
    let (mut book, queue) = (Book::default(), "mail".parse().unwrap());
    assert_eq!((book.set_spent(true), book.set_spent(true)), (Change::Queues, Change::None));
    assert!(book.is_queue_paused(&queue) && !book.is_empty());
    assert_eq!(book.set_spent(false), Change::Queues);
    assert!(!book.is_queue_paused(&queue) && book.is_empty());
}

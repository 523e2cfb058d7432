//! Guests' errands over a broker in memory: what a retry finds, and where the limits are.

use super::storage::tests::Shelf;
use super::*;
use crate::audit::NoAuditor;
use crate::egress::{Egress, Names};
use bytes::Bytes;
use lovage_client::NewGroup;
use lovage_job::header::{self, Headers};
use lovage_job::ledger::COUNT_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex as StdMutex;

#[derive(Debug, Default)]
struct Memory {
    jobs: StdMutex<BTreeSet<String>>,
    groups: StdMutex<BTreeMap<String, NewGroup>>,
    kept: StdMutex<BTreeMap<String, Bytes>>,
}

impl Errands for Memory {
    fn submit<'a>(&'a self, _: &'a TenantName, job: NewJob) -> BoxFuture<'a, Result<bool, ChildFault>> {
        let id = job.id.unwrap().to_string();
        async move { Ok(!self.jobs.lock().unwrap().insert(id)) }.boxed()
    }
    fn submit_group<'a>(&'a self, _: &'a TenantName, group: NewGroup) -> BoxFuture<'a, Result<bool, ChildFault>> {
        let id = group.id.clone().unwrap();
        let existing = self.groups.lock().unwrap().insert(id.to_string(), group).is_some();
        async move { Ok(existing) }.boxed()
    }
    fn is_known<'a>(&'a self, _: &'a TenantName, id: &'a JobId) -> BoxFuture<'a, Result<bool, BrokerError>> {
        async move { Ok(self.jobs.lock().unwrap().contains(id.as_str())) }.boxed()
    }
    fn keep<'a>(
        &'a self,
        _: &'a TenantName,
        id: &'a JobId,
        name: &'a str,
        value: Bytes,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        self.kept.lock().unwrap().insert(format!("{id}.{name}"), value);
        async { Ok(()) }.boxed()
    }
    fn kept<'a>(
        &'a self,
        _: &'a TenantName,
        id: &'a JobId,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Bytes>, BrokerError>> {
        let found = self.kept.lock().unwrap().get(&format!("{id}.{name}")).cloned();
        async { Ok(found) }.boxed()
    }
    fn forget(&self, _: &TenantName, _: &JobId) {}
}

/// Whether the task may submit jobs.
#[derive(Clone, Copy, PartialEq)]
enum Granted {
    Yes,
    No,
}
use Granted::{No as MAY_NOT, Yes as MAY};

/// The services of one attempt; each call is another attempt of the same job.
fn attempt(memory: &Arc<Memory>, depth: u32, grants: Granted, fanout: u32) -> GuestServices {
    let errands: Arc<dyn Errands> = memory.clone();
    let mut headers = Headers::new();
    headers.set(header::DEPTH, depth.to_string());
    let subject = JobSubject::parse("lovage.default.job.default.parent.p1").unwrap();
    GuestServices {
        errands,
        tenant: subject.tenant.clone(),
        id: "p1".parse().unwrap(),
        depth: depth_of(&headers),
        trace: None,
        subject,
        grants: Arc::new(Grants { submit: grants == MAY, ..Grants::default() }),
        fanout,
        egress: AttemptEgress::new(
            Arc::new(Egress::new(tokio::runtime::Handle::current(), Names::System, false)),
            Arc::new(NoAuditor),
            TenantName::default_tenant(),
            "parent".to_owned(),
        ),
        storage: Arc::new(Shelf::default()),
        asks: AtomicU32::new(0),
        book: Mutex::default(),
    }
}

/// The services of an attempt whose task is granted these, over this storage.
pub(super) fn with_storage(storage: Arc<Shelf>, grants: Grants) -> GuestServices {
    GuestServices { storage, grants: Arc::new(grants), ..attempt(&Arc::default(), 0, MAY_NOT, 0) }
}

fn child(key: Option<&str>) -> ChildJob {
    ChildJob { task: "child".to_owned(), key: key.map(str::to_owned), ..ChildJob::default() }
}

#[tokio::test]
async fn a_retry_submits_the_same_children_once() {
    let memory = Arc::new(Memory::default());
    let mut ids = Vec::new();
    for existing in [false, true] {
        let services = attempt(&memory, 0, MAY, 10);
        for key in [None, Some("a"), None] {
            let submitted = services.submit(child(key)).await.unwrap();
            assert_eq!(submitted.existing, existing);
            ids.push(submitted.id);
        }
        services.close().await;
    }
    assert_eq!(ids[..3], ids[3..]);
    assert_eq!(memory.jobs.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn fan_out_holds_for_the_attempt_and_for_the_job() {
    let memory = Arc::new(Memory::default());
    let first = attempt(&memory, 0, MAY, 3);
    for _ in 0..3 {
        first.submit(child(None)).await.unwrap();
    }
    let Err(Refusal::Limit(text)) = first.submit(child(None)).await else { panic!("a fourth child") };
    assert!(text.contains('3') && text.contains("submit.fanout"), "{text}");
    first.close().await;
    // The next attempt may name what is there, and nothing new.
    let second = attempt(&memory, 0, MAY, 3);
    assert!(second.submit(child(None)).await.unwrap().existing);
    let Err(Refusal::Limit(text)) = second.submit(child(Some("new"))).await else { panic!("a fourth child") };
    assert!(text.contains("the job has 3 children"), "{text}");
    assert_eq!(memory.jobs.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn children_lie_32_deep_at_most() {
    let memory = Arc::new(Memory::default());
    attempt(&memory, 31, MAY, 3).submit(child(None)).await.unwrap();
    let Err(Refusal::Limit(text)) = attempt(&memory, 32, MAY, 3).submit(child(None)).await else { panic!("33 deep") };
    assert!(text.contains("32"), "{text}");
}

#[tokio::test]
async fn without_the_grant_nothing_is_submitted() {
    let memory = Arc::new(Memory::default());
    let Err(Refusal::Denied(text)) = attempt(&memory, 0, MAY_NOT, 3).submit(child(None)).await else {
        panic!("submitted")
    };
    assert!(text.contains("task allow"), "{text}");
    assert!(memory.jobs.lock().unwrap().is_empty());
}

#[tokio::test]
async fn names_that_are_none_are_told() {
    let services = attempt(&Arc::new(Memory::default()), 0, MAY, 9);
    let bad = [
        ChildJob { task: "Not a task".to_owned(), ..ChildJob::default() },
        ChildJob { queue: Some("*".to_owned()), ..child(None) },
        ChildJob { version: Some(String::new()), ..child(None) },
    ];
    for job in bad {
        assert!(matches!(services.submit(job).await, Err(Refusal::Invalid(_))));
    }
}

#[tokio::test]
async fn values_are_found_by_the_next_attempt_and_counted() {
    let memory = Arc::new(Memory::default());
    let first = attempt(&memory, 0, MAY_NOT, 0);
    assert_eq!(first.load("a".to_owned()).await, Ok(None));
    first.save("a".to_owned(), b"one".to_vec()).await.unwrap();
    drop(first);
    let second = attempt(&memory, 0, MAY_NOT, 0);
    assert_eq!(second.load("a".to_owned()).await, Ok(Some(b"one".to_vec())));
    for number in 1..COUNT_MAX {
        second.save(number.to_string(), Vec::new()).await.unwrap();
    }
    let third = attempt(&memory, 0, MAY_NOT, 0);
    assert!(matches!(third.save("more".to_owned(), Vec::new()).await, Err(Refusal::Limit(_))));
    third.save("a".to_owned(), b"two".to_vec()).await.unwrap();
    assert_eq!(third.load("a".to_owned()).await, Ok(Some(b"two".to_vec())));
}

fn group(size: usize) -> ChildGroup {
    ChildGroup { members: vec![child(None); size], completion: child(None), ..ChildGroup::default() }
}

#[tokio::test]
async fn a_retry_submits_the_same_groups_and_counts_them_once() {
    let memory = Arc::new(Memory::default());
    let mut held = Vec::new();
    for existing in [false, true, true] {
        let services = attempt(&memory, 2, MAY, 10);
        for key in [None, Some("a"), None] {
            let submitted =
                services.submit_group(ChildGroup { key: key.map(str::to_owned), ..group(3) }).await.unwrap();
            assert_eq!((submitted.existing, submitted.size), (existing, 3));
            held.push(submitted.id);
        }
        services.close().await;
    }
    assert_eq!((&held[..3], &held[..3]), (&held[3..6], &held[6..]));
    let groups = memory.groups.lock().unwrap();
    assert_eq!(groups.len(), 3);
    let (_, first) = groups.iter().next().unwrap();
    assert_eq!(first.parent, Some(("p1".parse().unwrap(), 3)), "its members lie one deeper than their parent");
}

#[tokio::test]
async fn members_count_against_the_fan_out_of_attempt_and_job() {
    let memory = Arc::new(Memory::default());
    let first = attempt(&memory, 0, MAY, 10);
    first.submit_group(group(8)).await.unwrap();
    let Err(Refusal::Limit(text)) = first.submit_group(group(3)).await else { panic!("11 children") };
    assert!(text.contains("asked for 10 children") && text.contains("submit.fanout"), "{text}");
    first.close().await;
    let second = attempt(&memory, 0, MAY, 10);
    let Err(Refusal::Limit(text)) = second.submit_group(ChildGroup { key: Some("b".to_owned()), ..group(3) }).await
    else {
        panic!("11 children")
    };
    assert!(text.contains("the job has 10 children"), "{text}");
    assert_eq!(memory.groups.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn groups_that_cannot_be_are_refused_with_the_reason() {
    let services = |depth, grants| attempt(&Arc::new(Memory::default()), depth, grants, 99);
    let Err(Refusal::Limit(text)) = services(31, MAY).submit_group(group(1)).await else { panic!("33 deep") };
    assert!(text.contains("completion job would be deeper than 32"), "{text}");
    let Err(Refusal::Limit(text)) = services(0, MAY).submit_group(group(0)).await else { panic!("empty") };
    assert!(text.contains("between 1 and 10000"), "{text}");
    assert!(matches!(services(0, MAY_NOT).submit_group(group(1)).await, Err(Refusal::Denied(_))));
    let mut bad = group(2);
    bad.members[1].then = vec!["Not a task".to_owned()];
    let Err(Refusal::Invalid(text)) = services(0, MAY).submit_group(bad).await else { panic!("submitted") };
    assert!(text.contains("member 1: then: "), "{text}");
}

#[tokio::test]
async fn what_follows_a_child_is_read_as_headers_are() {
    let services = attempt(&Arc::new(Memory::default()), 0, MAY, 9);
    let follows = ChildJob { on_success: Some("b".to_owned()), then: vec!["c".to_owned()], ..child(None) };
    let job = services.job(follows).unwrap();
    assert_eq!((job.on_success.unwrap().to_string(), job.then.len()), ("b".to_owned(), 1));
    let bad = ChildJob { on_dead: Some("gopher://a".to_owned()), ..child(None) };
    let Err(Refusal::Invalid(text)) = services.submit(bad).await else { panic!("submitted") };
    assert!(text.contains("on-dead: "), "{text}");
}

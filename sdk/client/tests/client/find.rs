//! Finding and listing.

use crate::support::{World, job, now, result};
use lovage_client::{JobState, ListFilter, ListState, Place};
use lovage_job::name::JobId;
use lovage_job::outcome::OutcomeKind;
use lovage_job::subject::{Lane, asset};
use std::time::Duration;

/// Schedules a retry as a worker does.
async fn schedule_retry(world: &World, id: &str, attempt: u32) {
    let mut headers = async_nats::HeaderMap::new();
    let due = now().after(Duration::from_secs(3600)).to_rfc3339();
    headers.insert("Nats-Schedule", format!("@at {due}"));
    headers.insert("Nats-Schedule-Target", format!("lovage.acme.due.job.default.add.{id}"));
    headers.insert("Lovage-Attempt", attempt.to_string());
    let sent = world.js.publish_with_headers(format!("lovage.acme.sched.retry.{id}"), headers, "{}".into()).await;
    sent.unwrap().await.unwrap();
}

#[tokio::test]
async fn a_job_is_found_in_every_place() {
    let world = World::new().await;
    let id = |text: &str| text.parse::<JobId>().unwrap();
    world.client.submit(job().id(id("queued")).lane(Lane::Low)).await.unwrap();
    world.client.submit(job().id(id("delayed")).delay(Duration::from_secs(3600))).await.unwrap();
    schedule_retry(&world, "retry", 3).await;
    world.finish(&result("done", OutcomeKind::TimedOut, now())).await;

    let found = world.client.find(&id("queued")).await.unwrap();
    assert!(matches!(&found, JobState::Queued { subject, attempt: 1, .. } if subject.lane == Lane::Low), "{found:?}");
    let found = world.client.find(&id("delayed")).await.unwrap();
    assert!(matches!(&found, JobState::Delayed { due } if *due > now()), "{found:?}");
    let found = world.client.find(&id("retry")).await.unwrap();
    assert!(matches!(found, JobState::WaitingRetry { attempt: 3, .. }), "{found:?}");
    let found = world.client.find(&id("done")).await.unwrap();
    assert!(matches!(&found, JobState::Done(done) if done.record.outcome == OutcomeKind::TimedOut), "{found:?}");
    assert_eq!(world.client.find(&id("never")).await.unwrap(), JobState::Unknown);
}

#[tokio::test]
async fn a_plain_job_is_found_by_its_place_in_the_stream() {
    let world = World::new().await;
    let sent = world.js.publish("lovage.acme.job.default.add", "{}".into()).await.unwrap();
    let sequence = sent.await.unwrap().sequence;
    let info = world.js.get_stream(asset::jobs(&world.tenant)).await.unwrap();
    let created = info.cached_info().created.unix_timestamp_nanos() / 1_000_000;
    let created = u64::try_from(created).unwrap();
    let state = world.client.find(&JobId::from_stream(created, sequence)).await.unwrap();
    assert!(matches!(state, JobState::Queued { .. }), "{state:?}");
    for other in [JobId::from_stream(created, sequence + 1), JobId::from_stream(created + 1, sequence)] {
        assert_eq!(world.client.find(&other).await.unwrap(), JobState::Unknown);
    }
    world.client.cancel(&JobId::from_stream(created, sequence), "").await.unwrap();
    assert_eq!(world.queued().await, 0);
}

#[tokio::test]
async fn a_listing_is_filtered_bounded_and_newest_first() {
    let world = World::new().await;
    for n in 0..5 {
        let tag = if n < 2 { "a" } else { "b" };
        world.client.submit(job().id(format!("q{n}").parse().unwrap()).tag(tag)).await.unwrap();
    }
    world.client.submit(job().id("delayed".parse().unwrap()).delay(Duration::from_secs(3600))).await.unwrap();
    schedule_retry(&world, "retry", 2).await;
    for n in 0..600 {
        let outcome = if n % 300 == 0 { OutcomeKind::Failed } else { OutcomeKind::Completed };
        world.finish(&result(&format!("d{n}"), outcome, now())).await;
    }
    let ids = async |filter: ListFilter| {
        let page = world.client.list(&filter).await.unwrap();
        (page.jobs.iter().map(|job| job.id.to_string()).collect::<Vec<_>>(), page.more)
    };
    let of = |state| ListFilter { state: Some(state), ..ListFilter::default() };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(of(ListState::Queued)).await, (names(&["q4", "q3", "q2", "q1", "q0"]), false));
    let two = ListFilter { limit: Some(2), ..of(ListState::Queued) };
    assert_eq!(ids(two).await, (names(&["q4", "q3"]), true));
    let tagged = ListFilter { tag: Some("a".into()), ..of(ListState::Queued) };
    assert_eq!(ids(tagged).await, (names(&["q1", "q0"]), false));
    assert_eq!(ids(of(ListState::Delayed)).await, (names(&["delayed"]), false));
    assert_eq!(ids(of(ListState::WaitingRetry)).await, (names(&["retry"]), false));
    let failed = ListFilter { outcome: Some(OutcomeKind::Failed), ..ListFilter::default() };
    assert_eq!(ids(failed).await, (names(&["d300", "d0"]), false));
    let other = ListFilter { task: Some("sub".parse().unwrap()), ..ListFilter::default() };
    assert_eq!(ids(other).await, (vec![], false));
    let all = world.client.list(&ListFilter::default()).await.unwrap();
    assert!(all.jobs.len() == 50 && all.more && all.jobs[0].place == Place::Done(OutcomeKind::Completed));
    assert_eq!(all.jobs[0].id.as_str(), "d599");
}

#[tokio::test]
async fn a_tenant_without_streams_has_no_jobs() {
    let world = World::bare().await;
    assert!(world.client.list(&ListFilter::default()).await.unwrap().jobs.is_empty());
    world.client.find(&"j".parse().unwrap()).await.unwrap_err();
}

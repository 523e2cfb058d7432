//! Dead letters.

use crate::support::{World, now, result};
use lovage_client::{DeadError, DeadFilter, ReplayOptions, Replayed};
use lovage_job::outcome::OutcomeKind;
use lovage_job::subject::asset;
use lovage_job::unit::UnixMs;
use std::time::Duration;

const ADD: &str = "lovage.acme.job.default.add";

#[tokio::test]
async fn a_replay_queues_the_job_and_removes_letter_and_result() {
    let world = World::new().await;
    let stored = world.bury("j", now()).await;
    let options = ReplayOptions { version: Some("2".parse().unwrap()) };
    assert_eq!(world.client.replay(&stored, &options).await.unwrap(), Replayed::Queued);
    let job = world.last(&asset::jobs(&world.tenant), &format!("{ADD}.j")).await;
    let header = |name: &str| job.headers.get(name).map(|value| value.as_str().to_owned());
    assert_eq!(header("Lovage-Version").as_deref(), Some("2"));
    assert_eq!((header("X-Own").as_deref(), header("Lovage-Attempt")), (Some("mine"), None));
    assert_eq!(world.client.result(&stored.letter.id).await.unwrap(), None);
    assert!(matches!(world.client.dead_show(&stored.letter.id).await, Err(DeadError::NotFound(_))));
    // The condition of a result's first write holds again.
    world.finish(&result("j", OutcomeKind::Completed, now())).await;
}

#[tokio::test]
async fn a_replay_that_is_repeated_runs_the_job_once() {
    let world = World::new().await;
    let stored = world.bury("j", UnixMs(now().0 - 60_000)).await;
    let replay = || world.client.replay(&stored, &ReplayOptions { version: None });
    assert_eq!(replay().await.unwrap(), Replayed::Queued);
    assert_eq!(replay().await.unwrap(), Replayed::Already);
    assert_eq!(world.queued().await, 1);
    world.take_job().await;
    world.finish(&result("j", OutcomeKind::Completed, now())).await;
    assert_eq!(replay().await.unwrap(), Replayed::Already);
    assert_eq!(world.queued().await, 0);
    assert!(world.client.result(&stored.letter.id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_replay_takes_back_a_cancel() {
    let world = World::new().await;
    let stored = world.bury("j", now()).await;
    let control = world.js.get_key_value(asset::CONTROL).await.unwrap();
    control.put("acme.cancel.j", "{}".into()).await.unwrap();
    world.client.replay(&stored, &ReplayOptions::default()).await.unwrap();
    assert_eq!(control.get("acme.cancel.j").await.unwrap(), None);
}

#[tokio::test]
async fn what_never_was_a_job_is_not_replayed() {
    let world = World::new().await;
    let mut stored = world.bury("j", now()).await;
    for subject in ["lovage.acme.job.default", "lovage.other.job.default.add"] {
        stored.letter.subject = subject.into();
        let error = world.client.replay(&stored, &ReplayOptions::default()).await.unwrap_err();
        assert!(matches!(error, DeadError::NotAJob { .. }), "{error}");
    }
    assert_eq!(world.client.dead_show(&stored.letter.id).await.unwrap().sequence, stored.sequence);
}

#[tokio::test]
async fn letters_are_paged_newest_first_and_purged_by_count() {
    let world = World::new().await;
    for n in 0..5 {
        world.bury(&format!("j{n}"), now()).await;
    }
    let page = async |before| {
        let filter = DeadFilter { limit: Some(2), before, task: Some("add".parse().unwrap()), ..DeadFilter::default() };
        let page = world.client.dead(&filter).await.unwrap();
        let ids: Vec<_> = page.letters.iter().map(|stored| stored.letter.id.to_string()).collect();
        (ids.join(" "), page.letters.last().map(|stored| stored.sequence), page.more)
    };
    let (ids, last, more) = page(None).await;
    assert_eq!((ids.as_str(), more), ("j4 j3", true));
    let (ids, last, more) = page(last).await;
    assert_eq!((ids.as_str(), more), ("j2 j1", true));
    let (ids, _, more) = page(last).await;
    assert_eq!((ids.as_str(), more), ("j0", false));

    assert_eq!(world.client.dead_purge(&["j0".parse().unwrap(), "other".parse().unwrap()]).await.unwrap(), 1);
    let of = |outcome| DeadFilter { outcome: Some(outcome), ..DeadFilter::default() };
    assert_eq!(world.client.dead_purge_all(&of(OutcomeKind::Trapped)).await.unwrap(), 0);
    assert_eq!(world.client.dead_purge_all(&of(OutcomeKind::Failed)).await.unwrap(), 4);
    world.bury("j9", now()).await;
    assert_eq!(world.client.dead_purge_all(&DeadFilter::default()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_tenant_without_dead_letters_has_none() {
    let world = World::bare().await;
    assert!(world.client.dead(&DeadFilter::default()).await.unwrap().letters.is_empty());
    assert_eq!(world.client.dead_purge_all(&DeadFilter::default()).await.unwrap(), 0);
    tokio::time::timeout(Duration::from_secs(10), world.client.dead_show(&"j".parse().unwrap()))
        .await
        .unwrap()
        .unwrap_err();
}

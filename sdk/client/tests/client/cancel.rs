//! Cancelling.

use crate::support::{World, job, now, result};
use lovage_client::{CancelOutcome, JobState};
use lovage_job::outcome::OutcomeKind;
use lovage_job::subject::asset;
use std::time::Duration;

#[tokio::test]
async fn a_queued_job_ends_as_cancelled() {
    let world = World::new().await;
    let id = world.client.submit(job().tag("a")).await.unwrap().id;
    let waits = world.client.wait(&id, Some(Duration::from_secs(20)));
    let (result, outcome) = tokio::join!(waits, world.client.cancel(&id, "by hand"));
    assert_eq!(outcome.unwrap(), CancelOutcome::Cancelled);
    let result = result.unwrap();
    assert_eq!(result.record.outcome, OutcomeKind::Cancelled);
    assert_eq!((result.record.attempt, result.record.tags), (0, vec!["a".to_owned()]));
    assert_eq!(result.error.unwrap().message, "by hand");
    assert_eq!(world.queued().await, 0);
    let again = world.client.cancel(&id, "again").await.unwrap();
    assert_eq!(again, CancelOutcome::AlreadyDone(OutcomeKind::Cancelled));
}

#[tokio::test]
async fn a_delayed_job_is_taken_out_of_its_schedule() {
    let world = World::new().await;
    let id = world.client.submit(job().delay(Duration::from_secs(3600))).await.unwrap().id;
    assert_eq!(world.client.cancel(&id, "").await.unwrap(), CancelOutcome::Cancelled);
    assert_eq!(world.count(&asset::schedules(&world.tenant)).await, 0);
    let state = world.client.find(&id).await.unwrap();
    assert!(matches!(state, JobState::Done(done) if done.record.task.is_some()));
}

#[tokio::test]
async fn only_the_job_itself_is_taken_out() {
    let world = World::new().await;
    for id in ["a", "b", "aa"] {
        world.client.submit(job().id(id.parse().unwrap())).await.unwrap();
    }
    world.client.cancel(&"a".parse().unwrap(), "").await.unwrap();
    assert_eq!(world.queued().await, 2);
}

#[tokio::test]
async fn a_job_that_has_ended_stays_as_it_is() {
    let world = World::new().await;
    world.finish(&result("j", OutcomeKind::Completed, now())).await;
    let outcome = world.client.cancel(&"j".parse().unwrap(), "").await.unwrap();
    assert_eq!(outcome, CancelOutcome::AlreadyDone(OutcomeKind::Completed));
}

#[tokio::test]
async fn a_job_that_is_nowhere_is_marked_for_the_workers() {
    let world = World::new().await;
    let outcome = world.client.cancel(&"j".parse().unwrap(), "enough").await.unwrap();
    assert_eq!(outcome, CancelOutcome::Requested);
    let control = world.js.get_key_value(asset::CONTROL).await.unwrap();
    let mark = control.get("acme.cancel.j").await.unwrap().unwrap();
    let mark: serde_json::Value = serde_json::from_slice(&mark).unwrap();
    assert_eq!(mark["reason"], "enough");
    assert!(mark["at"].as_u64().is_some());
}

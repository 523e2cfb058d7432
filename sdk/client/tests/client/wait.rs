//! Waiting, running, events.

use crate::support::{World, job, now, result};
use futures::StreamExt;
use lovage_client::{RunError, WaitError};
use lovage_job::event::{Event, Happening};
use lovage_job::outcome::{JobError, OutcomeKind};
use lovage_job::subject::asset;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_result_that_is_there_is_returned_at_once() {
    let world = World::new().await;
    let expected = result("j", OutcomeKind::Completed, now());
    world.finish(&expected).await;
    let id = "j".parse().unwrap();
    assert_eq!(world.client.wait(&id, Some(Duration::from_secs(5))).await.unwrap(), expected);
    assert_eq!(world.client.result(&"other".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn the_end_of_a_job_wakes_who_waits() {
    let world = World::new().await;
    let id = world.client.submit(job()).await.unwrap().id;
    let begun = Instant::now();
    let waits = world.client.wait(&id, Some(Duration::from_secs(20)));
    let ends = async {
        // The looks without an event come after 0.5, 1.5 and 3.5 seconds.
        tokio::time::sleep(Duration::from_millis(1_600)).await;
        world.finish(&result(id.as_str(), OutcomeKind::Completed, now())).await;
        world.tell_finished(&id).await;
    };
    let (found, ()) = tokio::join!(waits, ends);
    assert_eq!(found.unwrap().record.id, id);
    assert!(begun.elapsed() < Duration::from_millis(3_400), "{:?}: an event wakes, not the look", begun.elapsed());
}

#[tokio::test]
async fn an_end_without_an_event_is_found_too() {
    let world = World::new().await;
    let id = world.client.submit(job()).await.unwrap().id;
    let waits = world.client.wait(&id, Some(Duration::from_secs(20)));
    let ends = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.finish(&result(id.as_str(), OutcomeKind::Completed, now())).await;
    };
    assert!(tokio::join!(waits, ends).0.is_ok());
}

#[tokio::test]
async fn a_wait_ends_with_its_time() {
    let world = World::new().await;
    let error = world.client.wait(&"never".parse().unwrap(), Some(Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(error, WaitError::TimedOut { .. }), "{error}");
}

/// Answers the next job as a worker does: result stored, reply sent, event told.
async fn work(world: &World, outcome: OutcomeKind) {
    let jobs = world.js.get_stream(asset::jobs(&world.tenant)).await.unwrap();
    let job = loop {
        match jobs.direct_get_first_for_subject("lovage.acme.job.>").await {
            Ok(job) => break job,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let id = job.subject.rsplit('.').next().unwrap().to_owned();
    let mut result = result(&id, outcome, now());
    result.error = (outcome != OutcomeKind::Completed).then(|| JobError::new(outcome, "it would not"));
    world.finish(&result).await;
    let reply = job.headers.get("Lovage-Reply").unwrap().as_str().to_owned();
    let headers = lovage_client::wire::to_nats(&result.to_headers());
    world.client.nats().publish_with_headers(reply, headers, result.body.into()).await.unwrap();
}

#[tokio::test]
async fn a_run_is_a_function_call() {
    let world = World::new().await;
    world.push_task("add").await;
    let task = "add".parse().unwrap();
    let input = serde_json::json!({"a": 1});
    let (output, ()) = tokio::join!(world.client.run(&task, &input), work(&world, OutcomeKind::Completed));
    let output: i32 = output.unwrap();
    assert_eq!(output, 3);
}

#[tokio::test]
async fn a_run_that_fails_says_how() {
    let world = World::new().await;
    world.push_task("add").await;
    let (task, input) = ("add".parse().unwrap(), serde_json::json!({"a": 1}));
    let (output, ()) = tokio::join!(world.client.run::<_, i32>(&task, &input), work(&world, OutcomeKind::Failed));
    let error = output.unwrap_err();
    assert!(matches!(&error, RunError::Ended { outcome: OutcomeKind::Failed, .. }), "{error}");
    assert!(error.to_string().contains("it would not"), "{error}");
}

#[tokio::test]
async fn events_are_told_and_junk_is_skipped() {
    let world = World::new().await;
    let mut events = world.client.events().await.unwrap();
    let event = Event {
        id: "j".parse().unwrap(),
        task: "add".parse().unwrap(),
        queue: "default".parse().unwrap(),
        attempt: 1,
        at: now(),
        worker: "w".into(),
        what: Happening::Log { line: "hello".into() },
    };
    let nats = world.client.nats();
    nats.publish("lovage.acme.event.add.j.log", "junk".into()).await.unwrap();
    nats.publish("lovage.other.event.add.j.log", serde_json::to_vec(&event).unwrap().into()).await.unwrap();
    nats.publish("lovage.acme.event.add.j.log", serde_json::to_vec(&event).unwrap().into()).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(10), events.next()).await.unwrap();
    assert_eq!(told, Some(event));
}

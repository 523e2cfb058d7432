//! Submitting.

use crate::support::{World, job, now, result, until};
use futures::{StreamExt, stream};
use lovage_client::{NewJob, PAYLOAD_BYTES_MAX, Place, SubmitError, Unique};
use lovage_job::name::{Digest, JobId};
use lovage_job::outcome::OutcomeKind;
use lovage_job::subject::asset;
use lovage_job::unit::UnixMs;
use std::collections::HashSet;
use std::time::Duration;

#[tokio::test]
async fn a_job_is_stored_on_its_subject_with_its_headers() {
    let world = World::new().await;
    let submitted = world.client.submit(job().tag("a").header("X-Own", "mine")).await.unwrap();
    assert!(!submitted.existing && submitted.place == Place::Queued);
    let subject = format!("lovage.acme.job.default.add.{}", submitted.id);
    let stored = world.last(&asset::jobs(&world.tenant), &subject).await;
    assert_eq!(stored.payload, "{}");
    let header = |name: &str| stored.headers.get(name).map(|value| value.as_str().to_owned());
    assert_eq!(header("Lovage-Tag").as_deref(), Some("a"));
    assert_eq!(header("X-Own").as_deref(), Some("mine"));
    assert_eq!(header("Nats-Msg-Id").as_deref(), Some(submitted.id.as_str()));
}

#[tokio::test]
async fn a_second_submission_of_an_id_is_the_same_job() {
    let world = World::new().await;
    let submit = || world.client.submit(job().id("j".parse().unwrap()));
    assert!(!submit().await.unwrap().existing);
    assert!(submit().await.unwrap().existing);
    assert_eq!(world.queued().await, 1);
}

#[tokio::test]
async fn a_delayed_job_is_held_by_the_broker_and_comes_when_it_is_due() {
    let world = World::new().await;
    let delayed = || job().id("j".parse().unwrap()).tag("a").delay(Duration::from_millis(1500));
    let first = world.client.submit(delayed()).await.unwrap();
    assert!(!first.existing && matches!(first.place, Place::Delayed { .. }), "{first:?}");
    let again = world.client.submit(delayed()).await.unwrap();
    assert!(again.existing && again.place == first.place, "{again:?}");
    assert_eq!(world.queued().await, 0);
    let stored = world.last(&asset::schedules(&world.tenant), "lovage.acme.sched.delay.j").await;
    let target = stored.headers.get("Nats-Schedule-Target").unwrap().as_str();
    assert_eq!(target, "lovage.acme.due.job.default.add.j");

    until("the job is due", || async { world.queued().await == 1 }).await;
    let stored = world.last(&asset::jobs(&world.tenant), "lovage.acme.job.default.add.j").await;
    assert_eq!(stored.headers.get("Lovage-Tag").unwrap().as_str(), "a");
    assert!(world.client.submit(delayed()).await.unwrap().existing);
}

#[tokio::test]
async fn a_job_for_the_past_is_queued_at_once() {
    let world = World::new().await;
    assert_eq!(world.client.submit(job().at(UnixMs(1))).await.unwrap().place, Place::Queued);
    assert_eq!(world.queued().await, 1);
}

#[tokio::test]
async fn a_full_queue_is_told() {
    let world = World::with_jobs_max(2).await;
    for _ in 0..2 {
        world.client.submit(job()).await.unwrap();
    }
    let error = world.client.submit(job()).await.unwrap_err();
    assert!(matches!(error, SubmitError::QueueFull { .. }), "{error}");
    world.take_job().await;
    world.client.submit(job()).await.unwrap();
}

#[tokio::test]
async fn a_tenant_without_streams_is_told_at_once() {
    let world = World::bare().await;
    let begun = std::time::Instant::now();
    for job in [job(), job().delay(Duration::from_secs(5))] {
        let error = world.client.submit(job).await.unwrap_err();
        assert!(matches!(error, SubmitError::NoSuchTenant(_)), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_large_payload_goes_by_claim_check() {
    let world = World::new().await;
    let large = |size: usize| NewJob::new("add".parse().unwrap(), vec![7u8; size]).unchecked();
    let stored = async |size: usize, id: &str| {
        world.client.submit(large(size).id(id.parse().unwrap())).await.unwrap();
        world.last(&asset::jobs(&world.tenant), &format!("lovage.acme.job.default.add.{id}")).await
    };
    let inline = stored(512 << 10, "at").await;
    assert_eq!((inline.payload.len(), inline.headers.get("Lovage-Payload")), (512 << 10, None));

    let size = (2 << 20) + 1;
    let claimed = stored(size, "above").await;
    let digest = Digest::of(&vec![7u8; size]);
    assert_eq!(claimed.headers.get("Lovage-Payload").unwrap().as_str(), digest.as_str());
    assert!(claimed.payload.is_empty());
    let objects = "OBJ_payloads-acme";
    let kept = world.count(objects).await;
    stored(size, "again").await;
    assert_eq!(world.count(objects).await, kept, "the same payload is stored once");

    let mut result = result("above", OutcomeKind::Completed, now());
    result.record.payload = Some(digest);
    result.body.clear();
    world.finish(&result).await;
    let read = world.client.result(&"above".parse().unwrap()).await.unwrap().unwrap();
    assert!(read.body.len() == size && read.body.iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn a_payload_at_the_limit_is_taken_and_one_above_is_refused() {
    let world = World::new().await;
    let most = NewJob::new("add".parse().unwrap(), vec![0u8; PAYLOAD_BYTES_MAX]).unchecked();
    world.client.submit(most).await.unwrap();
    let job = NewJob::new("add".parse().unwrap(), vec![0u8; PAYLOAD_BYTES_MAX + 1]);
    let error = world.client.submit(job).await.unwrap_err();
    assert!(matches!(error, SubmitError::PayloadTooLarge { .. }), "{error}");
    assert!(error.to_string().contains("64MiB"), "{error}");
}

#[tokio::test]
async fn a_claimed_output_that_is_gone_is_told() {
    let world = World::new().await;
    let mut result = result("j", OutcomeKind::Completed, now());
    result.record.payload = Some(Digest::of(b"x"));
    world.finish(&result).await;
    world.client.result(&"j".parse().unwrap()).await.unwrap_err();
}

#[tokio::test]
async fn the_catalogue_tells_wrong_tasks_and_inputs() {
    let world = World::new().await;
    world.push_task("word-stats").await;
    let submit = |task: &str, payload: &'static str| world.client.submit(NewJob::new(task.parse().unwrap(), payload));
    submit("word-stats", r#"{"a": 1}"#).await.unwrap();
    let error = submit("word-stats", r#"{"a": "x"}"#).await.unwrap_err();
    assert!(matches!(&error, SubmitError::BadInput { .. }) && error.to_string().contains("/a"), "{error}");
    let error = submit("word-stat", "{}").await.unwrap_err();
    assert!(error.to_string().contains("did you mean word-stats?"), "{error}");
    let version = NewJob::new("word-stats".parse().unwrap(), r#"{"a": 1}"#).version("7".parse().unwrap());
    let error = world.client.submit(version).await.unwrap_err();
    assert!(matches!(error, SubmitError::UnknownVersion(_)), "{error}");
    assert_eq!(world.queued().await, 1);
    world.client.submit(NewJob::new("nothing".parse().unwrap(), "{").unchecked()).await.unwrap();

    assert_eq!(world.client.tasks().await.unwrap().len(), 1);
    let task = world.client.task(&"word-stats".parse().unwrap()).await.unwrap().unwrap();
    let version = world.client.version(&task.task, &task.versions[0].version).await.unwrap().unwrap();
    assert_eq!(version.digest, task.versions[0].digest);
    assert_eq!(world.client.task(&"other".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn a_tenants_own_user_needs_no_wider_rights() {
    let (world, client) = World::with_tenant_user().await;
    world.push_task("add").await;
    let order = || job().unique(Unique::idempotent("order 7", Duration::from_secs(60)));
    let id = client.submit(order()).await.unwrap().id;
    let again = client.submit(order()).await.unwrap();
    assert_eq!((&again.id, again.existing), (&id, true));
    let delayed = NewJob::new("add".parse().unwrap(), "{}").delay(Duration::from_secs(3600));
    client.submit(delayed).await.unwrap();
    assert_eq!(world.queued().await, 1);
    let waits = client.wait(&id, Some(Duration::from_secs(20)));
    let ends = async {
        world.finish(&result(id.as_str(), OutcomeKind::Completed, now())).await;
        world.tell_finished(&id).await;
    };
    assert_eq!(tokio::join!(waits, ends).0.unwrap().record.id, id);
}

#[tokio::test]
async fn many_jobs_go_out_together_and_each_is_told() {
    let world = World::new().await;
    let jobs = stream::iter((0..5_000).map(|n| match n {
        17 => job().retries(1_000),
        18 => job().id("twin".parse().unwrap()),
        4_000 => job().id("twin".parse().unwrap()),
        _ => job(),
    }));
    let told: Vec<_> = world.client.submit_many(jobs, 512).collect().await;
    assert_eq!(told.len(), 5_000);
    let places: HashSet<usize> = told.iter().map(|(place, _)| *place).collect();
    assert_eq!(places.len(), 5_000);
    let failed: Vec<_> = told.iter().filter(|(_, outcome)| outcome.is_err()).map(|(place, _)| *place).collect();
    assert_eq!(failed, [17]);
    let ids: HashSet<JobId> = told.iter().filter_map(|(_, outcome)| Some(outcome.as_ref().ok()?.id.clone())).collect();
    assert_eq!(ids.len(), 4_998);
    assert_eq!(world.queued().await, 4_998);
}

//! Quotas of tenants, each below, at and above what it allows, and changed while a worker runs.

mod days;
mod stored;

use std::time::Duration;

use lovage_client::{NewJob, SubmitError};
use lovage_job::{
    outcome::OutcomeKind,
    result::ResultRecord,
    subject::asset,
    tenant::{PAYLOAD_MIN, Quota},
    unit::ByteSize,
};
use lovage_tests::{WITHIN, Worker, WorkerSetup, eventually, shared_cache};

use crate::fairness::record;
use crate::small::{Ground, busy, job, number, numbers, run};

#[tokio::test]
async fn queued_jobs_are_refused_above_the_quota_and_a_changed_one_holds_at_once() {
    let ground = Ground::new();
    ground.push("acme", &numbers(&[("answer", 1)]), &[]);
    quota(&ground, |quota| quota.queued = Some(3)).await;
    let _worker = worker(&ground, "one").start();
    let acme = ground.client("acme").await;
    let later = || job("answer").queue("later".parse().unwrap());
    limit_is(&ground, 3).await;
    for _ in 0..3 {
        acme.submit(later()).await.unwrap();
    }
    let told = acme.submit(later()).await.unwrap_err();
    assert!(matches!(&told, SubmitError::QueueFull { .. }), "{told:?}");
    let cli = ground.cli.clone().tenant("acme").run(["submit", "answer", "--queue", "later"]).fails_with(7);
    assert!(cli.stderr.contains("tenant acme") && cli.stdout.is_empty(), "{}", cli.stderr);
    quota(&ground, |quota| quota.queued = Some(4)).await;
    limit_is(&ground, 4).await;
    acme.submit(later()).await.unwrap();
    // lowered under what is there: nothing is lost, and nothing is taken
    quota(&ground, |quota| quota.queued = Some(1)).await;
    limit_is(&ground, 1).await;
    assert!(acme.submit(later()).await.is_err());
    let jobs = ground.nats.jetstream().await.get_stream("JOBS_acme").await.unwrap();
    assert_eq!(jobs.cached_info().state.messages, 4);
    quota(&ground, |quota| quota.queued = None).await;
    limit_is(&ground, 1_000_000).await;
}

#[tokio::test]
async fn messages_above_the_payload_quota_are_refused_by_name() {
    let ground = Ground::new();
    ground.push("acme", &numbers(&[("answer", 1)]), &[]);
    quota(&ground, |quota| quota.payload = Some(PAYLOAD_MIN)).await;
    let _worker = worker(&ground, "one").start();
    let most = PAYLOAD_MIN.as_usize();
    let js = ground.nats.jetstream().await;
    let limited = async || match js.get_stream("JOBS_acme").await.unwrap().cached_info().config.max_message_size {
        size if usize::try_from(size) == Ok(most) => Ok(()),
        size => Err(size),
    };
    eventually("the limit of messages", WITHIN, limited).await;
    for (size, taken) in [(most - 1, true), (most, true), (most + 1, false)] {
        let stored = js.publish("lovage.acme.job.later.answer", vec![b' '; size].into()).await.unwrap().await;
        assert_eq!(stored.is_ok(), taken, "{size}: {stored:?}");
    }
    let large = NewJob { payload: vec![b' '; most + 1].into(), ..job("answer").unchecked() };
    let told = ground.client("acme").await.submit(large).await.unwrap_err();
    assert!(matches!(&told, SubmitError::OverTenantPayload { .. }), "{told:?}");
}

#[tokio::test]
async fn delayed_jobs_are_refused_at_the_quota_and_those_there_still_run() {
    let ground = Ground::new();
    ground.push("acme", &numbers(&[("answer", 1)]), &[]);
    quota(&ground, |quota| quota.delayed = Some(2)).await;
    let _worker = worker(&ground, "one").start();
    let acme = ground.client("acme").await;
    let due = Duration::from_secs(20);
    let first = acme.submit(job("answer").delay(due)).await.unwrap().id;
    let second = acme.submit(job("answer").delay(due)).await.unwrap().id;
    let closed = async || {
        let stream = ground.nats.jetstream().await.get_stream("SCHED_acme").await.unwrap();
        let subjects = &stream.cached_info().config.subjects;
        if subjects.iter().any(|subject| subject.ends_with(".sched.>")) { Err("open") } else { Ok(()) }
    };
    eventually("the schedules to be closed", WITHIN, closed).await;
    let told = acme.submit(job("answer").delay(due)).await.unwrap_err();
    assert!(matches!(&told, SubmitError::TooManyDelayed { .. }), "{told:?}");
    assert_eq!(number(&run(&acme, job("answer")).await), 1, "others run");
    for id in [first, second] {
        assert_eq!(number(&acme.wait(&id, Some(2 * WITHIN)).await.unwrap()), 1);
    }
    let again = async || acme.submit(job("answer").delay(due)).await.map_err(|error| error.to_string());
    eventually("room for another", WITHIN, again).await;
}

#[tokio::test]
async fn jobs_wait_when_the_fuel_of_the_day_is_used_up_and_nobody_else_does() {
    let ground = Ground::new();
    ground.push("acme", &busy("work", 5), &[]);
    ground.push("other", &numbers(&[("answer", 1)]), &[]);
    quota(&ground, |quota| quota.fuel_per_day = Some(1)).await;
    let _worker = worker(&ground, "one").start();
    let (acme, other) = (ground.client("acme").await, ground.client("other").await);
    assert_eq!(
        run(&acme, job("work")).await.record.outcome,
        OutcomeKind::Completed,
        "the quota is passed by one in flight"
    );
    let waits = acme.submit(job("work").id("waits".parse().unwrap())).await.unwrap().id;
    for _ in 0..5 {
        assert_eq!(number(&run(&other, job("answer")).await), 1);
    }
    assert!(acme.result(&waits).await.unwrap().is_none());
    quota(&ground, |quota| quota.fuel_per_day = None).await;
    assert_eq!(acme.wait(&waits, Some(WITHIN)).await.unwrap().record.outcome, OutcomeKind::Completed);
}

#[tokio::test]
async fn no_more_of_a_tenant_run_at_once_than_its_quota_over_two_workers() {
    let ground = Ground::new();
    ground.push("acme", &busy("work", 40), &[]);
    quota(&ground, |quota| quota.concurrency = Some(2)).await;
    let (_one, _two) = (worker(&ground, "one").start(), worker(&ground, "two").start());
    let acme = ground.client("acme").await;
    let mut results = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..16 {
        ids.push(acme.submit(job("work")).await.unwrap().id);
    }
    for id in &ids {
        results.push(acme.wait(id, Some(2 * WITHIN)).await.unwrap().record);
    }
    for record in &results {
        let at = record.started;
        // a permit goes back when the attempt ends, which is before its end is written down
        let ends = |other: &ResultRecord| other.started.after(Duration::from_micros(other.meter.wall_us));
        let running = results.iter().filter(|other| other.started <= at && at < ends(other)).count();
        assert!(running <= 2, "{running} ran at once");
    }
}

#[tokio::test]
async fn components_above_the_quota_are_refused_at_push() {
    let ground = Ground::new();
    ground.push("acme", &numbers(&[("answer", 1)]), &[]);
    quota(&ground, |quota| quota.components = Some(2)).await;
    ground.push("acme", &numbers(&[("answer", 2)]), &[]);
    let push = |component: &[u8]| {
        let file = ground.file("more.wasm", component);
        ground.cli.clone().tenant("acme").run(["push", file.to_str().unwrap()])
    };
    let told = push(&numbers(&[("answer", 3)])).fails_with(7);
    assert!(told.stderr.contains("tenant acme has 2 components"), "{}", told.stderr);
    assert_eq!(push(&numbers(&[("answer", 1)])).code, Some(0), "it is there already");
    let large = numbers(&[("answer", 4)]);
    let size = u64::try_from(large.len()).unwrap();
    for (most, taken) in [(size - 1, false), (size, true), (size + 1, true)] {
        quota(&ground, |quota| (quota.components, quota.component_size) = (None, Some(ByteSize(most)))).await;
        let pushed = push(&large);
        assert_eq!(pushed.code, Some(if taken { 0 } else { 7 }), "{most}: {}", pushed.stderr);
    }
}

fn worker(ground: &Ground, name: &str) -> WorkerSetup {
    Worker::of(&ground.nats).name(name).cache_dir(shared_cache())
}

async fn quota(ground: &Ground, change: impl FnOnce(&mut Quota)) {
    record(ground, "acme", |record| change(&mut record.quota)).await;
}

/// Waits until so many jobs may wait.
async fn limit_is(ground: &Ground, most: i64) {
    let limited = async || {
        let stream =
            ground.nats.jetstream().await.get_stream(asset::jobs(&crate::small::tenant("acme"))).await.unwrap();
        match stream.cached_info().config.max_messages {
            max if max == most => Ok(()),
            max => Err(max),
        }
    };
    eventually("the limit of queued jobs", WITHIN, limited).await;
}

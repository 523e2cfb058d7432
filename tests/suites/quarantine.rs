//! Jobs that kill their workers, told from jobs that were merely given back.

use async_nats::jetstream::consumer::{self, PullConsumer};
use futures::{Stream, StreamExt};
use lovage_client::NewJob;
use lovage_job::{event::Event, name::JobId, outcome::OutcomeKind};
use lovage_tests::{Jobs, Nats, WITHIN, Worker, WorkerSetup, cli, push, shared_cache};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn job_that_kills_three_workers_is_quarantined_and_can_be_replayed() {
    let nats = ground();
    let id: JobId = "deadly".parse().unwrap();
    let mut first = worker(&nats, "victim-1").start();
    let jobs = Jobs::of(&nats).await;
    let mut events = jobs.client.events_of(&id).await.unwrap();
    short_lease(&jobs).await;
    jobs.client.submit(sleepy(20_000).id(id.clone())).await.unwrap();
    until(&mut events, "started").await;
    first.kill9();
    for name in ["victim-2", "victim-3"] {
        let mut victim = worker(&nats, name).start();
        short_lease(&jobs).await;
        until(&mut events, "started").await;
        victim.kill9();
    }
    let mut survivor = worker(&nats, "survivor").start();
    let result = jobs.result(&id).await;
    assert_eq!(result.record.outcome, OutcomeKind::Quarantined, "{result:?}");
    assert_eq!((result.record.worker.as_str(), result.record.attempt), ("survivor", 0));
    let error = result.error.unwrap();
    assert!(error.message.starts_with("3 workers died while they ran it, last victim-2 and victim-3;"), "{error:?}");
    assert_eq!(error.details.unwrap()["crashes"], json!(3));
    let letter = jobs.letter(&id).await;
    assert_eq!((letter.error.kind, letter.payload), (OutcomeKind::Quarantined, b"20000".to_vec()));
    assert_eq!(jobs.run(sleepy(1)).await.record.outcome, OutcomeKind::Completed, "the survivor lives");

    // Replayed, it begins with a clean slate.
    cli(&nats).ok(["dead", "replay", id.as_str()]);
    until(&mut events, "started").await;
    jobs.client.cancel(&id, "enough").await.unwrap();
    assert_eq!(jobs.result(&id).await.record.outcome, OutcomeKind::Cancelled);
    assert_eq!(survivor.ended(), None);
}

#[tokio::test]
async fn job_that_is_given_back_often_is_not_quarantined() {
    let nats = ground();
    let id: JobId = "wanderer".parse().unwrap();
    let mut leaving = worker(&nats, "leaving-0").arg("--drain").arg("0s").start();
    let jobs = Jobs::of(&nats).await;
    let mut events = jobs.client.events_of(&id).await.unwrap();
    jobs.client.submit(sleepy(5_000).id(id.clone())).await.unwrap();
    for number in 1..=4 {
        until(&mut events, "started").await;
        leaving.sigterm();
        assert_eq!(leaving.wait(WITHIN).code(), Some(0));
        until(&mut events, "released").await;
        assert_eq!(jobs.client.result(&id).await.unwrap(), None);
        leaving = worker(&nats, &format!("leaving-{number}")).arg("--drain").arg("0s").start();
    }
    let result = jobs.result(&id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1), "{:?}", result.error);
    assert_eq!(result.record.worker, "leaving-4");
    let notes = jobs.js.get_key_value("control").await.unwrap();
    let gone = async || {
        let mut keys = notes.keys().await.unwrap();
        match keys.next().await {
            None => Ok(()),
            Some(key) => Err(format!("{key:?} is still there")),
        }
    };
    lovage_tests::eventually("the note on it to go", WITHIN, gone).await;
}

fn ground() -> Nats {
    let nats = Nats::start();
    push(&cli(&nats), "hostile", &["--export", "sleepy"]);
    nats
}

fn worker(nats: &Nats, name: &str) -> WorkerSetup {
    Worker::of(nats).name(name).concurrency(2).cache_dir(shared_cache())
}

fn sleepy(ms: u64) -> NewJob {
    NewJob::json("sleepy".parse().unwrap(), &json!(ms)).unwrap()
}

/// Lets the broker give up on a worker after two seconds, as it would after thirty. Each worker sets it right again when
/// it starts.
async fn short_lease(jobs: &Jobs) {
    let stream = jobs.stream("JOBS_default").await;
    let consumer: PullConsumer = stream.get_consumer("job_default").await.unwrap();
    let mut config: consumer::Config = consumer.cached_info().config.clone();
    config.ack_wait = Duration::from_secs(2);
    stream.update_consumer(config).await.unwrap();
}

async fn until(events: &mut (impl Stream<Item = Event> + Unpin), token: &str) {
    let told = async {
        while let Some(event) = events.next().await {
            if event.what.token() == token {
                return;
            }
        }
        panic!("the connection was closed");
    };
    tokio::time::timeout(WITHIN, told).await.unwrap_or_else(|_| panic!("{token} was not told in time"));
}

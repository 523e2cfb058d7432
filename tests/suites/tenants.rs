//! Tenants and queues side by side: own code, own results, a fair share, and nothing that waits is lost.

use futures::{StreamExt, stream};
use lovage_client::{Client, JobState};
use lovage_job::{name::QueueName, outcome::OutcomeKind, result::JobResult, subject::asset};
use lovage_tests::{WITHIN, Worker, WorkerSetup, eventually, shared_cache};

use crate::small::{Ground, busy, job, number, numbers, run};

#[tokio::test]
async fn same_task_name_runs_each_tenants_own_code_and_version() {
    let ground = Ground::new();
    ground.push("acme", &numbers(&[("answer", 1)]), &[]);
    ground.push("umbra", &numbers(&[("answer", 2)]), &[]);
    let _worker = worker(&ground).start();
    let (acme, umbra) = (ground.client("acme").await, ground.client("umbra").await);
    // The same id, too.
    let same = || job("answer").id("same".parse().unwrap());
    let (one, two) = tokio::join!(run(&acme, same()), run(&umbra, same()));
    assert_eq!((number(&one), number(&two)), (1, 2));
    assert_ne!(one.record.digest, two.record.digest);
    assert_eq!((results(&acme).await, results(&umbra).await), (1, 1));
    // A new version of one is nobody else's.
    ground.push("acme", &numbers(&[("answer", 3)]), &[]);
    let moved = async || match number(&run(&acme, job("answer")).await) {
        3 => Ok(()),
        other => Err(format!("answer {other}")),
    };
    eventually("the new version", WITHIN, moved).await;
    assert_eq!(number(&run(&umbra, job("answer")).await), 2);
    let told = umbra.submit(job("answer").version("2".parse().unwrap())).await.unwrap_err();
    assert!(told.to_string().contains("no version"), "{told}");
    // What one tenant has is not there for another.
    ground.push("acme", &numbers(&[("secret", 4)]), &[]);
    assert!(umbra.submit(job("secret")).await.is_err());
    let unchecked = run(&umbra, job("secret").unchecked()).await;
    assert_eq!(unchecked.record.outcome, OutcomeKind::UnknownTask);
    assert!(matches!(ground.client("default").await.find(&"same".parse().unwrap()).await, Ok(JobState::Unknown)));
}

#[tokio::test]
async fn running_worker_serves_a_tenant_that_comes_later() {
    let ground = Ground::new();
    let mut worker = worker(&ground).start();
    for (name, answer) in [("first-comer", 1), ("late-comer", 2)] {
        let early = ground.client(name).await.submit(job("answer").unchecked()).await;
        assert!(early.is_err(), "nothing stores jobs of a tenant that is not there");
        ground.push(name, &numbers(&[("answer", answer)]), &[]);
        assert_eq!(number(&run(&ground.client(name).await, job("answer")).await), answer);
    }
    assert!(worker.ended().is_none());
}

#[tokio::test]
async fn backlog_of_one_tenant_does_not_keep_another_waiting() {
    const BACKLOG: u64 = 2_000;
    let ground = Ground::new();
    ground.push("heavy", &busy("work", 5), &[]);
    ground.push("light", &numbers(&[("answer", 1)]), &[]);
    publish(&ground, "lovage.heavy.job.default.work", BACKLOG).await;
    let _worker = worker(&ground).concurrency(1).start();
    let (heavy, light) = (ground.client("heavy").await, ground.client("light").await);
    for round in 1..=3 {
        let before = at_least(&heavy, 50 * round).await;
        assert_eq!(number(&run(&light, job("answer")).await), 1);
        let meanwhile = results(&heavy).await - before;
        assert!(meanwhile < 200, "{meanwhile} jobs of another tenant ran before one that had just come");
    }
    let left = waiting(&heavy).await;
    assert!(left > BACKLOG / 4, "{left} jobs are left, so that nothing was in the way");
}

#[tokio::test]
async fn queues_of_one_worker_share_by_weight_and_none_starves() {
    let meanwhile = slow_meanwhile(1, 600).await;
    assert!((20..=450).contains(&meanwhile), "{meanwhile} of 600 jobs of weight 1 ran while those of weight 4 waited");
}

#[tokio::test]
async fn queues_of_long_jobs_share_by_weight_too() {
    let meanwhile = slow_meanwhile(100, 30).await;
    assert!((1..=20).contains(&meanwhile), "{meanwhile} of 30 jobs of weight 1 ran while those of weight 4 waited");
}

/// Has one worker run so many jobs of a length in each of two queues, and returns how many of queue `slow`, with
/// weight 1, ended before the last one of queue `fast`, with weight 4: about a quarter.
async fn slow_meanwhile(job_ms: u32, each: u64) -> usize {
    let ground = Ground::new();
    ground.push("default", &busy("work", job_ms), &[]);
    for queue in ["fast", "slow"] {
        publish(&ground, &format!("lovage.default.job.{queue}.work"), each).await;
    }
    let _worker = worker(&ground).concurrency(1).arg("--queue=fast=4").arg("--queue=slow=1").start();
    let client = ground.client("default").await;
    at_least(&client, 2 * each).await;
    let mut results = all_results(&client).await;
    assert!(results.iter().all(|result| result.record.outcome == OutcomeKind::Completed));
    results.sort_by_key(|result| result.record.finished);
    let of = |result: &JobResult| result.record.queue.as_ref().map(QueueName::to_string).unwrap();
    let last_fast = results.iter().rposition(|result| of(result) == "fast").unwrap();
    results[..last_fast].iter().filter(|result| of(result) == "slow").count()
}

#[tokio::test]
async fn queue_that_nobody_serves_keeps_its_job() {
    let ground = Ground::new();
    ground.push("default", &numbers(&[("answer", 42)]), &[]);
    let _worker = worker(&ground).start();
    let submitted = ground.cli.run(["submit", "answer", "--queue", "attic", "--id", "patient"]).ok();
    assert!(submitted.stderr.contains("no worker has served queue attic yet"), "{}", submitted.stderr);
    let client = ground.client("default").await;
    for _ in 0..20 {
        assert_eq!(number(&run(&client, job("answer")).await), 42);
    }
    let id = "patient".parse().unwrap();
    assert!(matches!(client.find(&id).await.unwrap(), JobState::Queued { attempt: 1, .. }));
    assert_eq!(waiting(&client).await, 1);
    let _second = worker(&ground).name("second").arg("--queue=attic").start();
    let result = client.wait(&id, Some(WITHIN)).await.unwrap();
    assert_eq!((number(&result), result.record.worker.as_str()), (42, "second"));
}

fn worker(ground: &Ground) -> WorkerSetup {
    Worker::of(&ground.nats).cache_dir(shared_cache())
}

/// Publishes so many plain jobs without input.
async fn publish(ground: &Ground, subject: &str, count: u64) {
    let jetstream = ground.nats.jetstream().await;
    let publish = async |_| jetstream.publish(subject.to_owned(), "".into()).await.unwrap().await.unwrap();
    stream::iter(0..count).map(publish).buffer_unordered(256).collect::<Vec<_>>().await;
}

/// How many jobs of a client's tenant have ended.
async fn results(client: &Client) -> u64 {
    messages(client, &format!("KV_{}", asset::results(client.tenant()))).await
}

/// How many wait or run.
async fn waiting(client: &Client) -> u64 {
    messages(client, &asset::jobs(client.tenant())).await
}

async fn messages(client: &Client, stream: &str) -> u64 {
    let jetstream = async_nats::jetstream::new(client.nats().clone());
    jetstream.get_stream(stream).await.unwrap().cached_info().state.messages
}

/// Waits until so many jobs have ended, and returns how many have.
async fn at_least(client: &Client, count: u64) -> u64 {
    let ended = async || match results(client).await {
        ended if ended >= count => Ok(ended),
        ended => Err(format!("{ended} have")),
    };
    eventually(&format!("{count} jobs to end"), 2 * WITHIN, ended).await
}

async fn all_results(client: &Client) -> Vec<JobResult> {
    let bucket = asset::results(client.tenant());
    let store = async_nats::jetstream::new(client.nats().clone()).get_key_value(&bucket).await.unwrap();
    let mut keys = store.keys().await.unwrap();
    let mut results = Vec::new();
    while let Some(key) = keys.next().await {
        results.extend(client.result(&key.unwrap().parse().unwrap()).await.unwrap());
    }
    results
}

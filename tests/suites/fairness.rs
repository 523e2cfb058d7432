//! Tenants side by side: shares by weight whatever the backlog and queues, and records that apply as they change and go.

use std::time::{SystemTime, UNIX_EPOCH};

use futures::{StreamExt, stream};
use lovage_client::{Client, ListFilter, ListState};
use lovage_job::{subject::asset, tenant::TenantRecord, unit::UnixMs};
use lovage_tests::{WITHIN, Worker, WorkerSetup, eventually, shared_cache};

use crate::small::{Ground, busy, job, number, numbers, run, tenant};

#[tokio::test]
async fn throughput_follows_the_weights_whatever_the_queues() {
    let ground = Ground::new();
    for (name, weight) in [("one", 1), ("two", 2), ("four", 4)] {
        ground.push(name, &busy("work", 5), &[]);
        record(&ground, name, |record| record.weight = weight).await;
    }
    // the lightest has its jobs in two queues, which give it no more
    for (subject, count) in
        [("one.job.default", 150), ("one.job.other", 150), ("two.job.default", 300), ("four.job.default", 400)]
    {
        publish(&ground, &format!("lovage.{subject}.work"), count).await;
    }
    let _worker = worker(&ground).concurrency(2).arg("--queue=default,other").start();
    let (one, two, four) = (ground.client("one").await, ground.client("two").await, ground.client("four").await);
    let (from, to) = until_ended(&four, 280).await;
    let (of_one, of_two) = (held(&one, from, to).await, held(&two, from, to).await);
    let of_four = held(&four, from, to).await;
    // credits are a few jobs: the exact shares are shown by the rules' own tests
    assert!((of_four * 3 / 16..=of_four * 5 / 16).contains(&of_one), "{of_one}, {of_two}, {of_four}");
    assert!((of_four * 3 / 8..=of_four * 5 / 8).contains(&of_two), "{of_one}, {of_two}, {of_four}");
}

#[tokio::test]
async fn a_weight_that_is_changed_changes_the_share_at_once() {
    let ground = Ground::new();
    for name in ["one", "two"] {
        ground.push(name, &busy("work", 5), &[]);
        publish(&ground, &format!("lovage.{name}.job.default.work"), 700).await;
    }
    let _worker = worker(&ground).concurrency(2).start();
    let (one, two) = (ground.client("one").await, ground.client("two").await);
    let (of_one, of_two) = meanwhile(&one, &two, 100).await;
    assert!((of_two / 2..=of_two * 2).contains(&of_one), "alike before: {of_one}, {of_two}");
    ground.cli.ok(["tenant", "set", "two", "--weight", "4"]);
    let (of_one, of_two) = meanwhile(&one, &two, 200).await;
    assert!((of_two / 8..=of_two * 3 / 8).contains(&of_one), "a quarter after: {of_one}, {of_two}");
    ground.cli.ok(["tenant", "set", "two", "--weight", "1"]);
    let (of_one, of_two) = meanwhile(&one, &two, 100).await;
    assert!((of_two / 2..=of_two * 2).contains(&of_one), "alike again: {of_one}, {of_two}");
}

/// How long jobs of each of two tenants hold places from now on, until so many of the second have ended.
async fn meanwhile(one: &Client, two: &Client, count: u64) -> (u64, u64) {
    let (from, to) = until_ended(two, count).await;
    (held(one, from, to).await, held(two, from, to).await)
}

/// From now on, until so many more jobs of a tenant have ended.
async fn until_ended(client: &Client, count: u64) -> (UnixMs, UnixMs) {
    let (from, before) = (now(), results(client).await);
    let reached = async || match results(client).await - before {
        ended if ended >= count => Ok(now()),
        ended => Err(format!("{ended} have ended")),
    };
    (from, eventually("a tenant to get on", 2 * WITHIN, reached).await)
}

/// How long the jobs of a tenant that ended in this time ran, in microseconds. Places are shared by time: on a busy machine
/// the kernel lets one job run longer than another, and their numbers say less.
async fn held(client: &Client, from: UnixMs, to: UnixMs) -> u64 {
    let ended = ListFilter { state: Some(ListState::Done), limit: Some(1_000), ..ListFilter::default() };
    let ids = client.list(&ended).await.unwrap().jobs.into_iter().map(|job| job.id);
    let ran = async |id| match client.result(&id).await.unwrap().unwrap().record {
        record if record.finished >= from && record.finished <= to => record.meter.wall_us,
        _ => 0,
    };
    stream::iter(ids).map(ran).buffer_unordered(64).fold(0, async |sum, ran| sum + ran).await
}

fn now() -> UnixMs {
    UnixMs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap())
}

#[tokio::test]
async fn jobs_of_a_light_tenant_run_while_slow_ones_of_another_hold_every_place() {
    let ground = Ground::new();
    ground.push("heavy", &busy("work", 3_500), &[]);
    ground.push("light", &numbers(&[("answer", 7)]), &[]);
    publish(&ground, "lovage.heavy.job.default.work", 200).await;
    let _worker = worker(&ground).concurrency(4).start();
    let (heavy, light) = (ground.client("heavy").await, ground.client("light").await);
    let all_busy = async || match ground.cli.json(["workers"])[0]["running"].as_u64() {
        Some(4..) => Ok(()),
        running => Err(format!("{running:?} run")),
    };
    eventually("every place to be taken", WITHIN, all_busy).await;
    let before = results(&heavy).await;
    for _ in 0..5 {
        assert_eq!(number(&run(&light, job("answer")).await), 7);
    }
    let meanwhile = results(&heavy).await - before;
    assert!(meanwhile <= 4, "{meanwhile} slow jobs ended before five quick ones had run");
}

#[tokio::test]
async fn removed_tenant_is_served_no_more_and_one_of_the_same_name_is() {
    let ground = Ground::new();
    ground.push("acme", &numbers(&[("answer", 1)]), &[]);
    let mut worker = worker(&ground).start();
    let acme = ground.client("acme").await;
    assert_eq!(number(&run(&acme, job("answer")).await), 1);
    let js = ground.nats.jetstream().await;
    js.get_key_value(asset::TENANTS).await.unwrap().delete("acme").await.unwrap();
    let left = async || match worker.stderr() {
        said if said.contains("tenant served no more") => Ok(()),
        said => Err(said.lines().last().unwrap_or_default().to_owned()),
    };
    eventually("the worker to leave the tenant", WITHIN, left).await;
    // what is published now waits, with nobody who asks for it
    let patient = acme.submit(job("answer").id("patient".parse().unwrap())).await.unwrap().id;
    assert!(acme.result(&patient).await.unwrap().is_none());
    let tenant = tenant("acme");
    for stream in [asset::jobs(&tenant), asset::schedules(&tenant), asset::dead(&tenant)] {
        js.delete_stream(stream).await.unwrap();
    }
    js.delete_key_value(asset::results(&tenant)).await.unwrap();
    ground.push("default", &numbers(&[("other", 3)]), &[]);
    assert_eq!(number(&run(&ground.client("default").await, job("other")).await), 3);
    assert!(js.get_stream(asset::jobs(&tenant)).await.is_err(), "nothing of it came again");
    ground.push("acme", &numbers(&[("answer", 2)]), &[]);
    let again = async || match run(&acme, job("answer")).await {
        result if number(&result) == 2 => Ok(()),
        result => Err(format!("{result:?}")),
    };
    eventually("the new tenant's own code", WITHIN, again).await;
    assert!(worker.ended().is_none());
}

fn worker(ground: &Ground) -> WorkerSetup {
    Worker::of(&ground.nats).cache_dir(shared_cache())
}

/// Changes a tenant's record.
pub(crate) async fn record(ground: &Ground, name: &str, change: impl FnOnce(&mut TenantRecord)) {
    let bucket = ground.nats.jetstream().await.get_key_value(asset::TENANTS).await.unwrap();
    let mut record = match bucket.get(name).await.unwrap() {
        Some(record) => serde_json::from_slice(&record).unwrap(),
        None => TenantRecord::new(tenant(name), UnixMs(0)),
    };
    change(&mut record);
    bucket.put(name, serde_json::to_vec(&record).unwrap().into()).await.unwrap();
}

async fn publish(ground: &Ground, subject: &str, count: u64) {
    let jetstream = ground.nats.jetstream().await;
    let publish = async |_| jetstream.publish(subject.to_owned(), "".into()).await.unwrap().await.unwrap();
    stream::iter(0..count).map(publish).buffer_unordered(256).collect::<Vec<_>>().await;
}

async fn results(client: &Client) -> u64 {
    let jetstream = async_nats::jetstream::new(client.nats().clone());
    let stream = jetstream.get_stream(format!("KV_{}", asset::results(client.tenant()))).await.unwrap();
    stream.cached_info().state.messages
}

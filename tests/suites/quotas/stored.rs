//! What a tenant may store: counted whole, refused in the terms of each interface, and limited before any worker runs.

use lovage_tests::{Cli, Jobs, Nats, WITHIN, Worker, cli, eventually, shared_cache};
use serde_json::{Value, json};

use crate::small::{Ground, job, number, numbers, run};
use crate::storage::{gives, keyvalue, of, shelf, two_tenants};

const LARGE: usize = 200 << 10;

/// Sets something of tenant `globex`.
fn set(nats: &Nats, args: &[&str]) -> Value {
    cli(nats).json([&["tenant", "set", "globex"], args].concat())
}

/// Puts values under keys of their own until one is refused; how many were put, and why the next was not.
async fn fill(jobs: &Jobs, most: usize) -> (usize, String) {
    for number in 0..most {
        if let Err(refused) = keyvalue(jobs, "Set", &format!("large-{number}"), &"x".repeat(LARGE)).await {
            return (number, refused);
        }
    }
    panic!("{most} values of {LARGE} bytes were all put");
}

#[tokio::test]
async fn tasks_of_a_tenant_near_its_storage_are_refused_and_those_of_others_are_not() {
    let nats = Nats::start();
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    let [other, jobs] = two_tenants(&nats).await;
    set(&nats, &["--storage", "8MiB"]);
    let (put, refused) = fill(&jobs, 50).await;
    assert!(refused.contains("the tenant stores nearly as much as it may") && refused.contains("8MiB"), "{refused}");
    // nine tenths of 8 MiB are 36 values; a job's own message counts while it runs, and twice what a look finds
    assert!((30..=36).contains(&put), "{put}");
    let refused = shelf(&jobs, "Put", "blob", &"x".repeat(LARGE)).await.unwrap_err();
    assert!(refused.contains("the tenant stores nearly as much as it may"), "{refused}");
    keyvalue(&other, "Set", "k", &"x".repeat(LARGE)).await.unwrap();
    shelf(&other, "Put", "k", &"x".repeat(LARGE)).await.unwrap();
    // what is there is still read and removed, and then there is room again
    for number in 0..put {
        keyvalue(&jobs, "Delete", &format!("large-{number}"), "").await.unwrap();
    }
    let again = async || shelf(&jobs, "Put", "blob", &"x".repeat(LARGE)).await;
    eventually("room for a blob", WITHIN, again).await;
    let usage = of(&nats, "globex").json(["usage"]);
    assert!(usage["stored"]["blobs"].as_u64() > Some(LARGE as u64), "{usage}");
    assert_eq!(usage["limits"]["storage"], "8MiB");
    let used = of(&nats, "globex").ok(["usage"]);
    assert!(used.contains("of storage, all but components: ") && used.contains(" of 8MiB"), "{used}");
}

#[tokio::test]
async fn buckets_have_the_limits_of_the_tenants_record_and_those_of_workers_without() {
    let nats = Nats::start();
    let file = nats.folder().join("worker.toml");
    std::fs::write(&file, "[storage]\nkeyvalue = \"3MiB\"\n").unwrap();
    let worker = || Worker::of(&nats).cache_dir(shared_cache()).arg("--config").arg(&file);
    let mut first = worker().start();
    let [other, jobs] = two_tenants(&nats).await;
    assert_eq!(set(&nats, &["--keyvalue", "1MiB", "--blobstore", "1MiB"])["quota"]["keyvalue"], "1MiB");
    let (put, refused) = fill(&jobs, 50).await;
    assert!(refused.contains("the tenant's buckets are full: they hold 1MiB at most"), "{refused}");
    assert_eq!(put, 5);
    let refused =
        gives(&jobs, "shelf", json!({"container": "shelf", "act": "Put", "name": "b", "value": "x".repeat(1 << 20)}));
    let refused = refused.await.unwrap_err();
    assert!(refused.contains("the tenant's containers are full: they hold 1MiB at most"), "{refused}");
    assert_eq!(of(&nats, "globex").json(["usage"])["stored"]["blobs"], 0, "nothing is left of it");
    keyvalue(&other, "Set", "k", "v").await.unwrap();
    assert_eq!(limits(&nats, "default")["keyvalue"], "3MiB");
    // raised, it holds more at once; lowered under what it holds, it keeps that
    set(&nats, &["--keyvalue", "2MiB"]);
    assert_eq!(limits(&nats, "globex")["keyvalue"], "2MiB");
    keyvalue(&jobs, "Set", "more", &"x".repeat(LARGE)).await.unwrap();
    set(&nats, &["--keyvalue", "1MiB"]);
    let refused = keyvalue(&jobs, "Set", "yet-more", "v").await.unwrap_err();
    assert!(refused.contains("they hold 1MiB at most"), "{refused}");
    assert_eq!(keyvalue(&jobs, "Get", "more", "").await.unwrap()[0].as_str().map(str::len), Some(LARGE));
    let shown = cli(&nats).ok(["tenant", "show", "globex"]);
    assert!(shown.contains("key-value       1MiB") && shown.contains("blobs           1MiB"), "{shown}");
    let used = of(&nats, "globex").ok(["usage"]);
    assert!(used.contains("of key-value: 1.1 MiB of 1MiB"), "{used}");
    // without a worker too
    first.sigterm();
    first.wait(WITHIN);
    set(&nats, &["--keyvalue", "5MiB"]);
    assert_eq!(limits(&nats, "globex")["keyvalue"], "5MiB");
    set(&nats, &["--keyvalue", "none"]);
    assert_eq!(limits(&nats, "globex")["keyvalue"], "5MiB", "nobody knows what workers give");
    let _second = worker().start();
    let of_workers = async || match limits(&nats, "globex")["keyvalue"].as_str() {
        Some("3MiB") => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("the workers' limit", WITHIN, of_workers).await;
    let shown = cli(&nats).ok(["tenant", "show", "globex"]);
    assert!(shown.contains("key-value       what workers give"), "{shown}");
    let refused = cli(&nats).run(["tenant", "set", "globex", "--keyvalue", "1023KiB"]).fails_with(2);
    assert!(refused.stderr.contains("keyvalue = 1023KiB"), "{}", refused.stderr);
}

fn limits(nats: &Nats, tenant: &str) -> Value {
    of(nats, tenant).json(["usage"])["limits"].clone()
}

#[tokio::test]
async fn jobs_wait_when_the_storage_is_full_and_whoever_submits_hears_of_it() {
    let ground = Ground::new();
    ground.push("acme", &numbers(&[("answer", 1)]), &[]);
    ground.push("other", &numbers(&[("answer", 2)]), &[]);
    let worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let acme = ground.client("acme").await;
    assert_eq!(number(&run(&acme, job("answer")).await), 1);
    let full = || worker.stderr().matches("used up: its jobs wait").count();
    ground.cli.ok(["tenant", "set", "acme", "--queued", "1", "--storage", "1B"]);
    let waits = async || if full() == 1 { Ok(()) } else { Err(worker.stderr()) };
    eventually("the storage to be full", WITHIN, waits).await;
    let waits = acme.submit(job("answer").id("waits".parse().unwrap())).await.unwrap().id;
    let told = ground.cli.clone().tenant("acme").run(["submit", "answer"]).fails_with(7);
    assert!(told.stderr.contains("tenant acme"), "{}", told.stderr);
    let other = ground.client("other").await;
    for _ in 0..5 {
        assert_eq!(number(&run(&other, job("answer")).await), 2);
    }
    assert!(acme.result(&waits).await.unwrap().is_none());
    ground.cli.ok(["tenant", "set", "acme", "--storage", "none"]);
    assert_eq!(number(&acme.wait(&waits, Some(WITHIN)).await.unwrap()), 1);
}

#[tokio::test]
async fn limits_of_the_broker_hold_before_any_worker_runs() {
    let nats = Nats::start();
    let cli = cli(&nats);
    cli.json(["tenant", "add", "acme", "--queued", "2", "--queued-bytes", "1MiB", "--payload", "64KiB"]);
    let acme = Jobs::of_tenant(&nats, &"acme".parse().unwrap()).await;
    let publish = async |bytes: usize| {
        let sent = acme.js.publish("lovage.acme.job.default.answer", vec![b' '; bytes].into()).await.unwrap();
        sent.await.map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = publish((64 << 10) + 1).await.unwrap_err();
    assert!(refused.contains("size"), "{refused}");
    publish(64 << 10).await.unwrap();
    publish(1).await.unwrap();
    assert!(publish(1).await.unwrap_err().contains("maximum messages"));
    cli.json(["tenant", "set", "acme", "--queued", "3", "--payload", "128KiB"]);
    publish(128 << 10).await.unwrap();
    publish(1).await.unwrap_err();
    // a smaller message waits for the schedules that are there
    later(&cli, "acme");
    let told = cli.run(["tenant", "set", "acme", "--payload", "64KiB"]).ok();
    assert!(told.stderr.contains("limited to 65536 bytes once the 1 stored schedules are through"), "{}", told.stderr);
    let told = cli.run(["tenant", "set", "acme", "--queued-bytes", "900000GiB"]).fails_with(3);
    assert!(told.stderr.contains("cannot keep") && told.stderr.contains("workers apply it"), "{}", told.stderr);
}

/// Leaves a delayed job in the schedules of a tenant, which nobody serves.
fn later(cli: &Cli, tenant: &str) {
    cli.clone().tenant(tenant).ok(["submit", "answer", "--delay", "1d", "--unchecked"]);
}

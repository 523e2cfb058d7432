//! What tasks keep: keys and blobs of their tenant, whoever else uses the same names, and however many write at once.

use std::collections::BTreeSet;

use lovage_client::NewJob;
use lovage_job::{name::TenantName, outcome::OutcomeKind};
use lovage_tests::{Cli, Jobs, Nats, WITHIN, Worker, cli, guest, push, shared_cache};
use serde_json::{Value, json};

const COUNTER: [&str; 8] =
    ["--allow", "keyvalue=counts", "--allow", "config=step=1", "--allow", "secret=api-key", "--allow", "submit"];

/// A server with the example tasks of two tenants, which grant them the same names.
pub async fn two_tenants(nats: &Nats) -> [Jobs; 2] {
    let mut jobs = Vec::new();
    for tenant in ["default", "globex"] {
        let cli = of(nats, tenant);
        push(&cli, "counter", &COUNTER);
        push(&cli, "shelf", &["--allow", "blobstore=shelf", "--allow", "blobstore=attic"]);
        jobs.push(Jobs::of_tenant(nats, &tenant.parse::<TenantName>().unwrap()).await);
    }
    jobs.try_into().unwrap()
}

pub fn of(nats: &Nats, tenant: &str) -> Cli {
    if tenant == "default" { cli(nats) } else { cli(nats).tenant(tenant) }
}

fn job(task: &str, input: Value) -> NewJob {
    NewJob::json(task.parse().unwrap(), &input).unwrap().retries(0)
}

/// What one job gives: its result, or why it failed.
pub async fn gives(jobs: &Jobs, task: &str, input: Value) -> Result<Value, String> {
    let result = jobs.run(job(task, input)).await;
    match result.record.outcome {
        OutcomeKind::Completed => Ok(serde_json::from_slice(&result.body).unwrap()),
        other => Err(format!("{other}: {}", result.error.map(|error| error.message).unwrap_or_default())),
    }
}

pub async fn keyvalue(jobs: &Jobs, act: &str, key: &str, value: &str) -> Result<Value, String> {
    gives(jobs, "keyvalue", json!({"bucket": "counts", "act": act, "key": key, "value": value})).await
}

pub async fn shelf(jobs: &Jobs, act: &str, name: &str, value: &str) -> Result<Value, String> {
    gives(jobs, "shelf", json!({"container": "shelf", "act": act, "name": name, "value": value})).await
}

#[tokio::test]
async fn tenants_with_the_same_names_do_not_see_each_other() {
    let nats = Nats::start();
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    let [a, b] = two_tenants(&nats).await;
    keyvalue(&a, "Set", "k", "of a").await.unwrap();
    keyvalue(&b, "Set", "k", "of b").await.unwrap();
    assert_eq!(keyvalue(&a, "Append", "k", "!").await, Ok(json!(["of a!"])));
    assert_eq!(keyvalue(&b, "Get", "k", "").await, Ok(json!(["of b"])));
    shelf(&a, "Put", "blob", "hello").await.unwrap();
    assert_eq!(shelf(&b, "Get", "blob", "").await, Ok(json!([])));
    assert_eq!(shelf(&b, "List", "", "").await, Ok(json!([])));
    shelf(&b, "Clear", "", "").await.unwrap();
    assert_eq!(shelf(&a, "Get", "blob", "").await, Ok(json!(["hello"])));
    let part = json!({"container": "shelf", "act": "Get", "name": "blob", "range": [1, 2]});
    assert_eq!(gives(&a, "shelf", part).await, Ok(json!(["el"])));
    shelf(&a, "Copy", "blob", "attic").await.unwrap();
    let attic = json!({"container": "attic", "act": "List"});
    assert_eq!(gives(&a, "shelf", attic).await, Ok(json!(["blob"])));
    shelf(&a, "Delete", "blob", "").await.unwrap();
    assert_eq!(shelf(&a, "Size", "blob", "").await, Ok(json!([])));
    // nothing of it is left behind
    let marks = a.stream("OBJ_blobs-default").await.get_info().await.unwrap().state;
    assert_eq!(marks.subjects_count, 2, "the chunk and the record of attic/blob: {marks:?}");
}

#[tokio::test]
async fn what_is_not_granted_is_denied() {
    let nats = Nats::start();
    let cli = cli(&nats);
    let component = guest("counter");
    let refused = cli.run(["push", component.to_str().unwrap(), "--export", "counter"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--allow"), "{}", refused.stderr);
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    let [jobs, _] = two_tenants(&nats).await;
    for (bucket, said) in [("other", "not granted"), ("..", "no such bucket"), (">", "no such bucket"), ("", "no such")]
    {
        let order = json!({"bucket": bucket, "act": "Keys"});
        let error = gives(&jobs, "keyvalue", order).await.unwrap_err();
        assert!(error.contains(said), "{bucket:?}: {error}");
    }
    for container in ["other", "../shelf", "*"] {
        let order = json!({"container": container, "act": "List"});
        let error = gives(&jobs, "shelf", order).await.unwrap_err();
        assert!(error.contains("not granted container"), "{container:?}: {error}");
    }
}

#[tokio::test]
async fn hostile_keys_neither_escape_nor_break() {
    let nats = Nats::start();
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    let [jobs, other] = two_tenants(&nats).await;
    let keys = ["..", ">", "*", "a.b", "\0", "a b", "=2e", "/", "$KV.kv-globex.counts.k", "k\r\n", "k", "к", "é"];
    for key in keys {
        keyvalue(&jobs, "Set", key, key).await.unwrap();
        shelf(&jobs, "Put", key, key).await.unwrap();
    }
    for key in keys {
        assert_eq!(keyvalue(&jobs, "Get", key, "").await.unwrap(), json!([key]), "{key:?}");
        assert_eq!(shelf(&jobs, "Get", key, "").await, Ok(json!([key])), "{key:?}");
    }
    let all: BTreeSet<&str> = keys.into_iter().collect();
    assert_eq!(keyvalue(&jobs, "Keys", "", "").await, Ok(json!(all)));
    assert_eq!(shelf(&jobs, "List", "", "").await, Ok(json!(all)));
    for key in [String::new(), "k".repeat(257), "k".repeat(10_000)] {
        let error = keyvalue(&jobs, "Set", &key, "x").await.unwrap_err();
        assert!(error.contains("is not between 1 and 256"), "{error}");
        shelf(&jobs, "Put", &key, "x").await.unwrap_err();
    }
    keyvalue(&jobs, "Delete", ">", "").await.unwrap();
    keyvalue(&jobs, "Delete", "*", "").await.unwrap();
    assert_eq!(keyvalue(&jobs, "Keys", "", "").await.unwrap().as_array().unwrap().len(), keys.len() - 2);
    assert_eq!(keyvalue(&other, "Keys", "", "").await, Ok(json!([])));
    assert_eq!(shelf(&other, "List", "", "").await, Ok(json!([])));
}

#[tokio::test]
async fn additions_on_two_workers_add_up_exactly() {
    let nats = Nats::start();
    let set = |name: &str| Worker::of(&nats).name(name).concurrency(6).cache_dir(shared_cache());
    let _workers = [set("one").start(), set("two").start()];
    let [jobs, _] = two_tenants(&nats).await;
    let (jobs, each) = (&jobs, 10);
    let runs = (0..24).map(|_| gives(jobs, "counter", json!({"name": "n", "times": each})));
    for run in futures::future::join_all(runs).await {
        run.unwrap();
    }
    assert_eq!(gives(jobs, "counter", json!({"name": "n", "times": 0})).await, Ok(json!({"value": 0})));
    assert_eq!(gives(jobs, "counter", json!({"name": "n"})).await, Ok(json!({"value": 24 * each + 1})));
    let appends = (0..12).map(|_| keyvalue(jobs, "Append", "text", "x"));
    for append in futures::future::join_all(appends).await {
        append.unwrap();
    }
    assert_eq!(keyvalue(jobs, "Append", "text", "").await, Ok(json!(["x".repeat(12)])));
}

#[tokio::test]
async fn a_large_blob_passes_through_a_process_of_its_own() {
    let nats = Nats::start();
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).arg("--isolation").arg("process").start();
    let [jobs, _] = two_tenants(&nats).await;
    let bytes: Vec<u8> = (0..12u32 << 20).map(|at| (at % 251) as u8).collect();
    let put = NewJob::new("store".parse().unwrap(), bytes).retries(0).header("Name", "large");
    let result = jobs.run(put).await;
    assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    let size = json!({"container": "shelf", "act": "Size", "name": "large"});
    assert_eq!(gives(&jobs, "shelf", size).await, Ok(json!([(12 << 20).to_string()])));
    let part = json!({"container": "shelf", "act": "Get", "name": "large", "range": [12_000_000, 12_000_002]});
    gives(&jobs, "shelf", part).await.unwrap();
}

#[tokio::test]
async fn a_full_store_refuses_and_nobody_else_notices() {
    let nats = Nats::start();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("worker.toml");
    std::fs::write(&config, "[storage]\nkeyvalue = \"1MiB\"\nblobstore = \"1MiB\"\n").unwrap();
    let worker = Worker::of(&nats).cache_dir(shared_cache()).arg("--config").arg(config.as_os_str());
    let _worker = worker.start();
    let [jobs, other] = two_tenants(&nats).await;
    let large = "x".repeat(200 << 10);
    let mut refused = String::new();
    for number in 0..8 {
        if let Err(error) = keyvalue(&jobs, "Set", &number.to_string(), &large).await {
            refused = error;
            break;
        }
    }
    assert!(refused.contains("the tenant's buckets are full: they hold 1MiB"), "{refused}");
    let mut refused = String::new();
    for number in 0..8 {
        if let Err(error) = shelf(&jobs, "Put", &number.to_string(), &large).await {
            refused = error;
            break;
        }
    }
    assert!(refused.contains("the tenant's containers are full"), "{refused}");
    keyvalue(&other, "Set", "k", &large).await.unwrap();
    let error = keyvalue(&other, "Set", "k", &"x".repeat(256 << 10)).await.unwrap_err();
    assert!(error.contains("is larger than 262144"), "{error}");
}

#[tokio::test]
async fn a_removed_tenant_leaves_nothing_stored() {
    let nats = Nats::start();
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    let [_, jobs] = two_tenants(&nats).await;
    keyvalue(&jobs, "Set", "k", "v").await.unwrap();
    shelf(&jobs, "Put", "k", "v").await.unwrap();
    let key = cli(&nats).ok(["secret", "key", "new"]);
    let set = of(&nats, "globex").env("LOVAGE_SECRETS_KEY", key.trim());
    drop(set.run_with(["secret", "set", "api-key"], b"0123456789").ok());
    cli(&nats).ok(["tenant", "rm", "globex", "--yes"]);
    lovage_tests::eventually("everything to be gone", WITHIN, async || {
        let names: Vec<String> = futures::TryStreamExt::try_collect(jobs.js.stream_names()).await.unwrap();
        let left: Vec<_> = names.into_iter().filter(|name| name.ends_with("globex")).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    assert_eq!(cli(&nats).json(["secret", "ls", "--all"]), json!([]));
}

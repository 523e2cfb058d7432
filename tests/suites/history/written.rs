//! What workers did is in the history: every outcome, dead letters and replays.

use std::time::Duration;

use lovage_client::When;
use lovage_history::{Engine, JobFilter, PageRequest, Scope};
use lovage_job::outcome::OutcomeKind;
use lovage_tests::{Database, WITHIN, Worker, eventually, shared_cache};

use super::{agrees, open, writer};
use crate::small::{Ground, busy, job, numbers, run, tenant, wasm};

fn trap() -> Vec<u8> {
    wasm(
        r#"(component (core module $m (func (export "f") unreachable)) (core instance $i (instantiate $m))
            (func (export "trap") (canon lift (core func $i "f"))))"#,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_every_kind_are_in_the_history_as_the_broker_has_them() {
    let ground = Ground::new();
    ground.cli.ok(["tenant", "add", "acme"]);
    ground.push("acme", &numbers(&[("answer", 42)]), &[]);
    ground.push("acme", &trap(), &["--retries", "1", "--backoff", "fixed:300ms"]);
    ground.push("acme", &busy("spin", 2_000), &["--fuel", "100000"]);
    let client = ground.client("acme").await;
    client.submit(job("answer").expires(When::In(Duration::from_millis(1)))).await.unwrap();
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let database = Database::new(Engine::Sqlite);
    let _writer = writer(&ground.nats, &database);
    run(&client, job("answer").tag("blue")).await;
    let trapped = run(&client, job("trap")).await;
    run(&client, job("spin")).await;
    let plain = ground.nats.connect().await;
    for (task, id) in [("answer", "odd"), ("nobody", "lost")] {
        plain.publish(format!("lovage.acme.job.default.{task}.{id}"), "not JSON".into()).await.unwrap();
        client.wait(&id.parse().unwrap(), Some(WITHIN)).await.unwrap();
    }
    let store = open(&database).await;
    let acme = Scope::Tenant(tenant("acme"));
    let rows = eventually("six jobs and their letters", WITHIN, async || {
        let page = PageRequest { limit: 100, after: None };
        let rows = store.jobs(&acme, &JobFilter::default(), &page).await.unwrap().items;
        if rows.len() == 6 && rows.iter().filter(|row| row.dead).count() >= 4 {
            Ok(rows)
        } else {
            Err(format!("{rows:?}"))
        }
    })
    .await;
    let letters = u64::try_from(rows.iter().filter(|row| row.dead).count()).unwrap();
    tokio::task::block_in_place(|| agrees(&ground.cli, &database, (6, letters)));
    let mut outcomes: Vec<&str> = rows.iter().map(|row| row.outcome.as_str()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["bad-input", "completed", "expired", "out-of-fuel", "trapped", "unknown-task"]);
    let detail = store.job(&tenant("acme"), &trapped.record.id).await.unwrap().unwrap();
    assert_eq!((detail.row.outcome, detail.row.attempts, detail.trail.len()), (OutcomeKind::Trapped, 2, 2));
    assert_eq!(detail.row.meter, trapped.record.meter);
    assert!(detail.row.published <= detail.row.started && detail.row.started <= detail.row.finished);
    let blue = JobFilter { tag: Some("blue".to_owned()), ..JobFilter::default() };
    assert_eq!(store.jobs(&acme, &blue, &PageRequest { limit: 9, after: None }).await.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_job_is_one_row_and_dead_no_more() {
    let ground = Ground::new();
    ground.push("acme", &trap(), &["--name", "task", "--retries", "0"]);
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let database = Database::new(Engine::Sqlite);
    let _writer = writer(&ground.nats, &database);
    let client = ground.client("acme").await;
    let id = run(&client, job("task")).await.record.id;
    let store = open(&database).await;
    let row = async || store.job(&tenant("acme"), &id).await.unwrap().map(|detail| detail.row);
    eventually("a dead job", WITHIN, async || match row().await {
        Some(row) if row.dead && row.outcome == OutcomeKind::Trapped => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    ground.push("acme", &numbers(&[("task", 1)]), &["--name", "task", "--version", "fixed"]);
    ground.cli.clone().tenant("acme").ok(["dead", "replay", id.as_str(), "--version", "fixed"]);
    eventually("a job that completed", WITHIN, async || match row().await {
        Some(row) if !row.dead && row.outcome == OutcomeKind::Completed => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    tokio::task::block_in_place(|| agrees(&ground.cli, &database, (1, 0)));
}

//! What tenants use is counted for each of them, over all workers, and told.

use lovage_job::name::QueueName;
use lovage_tests::{WITHIN, Worker, eventually_blocking, shared_cache};
use serde_json::Value;

use crate::small::{Ground, busy, job, numbers, run};

fn total(ground: &Ground, tenant: &str) -> Value {
    ground.cli.clone().tenant(tenant).json(["usage"])["total"].clone()
}

#[track_caller]
fn counts(ground: &Ground, tenant: &str, jobs: u64) -> Value {
    let mut last = Value::Null;
    eventually_blocking(&format!("{jobs} jobs of {tenant} to be counted"), WITHIN, || {
        last = total(ground, tenant);
        if last["jobs"] == jobs { Ok(()) } else { Err(last.to_string()) }
    });
    last
}

#[tokio::test]
async fn usage_is_counted_for_each_tenant_over_all_workers_and_days() {
    let ground = Ground::new();
    ground.push("acme", &busy("work", 5), &[]);
    ground.push("umbra", &numbers(&[("answer", 1)]), &[]);
    let worker = |name: &str| Worker::of(&ground.nats).name(name).cache_dir(shared_cache());
    let mut workers = [worker("one").start(), worker("two").arg("--queue=default,other").start()];
    let (acme, umbra) = (ground.client("acme").await, ground.client("umbra").await);
    let mut fuel = 0;
    for number in 0..10 {
        let queue: QueueName = if number % 2 == 0 { "default" } else { "other" }.parse().unwrap();
        fuel += run(&acme, job("work").queue(queue)).await.record.meter.fuel_used;
    }
    run(&umbra, job("answer")).await;
    let used = counts(&ground, "acme", 10);
    assert_eq!((used["attempts"].as_u64(), used["fuel"].as_u64()), (Some(10), Some(fuel)));
    assert!(used["wall_ms"].as_u64() >= Some(10) && used["egress_bytes"] == 0, "{used}");
    let other = counts(&ground, "umbra", 1);
    assert!(other["fuel"].as_u64() < Some(fuel), "{other}");
    // a worker that drains leaves nothing uncounted
    run(&acme, job("work")).await;
    for worker in &mut workers {
        worker.sigterm();
        worker.wait(WITHIN);
    }
    assert_eq!(total(&ground, "acme")["jobs"], 11);
    let shown = ground.cli.clone().tenant("acme").json(["usage", "--days", "1"]);
    let days = shown["days"].as_object().unwrap();
    assert!((1..=2).contains(&days.len()), "{shown}");
    assert!(
        shown["stored"]["results"].as_u64() > Some(0) && shown["stored"]["components"].as_u64() > Some(0),
        "{shown}"
    );
    let all = ground.cli.run(["usage", "--all", "--json"]).ok().stdout;
    let tenants: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| tenants.iter().find(|one| one["tenant"] == name).unwrap();
    assert_eq!((&of("acme")["total"]["jobs"], &of("umbra")["total"]["jobs"]), (&11.into(), &1.into()));
    assert_eq!(of("default")["total"]["jobs"], 0);
}

#[tokio::test]
async fn failed_attempts_are_counted_and_jobs_only_when_they_end() {
    let ground = Ground::new();
    let trap = crate::small::wasm(
        r#"(component (core module $m (func (export "f") unreachable)) (core instance $i (instantiate $m))
            (func (export "trap") (canon lift (core func $i "f"))))"#,
    );
    ground.push("acme", &trap, &["--retries", "2", "--backoff", "fixed:300ms"]);
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    run(&ground.client("acme").await, job("trap")).await;
    let used = counts(&ground, "acme", 1);
    assert_eq!(used["attempts"], 3, "{used}");
}

#[test]
fn usage_is_told_to_people_and_odd_spans_are_refused() {
    let ground = Ground::new();
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let shown = ground.cli.run(["usage"]).ok();
    assert!(shown.stderr.contains("nothing was used"), "{}", shown.stderr);
    assert!(shown.stdout.starts_with("stored: "), "{}", shown.stdout);
    for bad in ["0", "401", "week"] {
        let refused = ground.cli.run(["usage", "--days", bad]).fails_with(2);
        assert!(refused.stderr.contains(bad), "{}", refused.stderr);
    }
}

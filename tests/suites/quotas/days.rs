//! What a tenant may use in a day: its jobs wait for what is used up, whoever submits hears of it, and what other days
//! used does not count.

use async_nats::HeaderMap;
use lovage_job::tenant::Quota;
use lovage_job::unit::{ByteSize, UnixMs};
use lovage_job::usage::{Day, Metric, subject};
use lovage_job::{name::TenantName, outcome::OutcomeKind};
use lovage_tests::{Jobs, Nats, WITHIN, Worker, cli, eventually, shared_cache};
use serde_json::json;
use std::time::SystemTime;

use crate::capabilities_http::{Server, fetch, ground, ok};
use crate::fairness::record;
use crate::small::{Ground, job, number, numbers, run, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_when_the_traffic_of_the_day_is_used_up_and_whoever_submits_hears_of_it() {
    let server = Server::start(ok(&"x".repeat(4_000)), b"").await;
    let url = format!("http://127.0.0.1:{}", server.port);
    let (nats, worker, jobs) = ground("[egress]\nallow_private = true\n", std::slice::from_ref(&url)).await;
    let cli = cli(&nats);
    let file = nats.folder().join("answer.wasm");
    std::fs::write(&file, numbers(&[("answer", 2)])).unwrap();
    cli.clone().tenant("other").ok(["push", file.to_str().unwrap()]);
    let other = Jobs::of_tenant(&nats, &tenant("other")).await;
    cli.ok(["tenant", "set", "default", "--egress-per-day", "10KiB", "--queued", "1"]);
    // below the quota, and then over it by one that was under way
    for fetched in [4_000, 8_000, 12_000] {
        let done = jobs.run(fetch(&url, json!({}))).await;
        assert_eq!(done.record.outcome, OutcomeKind::Completed, "{fetched}: {done:?}");
        assert!(done.record.meter.egress_bytes > 4_000);
    }
    let spent = async || match worker.stderr() {
        said if said.contains("used up: its jobs wait") && said.contains("traffic of the day") => Ok(()),
        said => Err(said),
    };
    eventually("the traffic to be used up", WITHIN, spent).await;
    let waits = jobs.client.submit(fetch(&url, json!({}))).await.unwrap().id;
    let told = cli.run(["submit", "fetch", &json!({"url": url}).to_string()]).fails_with(7);
    assert!(told.stderr.contains("tenant default"), "{}", told.stderr);
    for _ in 0..5 {
        assert_eq!(number(&run(&other.client, job("answer")).await), 2);
    }
    assert!(jobs.client.result(&waits).await.unwrap().is_none());
    assert_eq!(server.got().len(), 3);
    let counted = async || match cli.json(["usage"])["total"]["egress_bytes"].as_u64() {
        Some(12_000..) => Ok(()),
        used => Err(format!("{used:?}")),
    };
    eventually("the traffic to be counted", WITHIN, counted).await;
    cli.ok(["tenant", "set", "default", "--egress-per-day", "1MiB"]);
    assert_eq!(jobs.result(&waits).await.record.outcome, OutcomeKind::Completed);
}

#[tokio::test]
async fn what_other_days_used_does_not_count_to_the_quota_of_this_one() {
    let ground = Ground::new();
    let quota = Quota { fuel_per_day: Some(1_000_000), egress_per_day: Some(ByteSize::mib(1)), ..Quota::default() };
    let today = today();
    for (name, days) in [("acme", [today.back(1), Day::of(today.end())]), ("umbra", [today, today])] {
        ground.push(name, &numbers(&[("answer", 1)]), &[]);
        record(&ground, name, |record| record.quota = quota.clone()).await;
        for (day, metric) in days.into_iter().zip([Metric::Fuel, Metric::EgressBytes]) {
            count(&ground.nats, &tenant(name), day, metric, u64::from(u32::MAX)).await;
        }
    }
    let worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    // once the totals of one tenant are read, so are those of the other
    let waits = async |name: &str| {
        let line = format!("used up: its jobs wait tenant={name} ");
        let waits = async || match worker.stderr() {
            said if said.contains(&line) => Ok(()),
            said if self::today() != today => Err(format!("a day ended, so that this shows nothing: {said}")),
            said => Err(said),
        };
        eventually("the day to be used up", WITHIN, waits).await;
    };
    waits("umbra").await;
    let acme = ground.client("acme").await;
    for _ in 0..3 {
        assert_eq!(number(&run(&acme, job("answer")).await), 1);
    }
    count(&ground.nats, &tenant("acme"), today, Metric::EgressBytes, 1 << 20).await;
    waits("acme").await;
    let waits = acme.submit(job("answer")).await.unwrap().id;
    assert!(acme.result(&waits).await.unwrap().is_none());
}

fn today() -> Day {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Day::of(UnixMs(u64::try_from(since.as_millis()).unwrap()))
}

/// Adds to a counter as a worker would.
async fn count(nats: &Nats, tenant: &TenantName, day: Day, metric: Metric, amount: u64) {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Incr", format!("+{amount}"));
    let js = nats.jetstream().await;
    js.publish_with_headers(subject(tenant, day, metric), headers, "".into()).await.unwrap().await.unwrap();
}

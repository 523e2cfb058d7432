//! What a worker and a cluster tell of themselves, as a scraper reads it.

mod operations;
mod scrape;
mod served;

use std::{net::SocketAddr, time::Duration};

use lovage::telemetry::{Metrics, cluster::Cluster, names};
use lovage_tests::{WITHIN, Worker, eventually};
use scrape::{Scrape, get, health_of, promtool};

use crate::small::{Ground, busy, job, numbers, run};

/// A worker with a health port, and where that is.
fn worker(ground: &Ground, args: &[&str]) -> (Worker, SocketAddr) {
    let mut setup = Worker::of(&ground.nats).arg("--health").arg("127.0.0.1:0");
    for arg in args {
        setup = setup.arg(*arg);
    }
    let worker = setup.start();
    let address = health_of(&worker);
    (worker, address)
}

#[tokio::test]
async fn a_worker_counts_what_it_does() {
    let ground = Ground::new();
    ground.push("default", &numbers(&[("one", 1)]), &[]);
    let (_worker, address) = worker(&ground, &["--queue", "default,mail"]);
    let client = ground.client("default").await;
    for _ in 0..3 {
        run(&client, job("one")).await;
    }
    run(&client, job("one").queue("mail".parse().unwrap())).await;
    run(&client, job("nobody").unchecked()).await;
    // a job is counted before its result is written, so whoever has the result finds it counted
    let scrape = Scrape::of(address).await;
    let ended = |queue, outcome| scrape.value("lovage_jobs_total", &[("queue", queue), ("outcome", outcome)]);
    assert_eq!(ended("default", "completed"), 3.0);
    assert_eq!(ended("mail", "completed"), 1.0);
    assert_eq!(ended("default", "unknown-task"), 1.0);
    assert_eq!(scrape.value("lovage_dead_letters_total", &[("queue", "default")]), 1.0);
    assert_eq!(scrape.value("lovage_attempt_duration_seconds_count", &[("queue", "default")]), 3.0);
    assert_eq!(scrape.value("lovage_job_wait_seconds_count", &[("queue", "mail"), ("lane", "normal")]), 1.0);
    assert_eq!(scrape.value("lovage_attempts_max", &[]), 4.0);
    assert_eq!(scrape.value("lovage_broker_connected", &[]), 1.0);
    assert!(scrape.value("lovage_fuel_used_total", &[]) > 0.0);
    assert!(scrape.value("process_resident_memory_bytes", &[]) > 1e6);
    // nothing in it names a job or a tenant
    assert!(!scrape.text.contains("tenant="), "{}", scrape.text);
    assert!(scrape.is_of_contract(|from| matches!(from, names::From::Every | names::From::Worker)));
    promtool("metrics", &scrape.text);
}

#[tokio::test]
async fn tenants_are_told_where_that_is_asked_for_and_bounded() {
    let ground = Ground::new();
    let config = ground.file("worker.toml", b"[metrics]\nper_tenant = true\ntenants_max = 1\n");
    let (_worker, address) = worker(&ground, &["--config", config.to_str().unwrap()]);
    for tenant in ["acme", "zeta"] {
        ground.cli.ok(["tenant", "add", tenant]);
        ground.push(tenant, &numbers(&[("one", 1)]), &[]);
        run(&ground.client(tenant).await, job("one")).await;
    }
    let scrape = Scrape::of(address).await;
    let jobs = |tenant| scrape.value("lovage_tenant_jobs_total", &[("tenant", tenant), ("outcome", "completed")]);
    assert_eq!([jobs("acme"), jobs("(other)")], [1.0, 1.0]);
    assert!(!scrape.text.contains("zeta"), "{}", scrape.text);
}

#[tokio::test]
async fn health_answers_while_guests_burn_every_core_and_readiness_follows_the_worker() {
    let ground = Ground::new();
    ground.push("default", &busy("burn", 4_000), &["--fuel", "1000000000000"]);
    let (mut worker, address) = worker(&ground, &[]);
    let client = ground.client("default").await;
    for _ in 0..8 {
        client.submit(job("burn")).await.unwrap();
    }
    eventually("attempts to run", WITHIN, async || {
        let running = Scrape::of(address).await.value("lovage_attempts_running", &[]);
        if running >= 4.0 { Ok(()) } else { Err(format!("{running} run")) }
    })
    .await;
    assert_eq!(get(address, "/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(get(address, "/readyz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(address, "/secrets").await.0, 404);
    client.quiet_worker(&"worker".parse().unwrap()).await.unwrap();
    let (status, said) = get(address, "/readyz").await;
    assert_eq!((status, said.as_str()), (503, "the worker is quiet\n"));
    assert_eq!(get(address, "/livez").await.0, 200);
    assert_eq!(Scrape::of(address).await.value("lovage_worker_mode", &[("mode", "quiet")]), 1.0);
    worker.sigterm();
    worker.sigterm();
    worker.wait(Duration::from_secs(60));
}

#[tokio::test]
async fn a_worker_without_a_broker_is_not_ready_but_alive() {
    let mut ground = Ground::new();
    let (_worker, address) = worker(&ground, &[]);
    ground.nats.kill9();
    eventually("the worker to miss its broker", WITHIN, async || match get(address, "/readyz").await {
        (503, said) if said.contains("no connection") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(get(address, "/livez").await.0, 200);
    assert_eq!(Scrape::of(address).await.value("lovage_broker_connected", &[]), 0.0);
}

#[tokio::test]
async fn a_health_port_that_cannot_be_had_is_told() {
    let ground = Ground::new();
    let (_worker, address) = worker(&ground, &[]);
    let taken = address.to_string();
    let output = ground.cli.run(["worker", "--name", "second", "--health", &taken]);
    assert_ne!(output.code, Some(0));
    assert!(output.stderr.contains(&format!("the health port cannot listen on {taken}")), "{}", output.stderr);
}

#[tokio::test]
async fn the_cluster_is_told_from_the_broker() {
    let ground = Ground::new();
    ground.push("default", &numbers(&[("one", 1)]), &[]);
    let (worker, _) = worker(&ground, &["--queue", "default"]);
    let client = ground.client("default").await;
    run(&client, job("nobody").unchecked()).await;
    drop(worker);
    for _ in 0..3 {
        client.submit(job("one")).await.unwrap();
    }
    client.submit(job("one").delay(Duration::from_secs(3_600))).await.unwrap();
    let cluster = || Metrics::default().with_cluster(Cluster::new(client.nats().clone(), Some(5)).into());
    let scrape = eventually("all jobs to wait", WITHIN, async || {
        let scrape = Scrape { text: cluster().text(lovage::telemetry::Format::Prometheus).await.unwrap() };
        let waiting = scrape.find("lovage_queue_jobs_waiting", &[("queue", "default"), ("lane", "normal")]);
        let dead = scrape.find("lovage_dead_letters_stored", &[]);
        if (waiting, dead) == (Some(3.0), Some(1.0)) { Ok(scrape) } else { Err(scrape.text) }
    })
    .await;
    assert_eq!(scrape.value("lovage_cluster_up", &[]), 1.0);
    assert_eq!(scrape.value("lovage_jobs_scheduled", &[]), 1.0);
    assert_eq!(scrape.value("lovage_workers", &[("mode", "running")]), 0.0);
    assert_eq!(scrape.value("lovage_queue_workers", &[("queue", "default")]), 0.0);
    assert!(scrape.value("lovage_queue_oldest_age_seconds", &[("queue", "default"), ("lane", "normal")]) > 0.0);
    assert_eq!(scrape.value("lovage_tenant_jobs_waiting", &[("tenant", "default")]), 3.0);
    assert!(scrape.value("lovage_stored_bytes", &[("asset", "jobs")]) > 0.0);
    promtool("metrics", &scrape.text);
}

#[tokio::test]
async fn a_cluster_without_a_broker_says_so() {
    let mut ground = Ground::new();
    let client = ground.client("default").await;
    ground.nats.kill9();
    let metrics = Metrics::default().with_cluster(Cluster::new(client.nats().clone(), None).into());
    let samples = metrics.samples().await;
    assert_eq!(samples.get(&names::CLUSTER_UP, &[]), Some(0.0));
    assert_eq!(samples.get(&names::WORKERS, &["running"]), None, "what is not known is not told");
}

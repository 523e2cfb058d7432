//! Jobs that run apart: `--isolation process`. What comes of them is what comes of them in the worker's own process, and
//! the process they run in has nothing that is worth having.

use lovage_client::{Client, NewJob};
use lovage_job::{
    name::{JobId, TenantName},
    outcome::OutcomeKind,
};
use lovage_tests::{Jobs, Nats, WITHIN, Worker, WorkerSetup, cli, eventually, push, shared_cache};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn every_shape_runs_apart() {
    let (nats, _worker, jobs) = ground(&["calculator", "wc", "word-stats", "http-echo"]).await;
    for (task, input, output) in [
        ("wc", "a b\nc\n", None),
        ("word-stats", "{\"text\":\"a b a\"}", None),
        ("add", "{\"a\":20,\"b\":22}", Some("42")),
    ] {
        let result = jobs.run(NewJob::new(task.parse().unwrap(), input.as_bytes().to_vec())).await;
        assert_eq!(result.record.outcome, OutcomeKind::Completed, "{task}: {:?}", result.error);
        if let Some(output) = output {
            assert_eq!(String::from_utf8_lossy(&result.body), output);
        }
    }
    drop(nats);
}

async fn ground(guests: &[&str]) -> (Nats, Worker, Jobs) {
    let nats = Nats::start();
    guests.iter().for_each(|guest| push(&cli(&nats), guest, &[]));
    let worker = apart(&nats, "apart").start();
    let jobs = Jobs::of(&nats).await;
    (nats, worker, jobs)
}

fn apart(nats: &Nats, name: &str) -> WorkerSetup {
    Worker::of(nats).name(name).cache_dir(shared_cache()).arg("--isolation").arg("process")
}

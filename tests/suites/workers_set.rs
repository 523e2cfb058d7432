//! Changing a worker while it runs: how many attempts it runs at once, and which queues it serves.

use lovage_client::{Client, JobState};
use lovage_job::worker::WorkerInfo;
use lovage_tests::{WITHIN, Worker, eventually};

use crate::small::{Ground, busy, job, numbers, run};

fn worker(ground: &Ground) -> Worker {
    Worker::of(&ground.nats).name("steady").concurrency(4).start()
}

async fn info(client: &Client) -> WorkerInfo {
    let workers = client.workers().await.unwrap();
    workers.into_iter().find(|worker| worker.name.as_str() == "steady").expect("the worker answers")
}

#[tokio::test]
async fn fewer_attempts_at_once_hold_from_the_next_ones_on() {
    let ground = Ground::new();
    let _worker = worker(&ground);
    ground.push("default", &busy("slow", 700), &[]);
    let client = ground.client("default").await;
    run(&client, job("slow")).await;

    let told = ground.cli.ok(["workers", "set", "steady", "--concurrency", "1"]);
    assert!(told.contains("of 1 running"), "{told}");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(client.submit(job("slow")).await.unwrap().id);
    }
    let mut named = Vec::new();
    for id in &ids {
        eventually("the jobs to end one after the other", WITHIN, async || {
            let info = info(&client).await;
            assert!(info.running <= 1 && info.concurrency == 1, "{info:?}");
            named.extend(info.jobs);
            match client.find(id).await.unwrap() {
                JobState::Done(_) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
    assert!(named.iter().all(|running| running.task.as_str() == "slow"), "{named:?}");
    let known = info(&client).await;
    assert!(known.memory_bytes.is_some() && known.cpu_millicores.is_some(), "{known:?}");

    for (wanted, code) in [("4", 0), ("5", 2), ("0", 2)] {
        let told = ground.cli.run(["workers", "set", "steady", "--concurrency", wanted]).fails_with(code);
        assert!(code == 0 || told.stderr.contains("from 1 to 4"), "{told:?}");
    }
    assert_eq!(info(&client).await.concurrency, 4);
}

#[tokio::test]
async fn other_queues_are_served_at_once() {
    let ground = Ground::new();
    let _worker = worker(&ground);
    ground.push("default", &numbers(&[("one", 1)]), &[]);
    let client = ground.client("default").await;
    run(&client, job("one")).await;

    ground.cli.ok(["workers", "set", "steady", "--queue", "mail=3,night"]);
    let known = info(&client).await;
    let queues: Vec<_> = known.queues.iter().map(|queue| queue.as_str()).zip(known.shares).collect();
    assert_eq!(queues, [("mail", 3), ("night", 1)]);
    run(&client, job("one").queue("mail".parse().unwrap())).await;
    let left = client.submit(job("one")).await.unwrap().id;
    run(&client, job("one").queue("night".parse().unwrap())).await;
    assert!(matches!(client.find(&left).await.unwrap(), JobState::Queued { .. }), "nobody serves default");

    ground.cli.ok(["workers", "set", "steady", "--queue", "default,mail"]);
    client.wait(&left, Some(WITHIN)).await.unwrap();
    for bad in ["mail,mail", "Mail", "mail=0", ""] {
        let _told = ground.cli.run(["workers", "set", "steady", "--queue", bad]).fails_with(2);
    }
    let _told = ground.cli.run(["workers", "set", "nobody", "--concurrency", "1"]).fails_with(4);
}

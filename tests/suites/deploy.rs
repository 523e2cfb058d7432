//! Deploying while jobs flow: versions, aliases, shares, roll-back and removal.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream};
use lovage_client::NewJob;
use lovage_job::{
    name::{Digest, JobId},
    outcome::OutcomeKind,
    result::JobResult,
};
use lovage_tests::{Jobs, WITHIN, Worker, eventually, shared_cache};
use tokio::sync::Notify;

use crate::small::{Ground, number, numbers};

const JOBS: usize = 10_000;
/// Jobs that are submitted only once the new version is pushed.
const LATE: usize = 2_000;
const FLOW_WITHIN: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_jobs_flow_while_a_task_and_a_version_are_pushed() {
    let ground = Ground::new();
    ground.push("default", &numbers(&[("answer", 1)]), &[]);
    let mut worker = worker(&ground);
    let jobs = Jobs::of(&ground.nats).await;
    let pushed = Notify::new();
    let late = stream::once(pushed.notified()).flat_map(|()| stream::iter(0..LATE));
    let flow = stream::iter(0..JOBS - LATE).chain(late).map(|_| answer());
    let flow = std::pin::pin!(flow);
    let (ids, other) = tokio::join!(submit_all(&jobs, flow), async {
        under_way(&jobs, 500).await;
        tokio::task::block_in_place(|| {
            ground.push("default", &numbers(&[("other", 7)]), &[]);
            ground.push("default", &numbers(&[("answer", 2)]), &[]);
        });
        pushed.notify_one();
        // The new task runs at once, in the middle of the flow and without a restart.
        jobs.run(NewJob::new("other".parse().unwrap(), "")).await
    });
    assert_eq!((other.record.outcome, number(&other)), (OutcomeKind::Completed, 7));
    assert_eq!(ids.len(), JOBS);
    jobs.all_done(FLOW_WITHIN).await;
    let results = read_all(&jobs, &ids).await;
    let versions = digests(&jobs).await;
    let mut ran = [0; 2];
    for result in &results {
        assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1), "{result:?}");
        let version = number(result);
        assert_eq!(result.record.digest.as_ref(), Some(&versions[&version]), "the digest is that of what ran");
        ran[version as usize - 1] += 1;
    }
    assert!(ran[0] > 0, "version 1 ran before the push: {ran:?}");
    let (count, writes) = jobs.results_and_writes().await;
    assert_eq!((count, writes), (JOBS as u64 + 1, JOBS as u64 + 1), "each job ended once");
    // Once the alias has moved, it has moved for good.
    settled(&jobs, 2).await;
    let after = submit_all(&jobs, std::pin::pin!(stream::iter(0..100).map(|_| answer()))).await;
    for result in ended(&jobs, &after).await {
        assert_eq!(number(&result), 2);
    }
    assert_eq!(worker.ended(), None);
    assert_eq!(jobs.messages("DEAD_default").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_roll_back_pins_and_removal() {
    let ground = Ground::new();
    let cli = &ground.cli;
    ground.push("default", &numbers(&[("answer", 1)]), &[]);
    ground.push("default", &numbers(&[("answer", 2)]), &["--no-promote"]);
    let _worker = worker(&ground);
    let jobs = Jobs::of(&ground.nats).await;
    let versions = digests(&jobs).await;
    assert_eq!(number(&jobs.run(answer()).await), 1, "a version that is not promoted does not run by itself");

    // A pin by version, by digest and by an alias of one's own.
    tokio::task::block_in_place(|| cli.ok(["task", "promote", "answer", "canary=2"]));
    for pin in ["2", versions[&2].as_str(), "canary"] {
        let plain = jobs.publish("job.default.answer", &[("Lovage-Version", pin)], "").await;
        let result = jobs.result(&plain.id).await;
        assert_eq!((number(&result), result.record.digest.as_ref()), (2, Some(&versions[&2])), "{pin}");
    }

    // Shares of an alias.
    let told = tokio::task::block_in_place(|| cli.json(["task", "promote", "answer", "stable=70%@1,30%@2"]));
    assert_eq!(told["targets"][1]["weight"], 30, "{told}");
    let shares = async || {
        let ids = submit_all(&jobs, std::pin::pin!(stream::iter(0..300).map(|_| answer()))).await;
        let second = ended(&jobs, &ids).await.iter().filter(|result| number(result) == 2).count();
        // Far outside of what chance gives: five standard deviations on either side.
        if (50..=130).contains(&second) { Ok(()) } else { Err(format!("{second} of 300 ran version 2")) }
    };
    eventually("a share of 30%", WITHIN, shares).await;

    // Back to what was before, and on to version 2 alone.
    tokio::task::block_in_place(|| cli.ok(["task", "rollback", "answer"]));
    settled(&jobs, 1).await;
    let ids = submit_all(&jobs, std::pin::pin!(stream::iter(0..50).map(|_| answer()))).await;
    assert!(ended(&jobs, &ids).await.iter().all(|result| number(result) == 1));
    tokio::task::block_in_place(|| cli.ok(["task", "promote", "answer", "2"]));
    settled(&jobs, 2).await;

    // What an alias names stays; what none names goes.
    tokio::task::block_in_place(|| {
        let told = cli.run(["task", "rm", "answer", "2"]).fails_with(2);
        assert!(told.stderr.contains("is named by alias"), "{}", told.stderr);
        let told = cli.run(["task", "promote", "answer", "9"]).fails_with(4);
        assert!(told.stderr.contains("no version 9"), "{}", told.stderr);
        let told = cli.run(["task", "promote", "answer", "stable=70%@1,40%@2"]).fails_with(2);
        assert!(told.stderr.contains("110%"), "{}", told.stderr);
        assert_eq!(cli.ok(["task", "rm", "answer", "1"]).trim(), "answer: removed 1");
        let shown = cli.json(["task", "show", "answer"]);
        assert_eq!(shown["task"]["versions"].as_array().map(Vec::len), Some(1), "{shown}");
    });
    let gone = async || {
        let plain = jobs.publish("job.default.answer", &[("Lovage-Version", "1")], "").await;
        match jobs.result(&plain.id).await.record.outcome {
            OutcomeKind::UnknownTask => Ok(()),
            other => Err(other),
        }
    };
    eventually("version 1 to be gone", WITHIN, gone).await;
    assert_eq!(number(&jobs.run(answer()).await), 2);
    tokio::task::block_in_place(|| cli.ok(["task", "rm", "answer", "--all"]));
    let gone = async || {
        let plain = jobs.publish("job.default.answer", &[], "").await;
        match jobs.result(&plain.id).await.record.outcome {
            OutcomeKind::UnknownTask => Ok(()),
            other => Err(other),
        }
    };
    eventually("the task to be gone", WITHIN, gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_never_change_and_the_same_component_is_pushed_once() {
    let ground = Ground::new();
    let cli = &ground.cli;
    let (one, two) =
        (ground.file("one.wasm", &numbers(&[("answer", 1)])), ground.file("two.wasm", &numbers(&[("answer", 2)])));
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    let pushed = cli.json(["push", one, "--version", "1.0"]);
    assert_eq!((&pushed[0]["version"], &pushed[0]["existing"]), (&"1.0".into(), &false.into()), "{pushed}");
    let again = cli.json(["push", one]);
    assert_eq!((&again[0]["version"], &again[0]["existing"]), (&"1.0".into(), &true.into()), "{again}");
    let told = cli.run(["push", two, "--version", "1.0"]).fails_with(2);
    assert!(told.stderr.contains("versions never change"), "{}", told.stderr);
    let listed = cli.json(["task", "list"]);
    assert_eq!(listed[0]["versions"].as_array().map(Vec::len), Some(1), "{listed}");
}

fn worker(ground: &Ground) -> Worker {
    Worker::of(&ground.nats).concurrency(16).cache_dir(shared_cache()).start()
}

fn answer() -> NewJob {
    NewJob::new("answer".parse().unwrap(), "")
}

async fn submit_all(jobs: &Jobs, flow: impl stream::Stream<Item = NewJob>) -> Vec<JobId> {
    let submitted = jobs.client.submit_many(flow, 256);
    submitted.map(|(_, submitted)| submitted.unwrap_or_else(|error| panic!("{error}")).id).collect().await
}

/// Waits until so many jobs have ended.
async fn under_way(jobs: &Jobs, count: u64) {
    let ended = async || match jobs.results_and_writes().await.0 {
        results if results >= count => Ok(()),
        results => Err(format!("{results} results")),
    };
    eventually("jobs to flow", FLOW_WITHIN, ended).await;
}

/// Waits until new jobs run a version.
async fn settled(jobs: &Jobs, version: u32) {
    let runs = async || match number(&jobs.run(answer()).await) {
        found if found == version => Ok(()),
        other => Err(format!("version {other} runs")),
    };
    eventually("the alias to move", WITHIN, runs).await;
}

/// Reads results that are there.
async fn read_all(jobs: &Jobs, ids: &[JobId]) -> Vec<JobResult> {
    let read = |id: JobId| async move {
        jobs.client.result(&id).await.unwrap().unwrap_or_else(|| panic!("{id} has no result"))
    };
    stream::iter(ids.to_vec()).map(read).buffer_unordered(64).collect().await
}

/// Waits for the ends of a few jobs.
async fn ended(jobs: &Jobs, ids: &[JobId]) -> Vec<JobResult> {
    stream::iter(ids.to_vec()).map(|id| async move { jobs.result(&id).await }).buffer_unordered(32).collect().await
}

/// The components of the versions, by what they answer: version N gives N.
async fn digests(jobs: &Jobs) -> HashMap<u32, Digest> {
    let task = jobs.client.task(&"answer".parse().unwrap()).await.unwrap().unwrap();
    task.versions.iter().map(|entry| (entry.version.as_str().parse().unwrap(), entry.digest.clone())).collect()
}

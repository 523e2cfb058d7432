//! A tenant with as many waiting jobs as it may have: publishers are told, and what was taken stays and runs.

use std::time::Duration;

use futures::future::join_all;
use lovage_client::{Client, JobState, SubmitError};
use lovage_job::name::{JobId, QueueName};
use lovage_tests::{Jobs, WITHIN, Worker, eventually, shared_cache};

use crate::small::{Ground, job, number, numbers, run};

const JOBS_MAX: u64 = 5;

/// A tenant that may have five jobs waiting, in a queue that nobody serves yet.
struct Full {
    ground: Ground,
    jobs: Jobs,
    waiting: Vec<JobId>,
    _worker: Worker,
}

impl Full {
    async fn new() -> Self {
        let ground = Ground::new();
        let config = ground.file("worker.toml", format!("jobs_max = {JOBS_MAX}").as_bytes());
        let worker = Worker::of(&ground.nats).cache_dir(shared_cache()).arg("--config").arg(config).start();
        ground.push("default", &numbers(&[("answer", 42)]), &[]);
        let jobs = Jobs::of(&ground.nats).await;
        let mut waiting = Vec::new();
        for _ in 0..JOBS_MAX {
            waiting.push(jobs.publish("job.later.answer", &[], "").await.id);
        }
        Self { ground, jobs, waiting, _worker: worker }
    }

    /// Starts a worker for the queue that waits.
    fn serve(&self) -> Worker {
        Worker::of(&self.ground.nats).name("later").cache_dir(shared_cache()).arg("--queue").arg("later").start()
    }

    async fn all_run(&self) {
        let results = join_all(self.waiting.iter().map(|id| self.jobs.result(id))).await;
        assert!(results.iter().all(|result| number(result) == 42), "{results:?}");
    }
}

fn later() -> QueueName {
    "later".parse().unwrap()
}

#[tokio::test]
async fn full_tenant_is_told_at_publish_and_nothing_is_dropped() {
    let full = Full::new().await;
    let Full { ground, jobs, .. } = &full;
    let plain = jobs.js.publish("lovage.default.job.later.answer", "".into()).await.unwrap().await;
    let told = plain.unwrap_err().to_string();
    assert!(told.contains("maximum messages exceeded"), "{told}");
    for job in [job("answer"), job("answer").queue(later())] {
        let told = jobs.client.submit(job).await.unwrap_err();
        assert!(matches!(&told, SubmitError::QueueFull { .. }), "{told:?}");
        assert!(told.to_string().contains("tenant default are full") && told.to_string().contains("wait for workers"));
    }
    let cli = ground.cli.run(["submit", "answer", "--queue", "later"]).fails_with(7);
    assert!(cli.stderr.contains("the queues of tenant default are full") && cli.stdout.is_empty(), "{}", cli.stderr);
    let lines = ground.cli.run_with(["submit", "answer", "--jsonl"], b"null\nnull\n");
    assert_eq!(lines.code, Some(7), "{}", lines.stderr);
    let state = jobs.stream("JOBS_default").await.cached_info().state.clone();
    assert_eq!((state.messages, state.first_sequence, state.last_sequence), (JOBS_MAX, 1, JOBS_MAX));
    // Other tenants have room of their own.
    ground.push("roomy", &numbers(&[("answer", 7)]), &[]);
    assert_eq!(number(&run(&ground.client("roomy").await, job("answer")).await), 7);

    let _worker = full.serve();
    full.all_run().await;
    jobs.all_done(WITHIN).await;
    assert_eq!(number(&run(&jobs.client, job("answer").queue(later())).await), 42);
    assert_eq!(jobs.results_and_writes().await, (JOBS_MAX + 1, JOBS_MAX + 1));
}

#[tokio::test]
async fn delayed_job_that_comes_due_while_the_tenant_is_full_runs_later() {
    let full = Full::new().await;
    let delayed = job("answer").delay(Duration::from_millis(300)).id("delayed".parse().unwrap());
    let id = full.jobs.client.submit(delayed).await.unwrap().id;
    past_due(&full.jobs.client, &id).await;
    assert_eq!(full.jobs.messages("JOBS_default").await, JOBS_MAX);
    let _worker = full.serve();
    full.all_run().await;
    assert_eq!(number(&full.jobs.result(&id).await), 42);
}

/// Waits until the broker has let a delayed job go.
async fn past_due(client: &Client, id: &JobId) {
    let jetstream = async_nats::jetstream::new(client.nats().clone());
    let due = async || {
        let stream = jetstream.get_stream("SCHED_default").await.map_err(|error| error.to_string())?;
        let state = client.find(id).await.map_err(|error| error.to_string())?;
        match (stream.cached_info().state.last_sequence, state) {
            // The schedule was the first message of its stream, the job that came of it is the second.
            (2.., JobState::Delayed { .. } | JobState::Queued { .. }) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    };
    eventually("the delayed job to be due, and known", WITHIN, due).await;
}

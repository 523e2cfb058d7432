//! Pauses of queues, tasks and tenants, and workers that rest: what waits, what goes on, and what starts again.

use std::time::Duration;

use futures::StreamExt;
use lovage_client::{JobState, NewJob};
use lovage_job::{limit::PauseScope, name::JobId, outcome::OutcomeKind, worker::WorkerMode};
use lovage_tests::{Jobs, Nats, WITHIN, Worker, WorkerSetup, cli, eventually, push, shared_cache};
use rustix::process::{Pid, Signal};
use serde_json::json;

#[tokio::test]
async fn a_worker_that_starts_while_a_queue_is_paused_never_asks_for_its_jobs() {
    let nats = ground();
    worker(&nats, "before").arg("--queue").arg("default,mail").start().sigterm();
    let (cli, jobs) = (cli(&nats), Jobs::of(&nats).await);
    cli.ok(["pause", "queue", "mail", "--reason", "the relay is down"]);
    let _worker = worker(&nats, "after").arg("--queue").arg("default,mail").start();
    jobs.client.submit(sleepy(1).id(id("waits")).queue("mail".parse().unwrap())).await.unwrap();
    // A job of the other queue shows that the worker is at work.
    assert_eq!(jobs.run(sleepy(1)).await.record.outcome, OutcomeKind::Completed);
    assert!(matches!(jobs.client.find(&id("waits")).await.unwrap(), JobState::Queued { .. }));
    let stream = jobs.stream("JOBS_default").await;
    let consumer: async_nats::jetstream::consumer::PullConsumer = stream.get_consumer("job_mail").await.unwrap();
    assert_eq!(consumer.cached_info().delivered.consumer_sequence, 0, "it was never handed out");
    let paused = cli.json(["pause", "list"]);
    assert_eq!((&paused[0]["scope"], &paused[0]["name"]), (&json!("queue"), &json!("mail")));
    assert_eq!(paused[0]["reason"], "the relay is down");
    cli.ok(["resume", "queue", "mail"]);
    assert_eq!(jobs.result(&id("waits")).await.record.attempt, 1);
    let again = cli.run(["resume", "queue", "mail"]).ok();
    assert!(again.stderr.contains("queue mail was not paused"), "{}", again.stderr);
}

#[tokio::test]
async fn a_pause_lets_running_attempts_end_and_holds_new_ones_back() {
    let nats = ground();
    let _worker = worker(&nats, "one").start();
    let jobs = Jobs::of(&nats).await;
    let probe = jobs.run(sleepy(1)).await;
    assert_eq!(probe.record.outcome, OutcomeKind::Completed);
    start(&jobs, sleepy(3_000), "running").await;
    for scope in [PauseScope::Queue("default".parse().unwrap()), PauseScope::Tenant] {
        jobs.client.pause(&scope, "a test").await.unwrap();
    }
    let running = jobs.result(&id("running")).await;
    assert_eq!((running.record.outcome, running.record.attempt), (OutcomeKind::Completed, 1));
    idle(&jobs, "job_default").await;
    jobs.client.submit(sleepy(1).id(id("late"))).await.unwrap();
    // One pause taken back is not enough while the other holds.
    assert!(jobs.client.resume(&PauseScope::Tenant).await.unwrap());
    assert_eq!(jobs.client.pauses().await.unwrap().len(), 1);
    idle(&jobs, "job_default").await;
    assert!(matches!(jobs.client.find(&id("late")).await.unwrap(), JobState::Queued { .. }));
    assert!(jobs.client.resume(&PauseScope::Queue("default".parse().unwrap())).await.unwrap());
    let late = jobs.result(&id("late")).await;
    assert_eq!((late.record.outcome, late.record.attempt), (OutcomeKind::Completed, 1));
}

#[tokio::test]
async fn jobs_of_a_paused_task_wait_beside_their_queue_and_wake_on_resume() {
    let nats = ground();
    let (_one, _two) = (worker(&nats, "one").start(), worker(&nats, "two").start());
    let (cli, jobs) = (cli(&nats), Jobs::of(&nats).await);
    cli.ok(["pause", "task", "sleepy"]);
    let ids: Vec<JobId> = (0..20).map(|number| id(&format!("held-{number}"))).collect();
    for id in &ids {
        // one that comes before the worker knows of the pause would simply run
        let held = async || {
            jobs.client.submit(sleepy(1).id(id.clone())).await.unwrap();
            match jobs.client.find(id).await.unwrap() {
                JobState::Held { waits_for, .. } if waits_for == "task sleepy to be resumed" => Ok(()),
                JobState::Done(_) if *id == ids[0] => Ok(()),
                other => Err(format!("{other:?}")),
            }
        };
        eventually("the job to be held", WITHIN, held).await;
    }
    let other = jobs.run(NewJob::new("levels".parse().unwrap(), "")).await;
    assert_eq!(other.record.outcome, OutcomeKind::Completed, "another task of the same queue goes on");
    let JobState::Held { due, .. } = jobs.client.find(&ids[19]).await.unwrap() else { panic!("not held any more") };
    cli.ok(["resume", "task", "sleepy"]);
    for id in &ids {
        let result = jobs.result(id).await;
        assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1));
    }
    assert!(jobs.result(&ids[19]).await.record.started < due, "it was woken");
    let (results, writes) = jobs.results_and_writes().await;
    assert_eq!(results, writes, "each ended once");
    let noted = cli.run(["pause", "task", "nobody"]).ok();
    assert!(noted.stderr.contains("no task nobody yet"), "{}", noted.stderr);
}

#[tokio::test]
async fn a_quiet_worker_takes_no_jobs_until_it_is_resumed_and_a_drained_one_ends() {
    let nats = ground();
    let mut worker = worker(&nats, "resting").start();
    let (cli, jobs) = (cli(&nats), Jobs::of(&nats).await);
    start(&jobs, sleepy(2_000), "running").await;
    assert_eq!(cli.json(["workers", "quiet", "resting"])["mode"], "quiet");
    let listed = jobs.client.workers().await.unwrap();
    assert_eq!(listed.iter().map(|worker| worker.mode).collect::<Vec<_>>(), [WorkerMode::Quiet]);
    assert_eq!(jobs.result(&id("running")).await.record.outcome, OutcomeKind::Completed, "what runs goes on");
    idle(&jobs, "job_default").await;
    jobs.client.submit(sleepy(1).id(id("waits"))).await.unwrap();
    idle(&jobs, "job_default").await;
    assert!(matches!(jobs.client.find(&id("waits")).await.unwrap(), JobState::Queued { .. }));
    cli.ok(["workers", "resume", "resting"]);
    assert_eq!(jobs.result(&id("waits")).await.record.attempt, 1);
    // By signal, as Sidekiq does.
    for signal in [Signal::USR1, Signal::TSTP] {
        let pid = Pid::from_raw(i32::try_from(worker.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let quiet = async || match jobs.client.workers().await.unwrap().first() {
            Some(worker) if worker.mode == WorkerMode::Quiet => Ok(()),
            other => Err(format!("{other:?}")),
        };
        eventually("the worker to rest", WITHIN, quiet).await;
        cli.ok(["workers", "resume", "resting"]);
    }
    assert!(worker.ended().is_none());
    start(&jobs, sleepy(1_500), "last").await;
    assert_eq!(cli.json(["workers", "drain", "resting"])["mode"], "draining");
    assert_eq!(worker.wait(WITHIN).code(), Some(0));
    let last = jobs.client.result(&id("last")).await.unwrap().expect("it ended before the worker did");
    assert_eq!((last.record.outcome, last.record.attempt), (OutcomeKind::Completed, 1));
    let gone = cli.run(["workers", "quiet", "resting"]).fails_with(4);
    assert!(gone.stderr.contains("no worker named resting"), "{}", gone.stderr);
}

#[tokio::test]
async fn queues_in_strict_order_are_served_one_after_another() {
    const EACH: usize = 12;
    let nats = ground();
    // its consumers are there once a worker has served the queues
    let queues = ["urgent", "calm", "low"];
    worker(&nats, "before").arg("--queue").arg(queues.join(",")).start().sigterm();
    let jobs = Jobs::of(&nats).await;
    let mut ids = Vec::new();
    for queue in queues.iter().rev() {
        for _ in 0..EACH {
            let job = sleepy(40).queue(queue.parse().unwrap());
            ids.push(jobs.client.submit(job).await.unwrap().id);
        }
    }
    let file = nats.folder().join("strict.toml");
    std::fs::write(&file, "strict = true\n").unwrap();
    let strict = worker(&nats, "strict").concurrency(1).arg("--config").arg(file);
    let _strict = strict.arg("--queue").arg("urgent,calm").arg("--queue").arg("low").start();
    let mut ran = Vec::new();
    for id in &ids {
        let record = jobs.result(id).await.record;
        ran.push((record.started, record.queue.unwrap().to_string()));
    }
    ran.sort();
    // fair shares would give each a third; what comes before the first pull is answered is nobody's turn
    for (queue, ran) in queues.iter().zip(ran.chunks(EACH)) {
        let of_queue = ran.iter().filter(|(_, of)| of == queue).count();
        assert!(of_queue >= EACH - 3, "{of_queue} of {queue} in its turn: {ran:?}");
    }
}

fn ground() -> Nats {
    let nats = Nats::start();
    for export in ["sleepy", "levels"] {
        push(&cli(&nats), "hostile", &["--export", export]);
    }
    nats
}

fn worker(nats: &Nats, name: &str) -> WorkerSetup {
    Worker::of(nats).name(name).concurrency(8).cache_dir(shared_cache())
}

fn sleepy(ms: u64) -> NewJob {
    NewJob::json("sleepy".parse().unwrap(), &json!(ms)).unwrap().timeout(Duration::from_secs(60))
}

fn id(text: &str) -> JobId {
    text.parse().unwrap()
}

async fn start(jobs: &Jobs, job: NewJob, name: &str) {
    let mut events = jobs.client.events_of(&id(name)).await.unwrap();
    jobs.client.submit(job.id(id(name))).await.unwrap();
    let first = tokio::time::timeout(WITHIN, events.next()).await.expect("a start in time").unwrap();
    assert_eq!(first.what.token(), "started", "{first:?}");
}

/// Waits until nobody asks a consumer for jobs, and nothing of it is held.
async fn idle(jobs: &Jobs, consumer: &str) {
    let stream = jobs.stream("JOBS_default").await;
    let idle = async || {
        let consumer = stream.get_consumer::<async_nats::jetstream::consumer::pull::Config>(consumer).await;
        let info = consumer.map_err(|error| error.to_string())?.cached_info().clone();
        match (info.num_waiting, info.num_ack_pending) {
            (0, 0) => Ok(()),
            (asks, held) => Err(format!("{asks} requests and {held} messages")),
        }
    };
    eventually("the queue to be left alone", WITHIN, idle).await;
}

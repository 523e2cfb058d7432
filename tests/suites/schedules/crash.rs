//! Each tick once: over several planners, over kills of all there is, and over times without a worker.

use std::collections::HashMap;

use futures::StreamExt;
use lovage_job::unit::UnixMs;
use lovage_tests::{Cli, Jobs, Nats, WITHIN, Worker, WorkerSetup, cli, eventually, push, shared_cache};

use super::{assert_each_second_once, clock_reaches, now, runs, runs_until, slot};

#[tokio::test]
async fn two_planning_workers_run_each_tick_once() {
    let (nats, cli) = ground();
    let (_one, _two) = (worker(&nats, "one").start(), worker(&nats, "two").start());
    let jobs = Jobs::of(&nats).await;
    let started = jobs.client.nats().subscribe("lovage.default.event.sleepy.*.started").await.unwrap();
    jobs.client.nats().flush().await.unwrap();
    add(&cli, "second", &["--every", "1s", "--input", "60"]);
    let ended = runs_until(&jobs, "second", "eight ticks", |ended| ended.len() >= 8).await;
    assert_each_second_once(&ended);
    // A second message of a tick, as a slow planner could still send it, is dropped without a word.
    let last = ended.last().unwrap();
    let (id, slot) = (last.record.id.to_string(), slot(last).to_string());
    let headers = [("Lovage-Schedule", "second"), ("Lovage-Slot", slot.as_str()), ("Lovage-Tag", "second")];
    let second = jobs.publish(&format!("job.default.sleepy.{id}"), &headers, "60").await;
    jobs.gone(second.sequence).await;
    cli.ok(["schedule", "remove", "second"]);
    jobs.client.nats().flush().await.unwrap();
    let mut starts: HashMap<String, u32> = HashMap::new();
    let mut told = started.take_until(Box::pin(eventually("the queue to be empty", WITHIN, async || {
        match jobs.messages("JOBS_default").await {
            0 => Ok(()),
            left => Err(format!("{left} left")),
        }
    })));
    while let Some(event) = told.next().await {
        *starts.entry(event.subject.split('.').nth(4).unwrap().to_owned()).or_default() += 1;
    }
    assert!(starts.len() >= 8 && starts.values().all(|count| *count == 1), "{starts:?}");
    assert!(starts.contains_key(&id), "{starts:?}");
}

#[tokio::test]
async fn killed_broker_and_workers_cost_no_tick_and_double_none() {
    let (mut nats, cli) = ground();
    let workers = [worker(&nats, "one").start(), worker(&nats, "two").start()];
    let jobs = Jobs::of(&nats).await;
    add(&cli, "steady", &["--every", "1s", "--missed", "all:1000", "--input", "1"]);
    runs_until(&jobs, "steady", "three ticks", |ended| ended.len() >= 3).await;
    for mut worker in workers {
        worker.kill9();
    }
    nats.kill9();
    clock_reaches(UnixMs(now().0 + 4_000)).await;
    nats.restart();
    let (_three, mut four) = (worker(&nats, "three").start(), worker(&nats, "four").start());
    // One more kill, of a worker alone, and of the broker alone.
    four.kill9();
    nats.kill9();
    nats.restart();
    let until = now().0 + 3_000;
    let first = runs_until(&jobs, "steady", "a tick at all", |ended| !ended.is_empty()).await;
    let first = slot(&first[0]);
    let all = usize::try_from((until - first) / 1_000).unwrap();
    let lacks_none = |ended: &[_]| ended.iter().filter(|result| slot(result) <= until).count() >= all;
    runs_until(&jobs, "steady", "every tick until after the restart", lacks_none).await;
    cli.ok(["schedule", "remove", "steady"]);
    let ended = runs(&jobs, "steady").await;
    let ended: Vec<_> = ended.into_iter().filter(|result| slot(result) <= until).collect();
    assert_each_second_once(&ended);
    let (results, writes) = jobs.results_and_writes().await;
    assert_eq!(results, writes, "each end was written once");
    assert_eq!(jobs.messages("DEAD_default").await, 0);
}

#[tokio::test]
async fn ticks_that_no_worker_saw_follow_their_policy() {
    let (nats, cli) = ground();
    worker(&nats, "first").start().kill9();
    let jobs = Jobs::of(&nats).await;
    for (name, missed) in [("all", "all:1000"), ("three", "all:3"), ("one", "one"), ("none", "skip")] {
        add(&cli, name, &["--every", "1s", "--missed", missed, "--deadline", "2s", "--input", "1"]);
    }
    let added = now();
    clock_reaches(UnixMs(added.0 + 9_000)).await;
    let before = now().0;
    let _worker = worker(&nats, "second").start();
    let ready = now().0;
    let caught_up = |ended: &[_]| ended.iter().any(|result| slot(result) > ready);
    for name in ["all", "three", "one", "none"] {
        runs_until(&jobs, name, "ticks after the start", caught_up).await;
    }
    let early = async |name| runs(&jobs, name).await.iter().filter(|run| slot(run) + 3_000 < before).count();
    assert_each_second_once(&runs(&jobs, "all").await);
    assert!(early("all").await >= 5, "{}", early("all").await);
    assert!(early("three").await <= 1, "of the missed ones the last three, the youngest of which are not early");
    assert_eq!((early("one").await, early("none").await), (0, 0));
    for name in ["all", "three", "one", "none"] {
        cli.ok(["schedule", "remove", name]);
    }
    let stream = jobs.stream("SCHED_default").await;
    eventually("no planned tick to be left", WITHIN, async || {
        let mut left = stream.info_with_subjects("lovage.default.sched.tick.>").await.unwrap();
        match futures::StreamExt::next(&mut left).await {
            None => Ok(()),
            Some(subject) => Err(format!("{subject:?}")),
        }
    })
    .await;
}

fn ground() -> (Nats, Cli) {
    let nats = Nats::start();
    let cli = cli(&nats);
    push(&cli, "hostile", &["--export", "sleepy"]);
    (nats, cli)
}

fn worker(nats: &Nats, name: &str) -> WorkerSetup {
    Worker::of(nats).name(name).concurrency(8).cache_dir(shared_cache())
}

/// Adds a schedule of `sleepy` whose runs carry its name as a tag.
fn add(cli: &Cli, name: &str, options: &[&str]) {
    let args = ["schedule", "add", name, "--task", "sleepy", "--tag", name];
    cli.ok(args.iter().chain(options));
}

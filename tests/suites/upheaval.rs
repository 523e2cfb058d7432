//! Everything at once, and everything killed in the middle of it: delays, retries, groups, chains, callbacks and a
//! schedule, over kills of both workers and of the broker. Each job ends once, each tick runs once, and each group
//! completes once.

use std::time::{Duration, SystemTime};

use lovage_client::{ListFilter, ListState, NewGroup, NewJob, SubmittedGroup};
use lovage_job::{flow::Target, name::JobId, outcome::OutcomeKind, result::JobResult};
use lovage_tests::{Cli, Jobs, Nats, WITHIN, Worker, WorkerSetup, cli, eventually, push, shared_cache};
use serde_json::{Value, json};

use crate::schedules::{assert_each_second_once, runs, slot};

/// Leases of a worker that is gone run out after 30 s, and the machine may be busy.
const RECOVERED_WITHIN: Duration = Duration::from_secs(180);

const DELAYED: u64 = 60;
const FLAKY: u64 = 40;
const GROUPS: u64 = 2;
const MEMBERS: u64 = 30;
const CHAINS: u64 = 10;
const CALLBACKS: u64 = 10;

/// What was submitted.
struct Submitted {
    delayed: Vec<JobId>,
    flaky: Vec<JobId>,
    chains: Vec<JobId>,
    callers: Vec<JobId>,
    groups: Vec<SubmittedGroup>,
}

#[tokio::test]
async fn everything_ends_once_over_kills_of_workers_and_broker() {
    let (mut nats, cli) = ground();
    let (mut one, mut two) = (worker(&nats, "one").start(), worker(&nats, "two").start());
    let jobs = Jobs::of(&nats).await;
    cli.ok(["schedule", "add", "steady", "--every", "1s", "--missed", "all:1000", "--task", "echo", "--tag", "steady"]);
    let submitted = submit(&jobs).await;
    some_of_each_ended(&jobs, &submitted).await;
    one.kill9();
    nats.kill9();
    nats.restart();
    two.kill9();
    let (_three, _four) = (worker(&nats, "three").start(), worker(&nats, "four").start());
    let restarted = now_ms();
    for id in submitted.ids() {
        ended(&jobs, id).await;
    }
    ticks_ran_until(&jobs, restarted + 2_000).await;
    let paused = now_ms();
    cli.ok(["schedule", "pause", "steady"]);
    nothing_waits(&jobs).await;

    all_ended_as_they_should(&jobs, &submitted).await;
    let ticks = runs(&jobs, "steady").await;
    let (ran, skipped): (Vec<_>, Vec<_>) =
        ticks.iter().cloned().partition(|tick| tick.record.outcome != OutcomeKind::Skipped);
    assert_each_second_once(&ran);
    assert!(ran.last().is_some_and(|last| slot(last) >= restarted + 2_000));
    assert!(skipped.iter().all(|tick| slot(tick) + 1_000 > ran.last().map_or(0, slot)), "paused at {paused}");
    let count = DELAYED + FLAKY + GROUPS * (MEMBERS + 1) + CHAINS * 3 + CALLBACKS * 2 + ticks.len() as u64;
    assert_eq!(jobs.results_and_writes().await, (count, count), "each job ended once, and there are no others");
    assert_eq!(jobs.messages("DEAD_default").await, 0);
}

impl Submitted {
    /// The jobs whose ids are known beforehand.
    fn ids(&self) -> impl Iterator<Item = &JobId> {
        let groups = self.groups.iter().flat_map(|group| group.members.iter().chain([&group.completion]));
        self.delayed.iter().chain(&self.flaky).chain(&self.chains).chain(&self.callers).chain(groups)
    }
}

fn ground() -> (Nats, Cli) {
    let nats = Nats::start();
    let cli = cli(&nats);
    for export in ["echo", "flaky"] {
        push(&cli, "hostile", &["--export", export]);
    }
    (nats, cli)
}

fn worker(nats: &Nats, name: &str) -> WorkerSetup {
    Worker::of(nats).name(name).concurrency(8).cache_dir(shared_cache())
}

/// Submits all there is, spread over some fifteen seconds, so that every kill meets some of each.
async fn submit(jobs: &Jobs) -> Submitted {
    let mut submitted = Submitted { delayed: vec![], flaky: vec![], chains: vec![], callers: vec![], groups: vec![] };
    for number in 0..GROUPS {
        let members = (0..MEMBERS).map(|member| echo(member).delay(Duration::from_millis(400 * member))).collect();
        let then = target(&json!({"task": "echo", "tags": [format!("group-{number}")]}));
        submitted.groups.push(jobs.client.submit_group(NewGroup::new(members, then)).await.unwrap());
    }
    for number in 0..DELAYED {
        let job = echo(number).delay(Duration::from_millis(250 * number));
        submitted.delayed.push(jobs.client.submit(job).await.unwrap().id);
    }
    for number in 0..FLAKY {
        let job = job("flaky", &json!({"succeed_on": 3})).delay(Duration::from_millis(200 * number));
        let job = job.retries(3).backoff("fixed:1s".parse().unwrap());
        submitted.flaky.push(jobs.client.submit(job).await.unwrap().id);
    }
    for number in 0..CHAINS {
        let mut job = echo(number).delay(Duration::from_secs(number));
        job.then = vec![tagged("second"), tagged("third")];
        submitted.chains.push(jobs.client.submit(job).await.unwrap().id);
        let mut job = echo(number).delay(Duration::from_secs(number));
        job.on_success = Some(tagged("called"));
        submitted.callers.push(jobs.client.submit(job).await.unwrap().id);
    }
    submitted
}

fn job(task: &str, input: &Value) -> NewJob {
    NewJob::json(task.parse().unwrap(), input).unwrap()
}

fn echo(number: u64) -> NewJob {
    job("echo", &json!(number))
}

fn tagged(tag: &str) -> Target {
    target(&json!({"task": "echo", "tags": [tag]}))
}

fn target(spec: &Value) -> Target {
    spec.to_string().parse().unwrap()
}

/// Waits until the run is under way, with some of each kind behind it and most of it ahead.
async fn some_of_each_ended(jobs: &Jobs, submitted: &Submitted) {
    let members = submitted.groups.iter().map(|group| &group.members[2]);
    let some = [&submitted.delayed[2], &submitted.flaky[0], &submitted.chains[0], &submitted.callers[0]];
    for id in members.chain(some) {
        jobs.result(id).await;
    }
    let ticked = async || match runs(jobs, "steady").await.len() {
        ended if ended >= 2 => Ok(()),
        ended => Err(format!("{ended} ticks")),
    };
    eventually("some ticks", WITHIN, ticked).await;
}

/// Waits for the end of a job, also while the broker has just come back and does not answer at once.
async fn ended(jobs: &Jobs, id: &JobId) {
    let there = async || match jobs.client.result(id).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(format!("{id} has not ended")),
        Err(error) => Err(error.to_string()),
    };
    eventually("a job to end", RECOVERED_WITHIN, there).await;
}

/// Waits until each tick up to a time has run.
async fn ticks_ran_until(jobs: &Jobs, until: u64) {
    let ran = async || {
        let slots: Vec<u64> = runs(jobs, "steady").await.iter().map(slot).collect();
        let gapless = slots.windows(2).all(|pair| pair[1] == pair[0] + 1_000);
        if gapless && slots.last().is_some_and(|last| *last >= until) { Ok(()) } else { Err(format!("{slots:?}")) }
    };
    eventually("every tick until after the restart", RECOVERED_WITHIN, ran).await;
}

/// Waits until no job waits or runs, and none is to come.
async fn nothing_waits(jobs: &Jobs) {
    let empty = async || match (jobs.messages("JOBS_default").await, jobs.messages("SCHED_default").await) {
        (0, 0) => Ok(()),
        left => Err(format!("{left:?} messages wait in queues and schedules")),
    };
    eventually("nothing to wait any more", RECOVERED_WITHIN, empty).await;
}

async fn all_ended_as_they_should(jobs: &Jobs, submitted: &Submitted) {
    for (index, id) in submitted.delayed.iter().enumerate() {
        let result = completed(jobs, id, 1).await;
        assert_eq!(body(&result), json!(index), "{result:?}");
    }
    for id in &submitted.flaky {
        let result = completed(jobs, id, 3).await;
        assert_eq!(result.trail.0.len(), 3, "two failures and the end: {:?}", result.trail);
    }
    for id in submitted.chains.iter().chain(&submitted.callers) {
        completed(jobs, id, 1).await;
    }
    for (tag, count) in [("second", CHAINS), ("third", CHAINS), ("called", CALLBACKS), ("group-0", 1), ("group-1", 1)] {
        assert_eq!(completed_with(jobs, tag).await as u64, count, "{tag}");
    }
    for group in &submitted.groups {
        let given = body(&completed(jobs, &group.completion, 1).await);
        assert_eq!(given["results"], json!((0..MEMBERS).collect::<Vec<_>>()));
        assert_eq!(given["failed"], json!([]));
    }
}

async fn completed(jobs: &Jobs, id: &JobId, attempt: u32) -> JobResult {
    let result = jobs.result(id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, attempt), "{result:?}");
    result
}

/// How many jobs with a tag have completed.
async fn completed_with(jobs: &Jobs, tag: &str) -> usize {
    let (tag, state) = (Some(tag.to_owned()), Some(ListState::Done));
    let filter = ListFilter { tag, state, limit: Some(1_000), ..ListFilter::default() };
    let mut count = 0;
    for job in jobs.client.list(&filter).await.unwrap().jobs {
        completed(jobs, &job.id, 1).await;
        count += 1;
    }
    count
}

#[track_caller]
fn body(result: &JobResult) -> Value {
    serde_json::from_slice(&result.body).unwrap_or_else(|error| panic!("{error}: {result:?}"))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

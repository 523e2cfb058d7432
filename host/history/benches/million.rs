//! A history of very many jobs in SQLite: how fast it is written, and how long each question of the console takes.
//!
//! `cargo bench -p lovage-history --bench million -- 1000000`; without a number, 100,000 jobs.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench"
)]

use lovage_history::{
    Batch, DatabaseUrl, Dimension, Ended, Entry, JobFilter, PageRequest, Scope, SeriesFilter, Store, StoreOptions,
};
use lovage_job::name::Digest;
use lovage_job::outcome::{JobError, Meter, OutcomeKind};
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::subject::Lane;
use lovage_job::trail::{AttemptRecord, Trail};
use lovage_job::unit::UnixMs;
use std::time::{Duration, Instant};

/// The time that the jobs ended in: 30 days.
const SPAN_MS: u64 = 30 * DAY_MS;
const DAY_MS: u64 = 86_400_000;
const BEGIN_MS: u64 = 1_700_000_000_000;
const TENANTS: u64 = 10;
const TOGETHER: u64 = 1_000;
const ROUNDS: usize = 15;

fn main() {
    let jobs = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(jobs));
}

async fn run(jobs: u64) {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("history.db"));
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    let begun = Instant::now();
    for from in (0..jobs).step_by(usize::try_from(TOGETHER).unwrap()) {
        let entries = (from..jobs.min(from + TOGETHER)).map(|n| entry(n, jobs)).collect();
        store.write(&Batch { entries, advances: Vec::new() }).await.unwrap();
    }
    let took = begun.elapsed();
    let status = store.status().await.unwrap();
    println!("{jobs} jobs in {took:.1?}: {:.0} a second; {} MiB", jobs as f64 / took.as_secs_f64(), status.bytes >> 20);
    ask_all(&store).await;
}

/// Job `n`: half of all are those of one tenant; 20 tasks, 5 versions, a few failures, a rare tag.
fn entry(n: u64, jobs: u64) -> Entry {
    let finished = BEGIN_MS + n * (SPAN_MS / jobs.max(1));
    let tenant = if n.is_multiple_of(2) { "big".to_owned() } else { format!("t{}", n % TENANTS) };
    let outcome = match n % 100 {
        13 => OutcomeKind::Failed,
        77 if n % 1_000 == 77 => OutcomeKind::TimedOut,
        _ => OutcomeKind::Completed,
    };
    let error = (outcome != OutcomeKind::Completed).then(|| JobError::new(outcome, format!("order {n} is odd")));
    let meter =
        Meter { fuel_used: n * 7, memory_peak_bytes: 1 << 20, wall_us: (n * 7_919) % 2_000_000, egress_bytes: 0 };
    let attempt = |attempt| AttemptRecord {
        attempt,
        outcome,
        started: UnixMs(finished - 10),
        digest: None,
        worker: "worker-1".to_owned(),
        meter,
        error: error.clone(),
    };
    let trail = if error.is_some() { Trail((1..=5).map(attempt).collect()) } else { Trail::default() };
    let record = ResultRecord {
        id: format!("{:016x}{n:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).parse().unwrap(),
        task: Some(format!("task-{}", (n / 3) % 20).parse().unwrap()),
        queue: Some(format!("queue-{}", n % 3).parse().unwrap()),
        lane: Some(Lane::Normal),
        outcome,
        digest: Some(Digest::of(b"x")),
        version: Some(format!("{}", n % 5).parse().unwrap()),
        attempt: if error.is_some() { 5 } else { 1 },
        published: UnixMs(finished - 50),
        started: UnixMs(finished - 10),
        finished: UnixMs(finished),
        meter,
        worker: format!("worker-{}", n % 8),
        tags: if n.is_multiple_of(5_000) { vec!["rare".to_owned()] } else { Vec::new() },
        payload: None,
        trace_id: None,
    };
    let result = JobResult { record, error, trail, content_type: None, body: Vec::new() };
    Entry::Ended(Box::new(Ended { tenant: tenant.parse().unwrap(), at: UnixMs(finished + 1), result }))
}

async fn ask_all(store: &Store) {
    let big = Scope::Tenant("big".parse().unwrap());
    let plain = JobFilter::default;
    let filters = [
        ("newest", plain()),
        ("of a task", JobFilter { task: "task-7".parse().ok(), ..plain() }),
        ("failed", JobFilter { outcomes: vec![OutcomeKind::Failed], ..plain() }),
        ("timed out (rare)", JobFilter { outcomes: vec![OutcomeKind::TimedOut], ..plain() }),
        (
            "failed, of a task",
            JobFilter { outcomes: vec![OutcomeKind::Failed], task: "task-7".parse().ok(), ..plain() },
        ),
        ("dead (none)", JobFilter { dead: Some(true), ..plain() }),
        ("with a rare tag", JobFilter { tag: Some("rare".to_owned()), ..plain() }),
        ("of a worker", JobFilter { worker: Some("worker-2".to_owned()), ..plain() }),
        ("of no worker", JobFilter { worker: Some("nobody".to_owned()), ..plain() }),
        ("of no version", JobFilter { version: "none".parse().ok(), ..plain() }),
        ("with an error's text (none)", JobFilter { error_text: Some("no such text".to_owned()), ..plain() }),
        ("slower than all", JobFilter { slower_than: Some(Duration::from_secs(9)), ..plain() }),
        ("by id", JobFilter { id_prefix: Some("3".to_owned()), ..plain() }),
        (
            "of a day",
            JobFilter {
                finished_from: Some(UnixMs(BEGIN_MS + 9 * DAY_MS)),
                finished_to: Some(UnixMs(BEGIN_MS + 10 * DAY_MS)),
                ..plain()
            },
        ),
    ];
    for (name, filter) in &filters {
        for (whose, scope) in [("one tenant", &big), ("all", &Scope::All)] {
            let page = PageRequest { limit: 50, after: None };
            time(&format!("jobs {name}, {whose}"), async || {
                store.jobs(scope, filter, &page).await.unwrap();
            })
            .await;
            time(&format!("count {name}, {whose}"), async || {
                store.count(scope, filter, 10_000).await.unwrap();
            })
            .await;
        }
    }
    let first = store.jobs(&big, &plain(), &PageRequest { limit: 1, after: None }).await.unwrap().items.remove(0);
    time("one job", async || {
        store.job(&first.tenant, &first.id).await.unwrap();
    })
    .await;
    charts(store, &big).await;
    time("status", async || {
        store.status().await.unwrap();
    })
    .await;
}

async fn charts(store: &Store, big: &Scope) {
    let end = BEGIN_MS + SPAN_MS;
    let spans = [
        ("hour by minutes", DAY_MS / 24, 60),
        ("day by 5 minutes", DAY_MS, 300),
        ("30 days by hours", SPAN_MS, 3_600),
        ("30 days by days", SPAN_MS, 86_400),
    ];
    for (whose, scope) in [("one tenant", big), ("all", &Scope::All)] {
        for (name, span, step) in spans {
            let times = (UnixMs(end - span), UnixMs(end));
            let step = Duration::from_secs(step);
            let filter = SeriesFilter::default();
            time(&format!("chart of a {name}, {whose}"), async || {
                drop(store.series(scope, &filter, times, step).await.unwrap());
            })
            .await;
            for by in [Dimension::Task, Dimension::Version, Dimension::Worker, Dimension::Tenant] {
                time(&format!("shares of a {name} by {by:?}, {whose}"), async || {
                    drop(store.breakdown(scope, &filter, times, by).await.unwrap());
                })
                .await;
            }
        }
    }
}

async fn time(what: &str, mut ask: impl AsyncFnMut()) {
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        ask().await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let ms = |took: Duration| took.as_secs_f64() * 1_000.0;
    println!("{:7.1} ms  {:7.1} ms at most  {what}", ms(took[ROUNDS / 2]), ms(took[ROUNDS - 1]));
}

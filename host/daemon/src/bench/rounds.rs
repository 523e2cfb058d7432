//! The rounds: fill, drain by the null worker, fill, drain by ours, on one server and in turns.

use super::delayed::{self, Delayed, DelayedOptions};
use super::ground::Ground;
use super::hostile::{self, Hostile, HostileOptions};
use super::latency::{Latency, measure};
use super::tenants::{self, Shared, SharedOptions};
use super::worker::WorkerSetup;
use super::{component, fill, null};
use crate::app::{Worker, WorkerOptions, concurrency, cores, engine};
use crate::config::{Isolation, WorkerFile};
use crate::nats::store::{Catalog, Components};
use crate::nats::topology::{self, TopologyConfig};
use crate::registry::push::{PushOptions, check, store};
use crate::server::{self, StartOptions};
use anyhow::ensure;
use async_nats::Client;
use async_nats::jetstream::{self, stream::Stream};
use lovage_job::name::{AliasName, JobId, QueueName, TenantName};
use lovage_job::subject::{Lane, asset};
use lovage_sandbox::InspectOptions;
use serde::Serialize;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The first of the rounds of jobs that are timed one by one.
const LATENCY_ROUND: usize = 1_000_000;
/// How often the store is counted.
const COUNT_EVERY: Duration = Duration::from_millis(5);
/// A drain that makes no progress for this long has failed.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// What to measure.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Jobs of each drain.
    pub jobs: usize,
    /// Drains of each worker.
    pub rounds: usize,
    /// Jobs that are timed one by one.
    pub samples: usize,
    /// Delayed jobs, where they are to be measured.
    pub delayed: Option<DelayedOptions>,
    /// Tenants that share the worker, where they are to be measured.
    pub tenants: Option<SharedOptions>,
    /// A victim beside hostile inputs, where that is to be measured.
    pub hostile: Option<HostileOptions>,
    /// Whether the same is also measured with jobs that run apart, or nothing but what runs here.
    pub isolation: Isolation,
    /// Attempts at once.
    pub concurrency: Option<usize>,
    /// A nats-server program to use.
    pub nats_server: Option<PathBuf>,
    /// How the compiler is started.
    pub compiler: (PathBuf, Vec<OsString>),
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of this program.
    pub version: &'static str,
    /// Of the server.
    pub server: String,
    /// Whether this is a release build; figures of others say little.
    pub release: bool,
    /// Cores of this machine.
    pub cores: usize,
    /// Jobs of each drain.
    pub jobs: usize,
    /// Jobs per second of the null worker, a figure for each round.
    pub null_jobs_per_s: Vec<f64>,
    /// Jobs per second of ours, a figure for each round.
    pub worker_jobs_per_s: Vec<f64>,
    /// The median over the rounds of ours to the null worker's.
    pub ratio: f64,
    /// One job at a time.
    pub latency: Latency,
    /// With jobs in a process of their tenant's, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apart: Option<Apart>,
    /// Delayed jobs, where they were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delayed: Option<Delayed>,
    /// Tenants that share the worker, where they were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Shared>,
    /// A victim beside hostile inputs, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostile: Option<Hostile>,
}

/// What was measured with jobs in a process of their tenant's, in the same run.
#[derive(Debug, Clone, Serialize)]
pub struct Apart {
    /// Jobs per second, a figure for each round.
    pub worker_jobs_per_s: Vec<f64>,
    /// The median over the rounds of these to those of the worker that runs jobs in its own process.
    pub ratio: f64,
    /// One job at a time.
    pub latency: Latency,
}

/// Measures. `tell` hears what happens, for people.
pub async fn run(options: BenchOptions, tell: impl Fn(&str)) -> anyhow::Result<Report> {
    let folder = Folder::new()?;
    let binary = server::find(options.nats_server.as_deref())?;
    let mut server = server::start(&binary, StartOptions::new(folder.0.join("nats")))?;
    let connect = lovage_client::ConnectOptions { servers: server.url(), ..lovage_client::ConnectOptions::default() };
    let client = lovage_client::connect(&connect).await?;
    let cache = folder.0.join("cache");
    prepare(&client, &cache, &options).await?;
    let results = jetstream::new(client.clone())
        .get_stream(format!("KV_{}", asset::results(&TenantName::default_tenant())))
        .await?;
    let here = BenchOptions { isolation: Isolation::InProcess, ..options.clone() };
    let (mut nulls, mut ours, mut aparts) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..options.rounds {
        nulls.push(null_round(&client, &results, round, options.jobs).await?);
        ours.push(worker_round(&connect, &client, &results, &cache, round, &here).await?);
        if options.isolation == Isolation::Process {
            // ids of its own: the broker drops a second message of an id
            let round = options.rounds + round;
            aparts.push(worker_round(&connect, &client, &results, &cache, round, &options).await?);
        }
        if let (Some(null), Some(our)) = (nulls.last(), ours.last()) {
            tell(&format!("round {}: null worker {null:.0} jobs/s, worker {our:.0} jobs/s", round + 1));
        }
    }
    let worker = start(&connect, &cache, &here).await?;
    let latency = measure(&client, options.samples, LATENCY_ROUND).await;
    let delayed = match options.delayed {
        Some(options) => {
            tell(&format!("{} delayed jobs, due within {:?}", options.jobs, options.within));
            Some(delayed::measure(&client, options).await)
        }
        None => None,
    };
    let ground = Ground { client: &client, cache: &cache, compiler: &options.compiler };
    let tenants = match options.tenants {
        Some(shared) => Some(tenants::Bench(ground).measure(shared, &tell).await),
        None => None,
    };
    worker.stop(std::future::pending()).await;
    let apart = match aparts.is_empty() {
        true => None,
        false => {
            let worker = start(&connect, &cache, &options).await?;
            let latency = measure(&client, options.samples, LATENCY_ROUND + 1).await;
            worker.stop(std::future::pending()).await;
            let ratio = median(ours.iter().zip(&aparts).map(|(our, apart)| apart / our).collect());
            Some(Apart { worker_jobs_per_s: aparts, ratio, latency: latency? })
        }
    };
    let hostile = match options.hostile {
        Some(asked) => {
            let worker = WorkerSetup {
                program: &options.compiler.0,
                url: server.url(),
                folder: &folder.0,
                cache: &cache,
                concurrency: concurrency(options.concurrency),
                isolation: options.isolation,
            };
            Some(hostile::Bench { ground, worker }.measure(asked, &tell).await?)
        }
        None => None,
    };
    server.stop()?;
    let ratios = nulls.iter().zip(&ours).map(|(null, our)| our / null).collect();
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        server: binary.version.to_string(),
        release: !cfg!(debug_assertions),
        cores: cores(),
        jobs: options.jobs,
        ratio: median(ratios),
        null_jobs_per_s: nulls,
        worker_jobs_per_s: ours,
        latency: latency?,
        apart,
        delayed: delayed.transpose()?,
        tenants: tenants.transpose()?,
        hostile,
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// A folder of the run's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path =
            std::env::temp_dir().join(format!("lovage-bench-{}-{:08x}", std::process::id(), rand::random::<u32>()));
        std::fs::create_dir_all(path.join("nats"))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_to_the_system_otherwise = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes the streams and pushes the task.
async fn prepare(client: &Client, cache: &std::path::Path, options: &BenchOptions) -> anyhow::Result<()> {
    let (js, tenant) = (jetstream::new(client.clone()), TenantName::default_tenant());
    topology::ensure_shared(&js, TopologyConfig::default()).await?;
    topology::ensure_tenant(&js, &tenant, TopologyConfig::default()).await?;
    let queue = QueueName::default_queue();
    topology::ensure_consumer(&js, &tenant, &queue, Lane::Normal, TopologyConfig::default()).await?;
    let (sandbox, compiler) = engine(&WorkerFile::default(), 1, cache, &options.compiler)?;
    let checked = check(&component::add()?, &InspectOptions::default(), &sandbox, &compiler).await?;
    let push = PushOptions { alias: Some(AliasName::stable()), ..PushOptions::default() };
    store(&Catalog::open(&js).await?, &Components::new(js), &tenant, &checked, &push).await?;
    Ok(())
}

async fn start(
    connect: &lovage_client::ConnectOptions,
    cache: &std::path::Path,
    options: &BenchOptions,
) -> anyhow::Result<Worker> {
    let client = lovage_client::connect(connect).await?;
    let name: JobId = format!("bench-{:08x}", rand::random::<u32>()).parse()?;
    let worker = WorkerOptions {
        traces: None,
        keys: None,
        name,
        queues: vec![(QueueName::default_queue(), 1)],
        cache_dir: cache.to_owned(),
        compiler: options.compiler.clone(),
        file: WorkerFile { concurrency: options.concurrency, isolation: options.isolation, ..WorkerFile::default() },
    };
    Worker::start(worker, client.clone(), crate::cli::connections(client)).await
}

async fn null_round(client: &Client, results: &Stream, round: usize, jobs: usize) -> anyhow::Result<f64> {
    results.purge().await?;
    fill::fill(client, 2 * round, jobs).await?;
    let stop = CancellationToken::new();
    let worker = tokio::spawn(null::serve(client.clone(), stop.clone()));
    let rate = drained(results, jobs).await;
    stop.cancel();
    worker.await??;
    rate
}

async fn worker_round(
    connect: &lovage_client::ConnectOptions,
    client: &Client,
    results: &Stream,
    cache: &std::path::Path,
    round: usize,
    options: &BenchOptions,
) -> anyhow::Result<f64> {
    results.purge().await?;
    fill::fill(client, 2 * round + 1, options.jobs).await?;
    let worker = start(connect, cache, options).await?;
    let rate = drained(results, options.jobs).await;
    worker.stop(std::future::pending()).await;
    rate
}

/// Jobs per second from the first stored result to the last.
async fn drained(results: &Stream, jobs: usize) -> anyhow::Result<f64> {
    let jobs = u64::try_from(jobs)?;
    let count = || async { anyhow::Ok(results.get_info().await?.state.messages) };
    let (mut first, mut moved) = (None, (0, Instant::now()));
    loop {
        let done = count().await?;
        let now = Instant::now();
        if done > moved.0 {
            moved = (done, now);
        }
        let (begun, since) = *first.get_or_insert((done, now));
        if done == 0 {
            first = None;
        } else if done >= jobs {
            ensure!(done == jobs, "{done} results of {jobs} jobs");
            #[allow(clippy::cast_precision_loss)]
            let counted = (done - begun) as f64;
            return Ok(counted / now.duration_since(since).as_secs_f64());
        }
        ensure!(now.duration_since(moved.1) < STUCK_AFTER, "stuck at {done} of {jobs} results");
        tokio::time::sleep(COUNT_EVERY).await;
    }
}

//! `lovage worker`: runs jobs until it is told to stop.

use super::compile::compiler_program;
use super::connection::{ConnectionArgs, connect_failure};
use super::exit::OrExit;
use super::{Exit, Failure};
use crate::app::{Worker, WorkerOptions};
use crate::config::{Isolation, WorkerFile};
use crate::telemetry::health::HealthPort;
use crate::telemetry::{self, LogFormat, Traces};
use clap::Args;
use lovage_job::name::{JobId, QueueName};
use lovage_job::unit::parse_span;
use lovage_job::worker::QUEUES_MAX;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Run jobs until told to stop.
///
/// SIGTERM or Ctrl-C drains: no new jobs, running ones may end; a second signal interrupts them and puts their jobs
/// back into the queue, which costs them no attempt. SIGUSR1 or SIGTSTP makes the worker quiet: no new jobs, running
/// ones go on, and the process stays until it is resumed with `lovage workers resume` or stopped.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// A queue to serve, with its share; several with commas, or by giving this again [default: default].
    #[arg(long = "queue", value_name = "NAME[=WEIGHT],…", value_delimiter = ',')]
    queues: Vec<QueueShare>,
    /// Serve the queues strictly in the order given: a later one only when no earlier one has jobs waiting.
    #[arg(long)]
    strict: bool,
    /// Attempts at once [default: eight for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=8000))]
    concurrency: Option<u16>,
    /// Where jobs run: all in this process, or each tenant's in a process of its own, without credentials, files or
    /// network [default: in-process].
    #[arg(long, value_enum, value_name = "MODE")]
    isolation: Option<Isolation>,
    /// The worker's name, unique among those that run [default: made from host and process].
    #[arg(long, value_name = "NAME")]
    name: Option<JobId>,
    /// Where compiled components are kept [default: the user's cache].
    #[arg(long, value_name = "DIR", env = "LOVAGE_CACHE")]
    cache_dir: Option<PathBuf>,
    /// How long running jobs may go on after a signal to stop [default: 25s].
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    drain: Option<Duration>,
    /// A file with limits and ceilings; see the reference.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve /livez, /readyz and /metrics of this worker here, such as 127.0.0.1:7711. Whoever reaches the address may
    /// read them: numbers and names of queues, never payloads.
    #[arg(long, value_name = "ADDR")]
    health: Option<SocketAddr>,
    /// How log lines are written.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

impl WorkerArgs {
    /// The worker of `lovage dev`: defaults, but for what its user says.
    pub(super) fn of_dev(queues: Vec<QueueShare>, concurrency: Option<u16>, isolation: Option<Isolation>) -> Self {
        let (name, cache_dir, drain, config, health) = (None, None, None, None, None);
        Self {
            queues,
            strict: false,
            concurrency,
            isolation,
            name,
            cache_dir,
            drain,
            config,
            health,
            log_format: LogFormat::Text,
        }
    }
}

/// A queue and its share.
#[derive(Debug, Clone)]
pub struct QueueShare {
    name: QueueName,
    weight: Option<usize>,
}

impl FromStr for QueueShare {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, weight) = match text.split_once('=') {
            Some((name, weight)) => (name, Some(weight)),
            None => (text, None),
        };
        let name = name.parse().map_err(|error: lovage_job::name::NameError| error.to_string())?;
        let Some(weight) = weight else { return Ok(Self { name, weight: None }) };
        match weight.parse() {
            Ok(number) if (1..=100).contains(&number) => Ok(Self { name, weight: Some(number) }),
            _ => Err(format!("weight {weight:?} is not a whole number from 1 to 100")),
        }
    }
}

pub(super) async fn main(args: WorkerArgs, connection: &ConnectionArgs) -> Result<Exit, Failure> {
    telemetry::start(args.log_format, "info,async_nats=error");
    let mut options = worker_options(&args)?;
    options.traces = Traces::start("lovage-worker", options.file.traces.endpoint.as_deref()).or_exit(Exit::Usage)?;
    let connect = connection.options(&format!("lovage-worker {}", options.name))?;
    let mut stops = Stops::new()?;
    let connected = tokio::select! {
        connected = lovage_client::connect(&connect) => connected,
        () = stops.next() => return Ok(Exit::Interrupted),
    };
    let client = connected.map_err(connect_failure)?;
    let traces = options.traces.clone();
    let (name, health) = (options.name.clone(), options.file.metrics.health);
    let worker = Worker::start(options, client.clone(), connections(client)).await.or_exit(Exit::Broker)?;
    let health = health.map(|address| HealthPort::start(address, worker.metrics())).transpose().or_exit(Exit::Host)?;
    if let Some(health) = &health {
        tracing::info!(address = %health.address(), "health port");
    }
    tracing::info!(worker = %name, "ready");
    let mut rests = Rests::new()?;
    loop {
        tokio::select! {
            () = stops.next() => break,
            () = worker.told_to_drain() => break,
            () = rests.next() => worker.set_quiet(true),
        }
    }
    worker.stop(stops.next()).await;
    if let Some(health) = health {
        health.stop();
    }
    if let Some(traces) = traces {
        traces.stop().await;
    }
    Ok(Exit::Done)
}

/// Puts file and options together.
pub(super) fn worker_options(args: &WorkerArgs) -> Result<WorkerOptions, Failure> {
    let mut file = args.config.as_deref().map(WorkerFile::read).transpose().or_exit(Exit::Usage)?.unwrap_or_default();
    file.concurrency = args.concurrency.map(usize::from).or(file.concurrency);
    file.isolation = args.isolation.unwrap_or(file.isolation);
    file.drain = args.drain.unwrap_or(file.drain);
    file.strict |= args.strict;
    file.metrics.health = args.health.or(file.metrics.health);
    let mut queues: Vec<(QueueName, usize)> = Vec::new();
    for queue in &args.queues {
        if queues.iter().any(|(name, _)| *name == queue.name) {
            return Err(Failure::new(Exit::Usage, format!("queue {} is given twice", queue.name)));
        }
        if let Some(weight) = queue.weight.filter(|_| file.strict) {
            let message = format!("queue {}={weight} has a share, which means nothing in strict order", queue.name);
            return Err(Failure::new(Exit::Usage, message).hint("leave out =WEIGHT, or --strict"));
        }
        queues.push((queue.name.clone(), queue.weight.unwrap_or(1)));
    }
    if queues.len() > QUEUES_MAX {
        let message = format!("{} queues are more than {QUEUES_MAX}", queues.len());
        return Err(Failure::new(Exit::Usage, message).hint("start several workers, each with some of them"));
    }
    if queues.is_empty() {
        queues.push((QueueName::default_queue(), 1));
    }
    let keys = super::secret::worker_keys(file.secrets.key_file.as_deref())?;
    Ok(WorkerOptions {
        keys,
        traces: None,
        name: args.name.clone().unwrap_or_else(own_name),
        queues,
        cache_dir: args.cache_dir.clone().map_or_else(default_cache, Ok)?,
        compiler: compiler_program().or_exit(Exit::Host)?,
        file,
    })
}

/// Where compiled components are kept by default.
pub(super) fn default_cache() -> Result<PathBuf, Failure> {
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    let missing = || Failure::new(Exit::Host, "there is no home directory").hint("give --cache-dir DIR");
    Ok(home.ok_or_else(missing)?.join("lovage/compiled"))
}

/// A name from host and process, and a random part for hosts that share both.
fn own_name() -> JobId {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host: String = host.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    let text = format!("{host}-{}-{:04x}", std::process::id(), rand::random::<u16>());
    text.parse().unwrap_or_else(|_| JobId::from_stream(u64::from(std::process::id()), rand::random()))
}

/// Counts how often a connection was made; changes tell pulls that what they asked for is forgotten.
pub(crate) fn connections(client: async_nats::Client) -> watch::Receiver<u64> {
    const LOOK_EVERY: Duration = Duration::from_millis(200);
    let (sender, receiver) = watch::channel(0);
    tokio::spawn(async move {
        let statistics = client.statistics();
        // ends with the last puller
        while !sender.is_closed() {
            let count = statistics.connects.load(std::sync::atomic::Ordering::Relaxed);
            sender.send_if_modified(|known| std::mem::replace(known, count) != count);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    receiver
}

/// The signals that make a worker quiet: SIGUSR1 and SIGTSTP.
struct Rests {
    user: tokio::signal::unix::Signal,
    stop: tokio::signal::unix::Signal,
}

impl Rests {
    /// Listens from now on.
    fn new() -> Result<Self, Failure> {
        let tstp = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
        Ok(Self {
            user: signal(SignalKind::user_defined1()).or_exit(Exit::Host)?,
            stop: signal(tstp).or_exit(Exit::Host)?,
        })
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.user.recv() => {}
            _ = self.stop.recv() => {}
        }
    }
}

/// The signals that stop a command: SIGTERM and SIGINT.
pub(super) struct Stops {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Stops {
    /// Listens from now on.
    pub(super) fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).or_exit(Exit::Host);
        Ok(Self { term: listen(SignalKind::terminate())?, int: listen(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

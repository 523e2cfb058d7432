//! `lovage dev`: everything on this machine, in one process tree.

mod users;

use super::compile::compiler_program;
use super::connection::connect_failure;
use super::exit::OrExit;
use super::worker::{QueueShare, Stops, WorkerArgs, connections, worker_options};
use super::{Exit, Failure, Output, secret, serve};
use crate::access::users::OperatorUser;
use crate::app::Worker;
use crate::config::Isolation;
use crate::http::HttpServer;
use crate::server::{self, ProcessGroup, Running, StartOptions};
use crate::telemetry::{self, LogFormat, Traces};
use clap::Args;
use lovage_client::ConnectOptions;
use lovage_history::DatabaseUrl;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use users::Users;

/// Run a NATS server and a worker on this machine, until Ctrl-C.
///
/// The server is found on PATH where it is new enough, and fetched once otherwise. What it stores is kept between
/// runs. It listens on this machine alone, and whoever connects without credentials is its operator; the users of tenants
/// that are added meanwhile are held to their tenant.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Where streams are kept [default: the user's data folder].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The port of the NATS server, on 127.0.0.1.
    #[arg(long, value_name = "N", default_value_t = 4222)]
    port: u16,
    /// A nats-server program to use.
    #[arg(long, value_name = "FILE", env = "LOVAGE_NATS_SERVER")]
    nats_server: Option<PathBuf>,
    /// Where the HTTP API and the console listen, on this machine alone; `off` for neither [default: 127.0.0.1:7710, or
    /// any free port with --port 0].
    #[arg(long, value_name = "ADDR", value_parser = http)]
    http: Option<Http>,
    /// A queue to serve, with its share; several with commas, or by giving this again [default: default].
    #[arg(long = "queue", value_name = "NAME[=WEIGHT],…", value_delimiter = ',')]
    queues: Vec<QueueShare>,
    /// Attempts at once [default: eight for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=8000))]
    concurrency: Option<u16>,
    /// Where jobs run: all in this process, or each tenant's in a process of its own [default: in-process].
    #[arg(long, value_enum, value_name = "MODE")]
    isolation: Option<Isolation>,
}

/// Where the HTTP server listens, if anywhere.
#[derive(Debug, Clone, Copy)]
enum Http {
    Off,
    At(SocketAddr),
}

fn http(text: &str) -> Result<Http, String> {
    match text {
        "off" => Ok(Http::Off),
        text => text
            .parse()
            .map(Http::At)
            .map_err(|_| format!("{text:?} is not an address such as 127.0.0.1:7710, nor off")),
    }
}

/// The usual port of the HTTP server.
const HTTP_PORT: u16 = 7710;
/// How often the server is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn main(args: DevArgs, output: Output) -> Result<Exit, Failure> {
    telemetry::start(LogFormat::Text, "warn,async_nats=error");
    let mut stops = Stops::new()?;
    let dir = args.dir.clone().map_or_else(default_dir, Ok)?;
    std::fs::create_dir_all(&dir).or_exit(Exit::Host)?;
    let keys = secret::dev_keys(&dir)?;
    let (wanted, port) = (args.nats_server.clone(), args.port);
    let started = tokio::task::spawn_blocking(move || start_server(wanted, dir, port));
    let (mut server, operator) = started.await.or_exit(Exit::Host)??;
    let served = run((&args, &keys), (&mut server, operator), &mut stops, output).await;
    // the worker is gone; now the server, whatever happened
    let stopped = tokio::task::spawn_blocking(move || server.stop()).await.or_exit(Exit::Host)?;
    let exit = served?;
    stopped.or_exit(Exit::Host)?;
    Ok(exit)
}

fn default_dir() -> Result<PathBuf, Failure> {
    let home = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
    let missing = || Failure::new(Exit::Host, "there is no home directory").hint("give --dir DIR");
    Ok(home.ok_or_else(missing)?.join("lovage/dev"))
}

fn start_server(wanted: Option<PathBuf>, dir: PathBuf, port: u16) -> Result<(Running, OperatorUser), Failure> {
    let binary = server::find(wanted.as_deref()).or_exit(Exit::Host)?;
    let port = (port != 0).then_some(port);
    // Ctrl-C must reach this process alone: the worker drains before the server stops
    let operator = users::prepare(&dir)?;
    let extra = users::INCLUDE.to_owned();
    let options = StartOptions { port, process_group: ProcessGroup::Own, extra, ..StartOptions::new(dir) };
    let server = server::start(&binary, options).map_err(|error| {
        Failure::new(Exit::Host, error).hint("--port N takes another port (0 any free one), --dir DIR another folder")
    })?;
    Ok((server, operator))
}

async fn run(
    (args, keys): (&DevArgs, &Path),
    (server, operator): (&mut Running, OperatorUser),
    stops: &mut Stops,
    output: Output,
) -> Result<Exit, Failure> {
    let worker_args = WorkerArgs::of_dev(args.queues.clone(), args.concurrency, args.isolation);
    let mut options = worker_options(&worker_args)?;
    options.keys = secret::worker_keys(Some(keys))?;
    let traces = Traces::start("lovage-dev", None).or_exit(Exit::Usage)?;
    options.traces = traces.clone();
    let connect = ConnectOptions { servers: server.url(), name: "lovage-dev".to_owned(), ..ConnectOptions::default() };
    let client = lovage_client::connect(&connect).await.map_err(connect_failure)?;
    let worker = Worker::start(options, client.clone(), connections(client)).await.or_exit(Exit::Broker)?;
    let mut users = Users::follow(server.store_dir(), operator, worker.tenants());
    users.apply(server)?;
    let connect = ConnectOptions { name: "lovage-dev-http".to_owned(), ..connect };
    let history = DatabaseUrl::sqlite(server.store_dir().join("history.db"));
    let http = match args.http {
        Some(Http::Off) => None,
        Some(Http::At(address)) => Some(serve::dev(address, connect, worker.metrics(), history).await?),
        None => {
            let port = if args.port == 0 { 0 } else { HTTP_PORT };
            Some(serve::dev((Ipv4Addr::LOCALHOST, port).into(), connect, worker.metrics(), history).await?)
        }
    };
    tell(server, http.as_ref().map(HttpServer::url), keys, output)?;
    let died = loop {
        tokio::select! {
            () = users.changed() => if let Err(failure) = users.apply(server) {
                // the users before stay; the server goes on
                output.note(&format!("the users of tenants are not up to date: {}", failure.message));
            },
            () = stops.next() => break None,
            () = worker.told_to_drain() => break None,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if let Some(status) = server.ended().or_exit(Exit::Host)? {
            break Some(format!("nats-server ended by itself ({status}): {}", server.log_tail()));
        }
        if http.as_ref().is_some_and(HttpServer::has_ended) {
            break Some("the HTTP server ended by itself; its log says why".to_owned());
        }
    };
    output.note("stopping");
    if let Some(http) = http {
        http.stop().await;
    }
    worker.stop(stops.next()).await;
    if let Some(traces) = traces {
        traces.stop().await;
    }
    match died {
        None => Ok(Exit::Done),
        Some(reason) => Err(Failure::new(Exit::Host, reason)),
    }
}

fn tell(server: &Running, http: Option<&str>, keys: &Path, output: Output) -> Result<(), Failure> {
    let url = server.url();
    if output.json {
        return output.value(&serde_json::json!({
            "url": url, "http": http, "pid": server.pid(), "dir": server.store_dir(), "tenant": "default",
            "key_file": keys,
        }));
    }
    let program = compiler_program().map_or_else(|_| "lovage".to_owned(), |(path, _)| path.display().to_string());
    let set = if server.port() == 4222 { String::new() } else { format!("  export NATS_URL={url}\n") };
    let page = http.map_or_else(String::new, |http| format!("            console and HTTP API at {http}\n"));
    output.line(&format!(
        "lovage dev: NATS at {url}, one worker, streams in {}\n{page}\n\
         In another terminal:\n\
         {set}  {program} new hello && cd hello && cargo build --release --target wasm32-wasip2\n  \
           {program} push target/wasm32-wasip2/release/hello.wasm\n  \
           {program} task list\n  \
           {program} watch\n\n\
         Any NATS client can publish a job; its result is the value of its id in the bucket results-default:\n  \
           nats pub lovage.default.job.default.<task>.<job id> '<JSON>'\n  \
           {program} job wait <job id>\n\n\
         Whoever connects without credentials is the operator; this machine alone can. A tenant of its own:\n  \
           {program} tenant add acme\n\n\
         Secrets of tasks:\n  \
           {program} secret set NAME --key-file {}\n\n\
         Ctrl-C stops all of it; what is stored stays.",
        server.store_dir().display(),
        keys.display(),
    ))
}

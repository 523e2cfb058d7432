//! `lovage serve`: the HTTP API and the console.

use super::compile::compiler_program;
use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::history::KeepArgs;
use super::worker::{Stops, default_cache};
use super::{Exit, Failure, Output};
use crate::history::WriterOptions;
use crate::http::limits::Allowed;
use crate::http::{HttpOptions, HttpServer, ServeError, TlsFiles};
use crate::telemetry::{self, LogFormat, Source};
use clap::Args;
use lovage_client::ConnectOptions;
use lovage_history::DatabaseUrl;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether the server ended by itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Serve the HTTP API and the console, until told to stop.
///
/// Callers need tokens: `lovage token add`. On an address that other machines reach it speaks TLS, or a proxy in front does.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7710")]
    http: SocketAddr,
    /// The chain of certificates for TLS, in PEM; read again on SIGHUP.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A proxy in front ends TLS and passes on what callers send; what it says of the host is believed.
    #[arg(long, conflicts_with = "tls_cert")]
    behind_proxy: bool,
    /// The database of the history, which this server writes and reads: sqlite:FILE, postgres://… or mysql://….
    #[arg(long, value_name = "URL", env = "LOVAGE_HISTORY", hide_env_values = true)]
    history: Option<DatabaseUrl>,
    #[command(flatten)]
    history_keep: KeepArgs,
    #[command(flatten)]
    allowed: AllowedArgs,
    /// Where uploaded components are compiled to [default: the user's cache].
    #[arg(long, value_name = "DIR", env = "LOVAGE_CACHE")]
    cache_dir: Option<PathBuf>,
    /// Tell numbers of each tenant at /metrics: of the busiest so many, and of all others together.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "200",
        value_parser = clap::value_parser!(u16).range(1..=10_000))]
    metrics_per_tenant: Option<u16>,
    /// How log lines are written.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

/// What each token may do.
#[derive(Debug, Args)]
pub(super) struct AllowedArgs {
    /// Requests of one token in a second.
    #[arg(long, value_name = "N", default_value = "100")]
    rate: NonZeroU32,
    /// Requests of one token at once.
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u16).range(1..))]
    at_once: u16,
    /// Streams of events of one token that are open.
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u16).range(1..))]
    streams: u16,
}

impl AllowedArgs {
    pub(super) fn allowed(&self) -> Allowed {
        let Self { rate, at_once, streams } = *self;
        Allowed { rate, at_once: at_once.into(), streams: streams.into(), ..Allowed::default() }
    }
}

pub(super) async fn main(args: ServeArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    telemetry::start(args.log_format, "info,async_nats=error");
    let mut stops = Stops::new()?;
    let connect = connection.options("lovage-serve")?;
    let tls = match (args.tls_cert, args.tls_key) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        _ => None,
    };
    let options = HttpOptions {
        listen: args.http,
        tls,
        behind_proxy: args.behind_proxy,
        open: false,
        allowed: args.allowed.allowed(),
        connect,
        history: args.history,
        history_writer: args.history_keep.options(),
        uploads: uploads(args.cache_dir)?,
        sources: Vec::new(),
        metrics_tenants: args.metrics_per_tenant.map(usize::from),
    };
    let server = HttpServer::start(options).await.map_err(failure)?;
    tell(&server, output)?;
    loop {
        tokio::select! {
            () = stops.next() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if server.has_ended() {
            return Err(Failure::new(Exit::Host, "the HTTP server ended by itself; its log says why"));
        }
    }
    server.stop().await;
    Ok(Exit::Done)
}

fn tell(server: &HttpServer, output: Output) -> Result<(), Failure> {
    match output.json {
        true => output.value(&serde_json::json!({ "url": server.url() })),
        false => output.line(&format!("lovage serve: {}", server.url())),
    }
}

/// Where uploaded components are compiled to, and what compiles them.
pub(super) fn uploads(cache: Option<PathBuf>) -> Result<(PathBuf, (PathBuf, Vec<std::ffi::OsString>)), Failure> {
    Ok((cache.map_or_else(default_cache, Ok)?, compiler_program().or_exit(Exit::Host)?))
}

/// The server of `lovage dev`: whoever sits at this machine may do everything.
pub(super) async fn dev(
    listen: SocketAddr,
    connect: ConnectOptions,
    worker: Arc<dyn Source>,
    history: DatabaseUrl,
) -> Result<HttpServer, Failure> {
    let options = HttpOptions {
        listen,
        tls: None,
        behind_proxy: false,
        open: true,
        allowed: Allowed { rate: NonZeroU32::MIN.saturating_add(9_999), ..Allowed::default() },
        connect,
        history: Some(history),
        history_writer: WriterOptions::default(),
        uploads: uploads(None)?,
        sources: vec![worker],
        metrics_tenants: None,
    };
    HttpServer::start(options).await.map_err(failure)
}

fn failure(error: ServeError) -> Failure {
    let exit = match &error {
        ServeError::Listen(_) | ServeError::Tls(_) => Exit::Usage,
        ServeError::Bind { .. } | ServeError::Host(_) => Exit::Host,
        ServeError::Connect(_) | ServeError::Topology(_) | ServeError::Broker(_) => Exit::Broker,
    };
    let hint = match &error {
        ServeError::Bind { .. } => Some("--http ADDR takes another address; port 0 is any free one"),
        _ => None,
    };
    let failure = Failure::new(exit, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

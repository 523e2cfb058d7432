//! The server on a thread and a runtime of its own, so that it answers while guests burn the processor and while the
//! worker beside it is busy.

use super::auth::{Auth, Book, Door, Names};
use super::limits::{Allowed, Limits};
use super::listen::{self, ListenError, Wish};
use super::past::Past;
use super::site::{Parts, Site};
use super::tls::{self, TlsError, TlsFiles};
use super::upload::Uploads;
use crate::clock::now;
use crate::history::{Writer, WriterOptions};
use crate::nats::tokens::Tokens;
use crate::nats::topology::{self, TopologyConfig, TopologyError};
use crate::ports::BrokerError;
use crate::telemetry::cluster::Cluster;
use crate::telemetry::{Metrics, Source};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use lovage_client::{ConnectError, ConnectOptions};
use lovage_history::DatabaseUrl;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Threads of the server.
const THREADS: usize = 2;
/// How long the head of a request may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long requests may go on once the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How the server is started.
#[derive(Clone)]
pub struct HttpOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The certificate, where it speaks TLS by itself.
    pub tls: Option<TlsFiles>,
    /// Whether a proxy that ends TLS is in front.
    pub behind_proxy: bool,
    /// Whether callers without a token may do everything: on loopback alone.
    pub open: bool,
    /// What callers are allowed.
    pub allowed: Allowed,
    /// The broker.
    pub connect: ConnectOptions,
    /// The history, where one is kept.
    pub history: Option<DatabaseUrl>,
    /// How it is written.
    pub history_writer: WriterOptions,
    /// Where components that are uploaded are compiled to, and what compiles them.
    pub uploads: (std::path::PathBuf, (std::path::PathBuf, Vec<std::ffi::OsString>)),
    /// What tells its numbers beside the cluster, such as a worker of the same process.
    pub sources: Vec<Arc<dyn Source>>,
    /// How many tenants have numbers of their own, where any do.
    pub metrics_tenants: Option<usize>,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It must not listen there.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It cannot listen there.
    #[error("cannot listen on {address}: {reason}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why not.
        reason: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No connection to the broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The broker lacks something that cannot be made.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The broker does not answer.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// This machine does not give what is needed.
    #[error("the server does not start: {0}")]
    Host(#[from] std::io::Error),
}

/// A running server.
#[derive(Debug)]
pub struct HttpServer {
    thread: JoinHandle<()>,
    stop: CancellationToken,
    url: String,
}

impl HttpServer {
    /// Starts it; returns once it answers.
    pub async fn start(options: HttpOptions) -> Result<Self, ServeError> {
        listen::check(options.wish())?;
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let stop = CancellationToken::new();
        let (started, ready) = oneshot::channel();
        let (ending, runtime) = (stop.clone(), runtime()?);
        let thread = std::thread::Builder::new().name("lovage-http".to_owned()).spawn(move || {
            runtime.block_on(run(options, started, ending));
            // what does not end by itself is of no use any more
            runtime.shutdown_timeout(Duration::from_secs(1));
        })?;
        let address = ready.await.unwrap_or_else(|_| Err(std::io::Error::other("its thread ended").into()))?;
        Ok(Self { thread, stop, url: format!("{scheme}://{address}") })
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it has ended by itself, which it does not do in order.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends streams, lets requests come to their end for a moment, and stops.
    pub async fn stop(self) {
        self.stop.cancel();
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread of the HTTP server did not end in order");
        }
    }
}

impl HttpOptions {
    fn wish(&self) -> Wish {
        let Self { listen, open, behind_proxy, .. } = *self;
        Wish { listen, open, tls: self.tls.is_some(), behind_proxy }
    }

    fn door(&self) -> Door {
        Door {
            open: self.open,
            names: if self.open { Names::Loopback } else { Names::Any },
            secure: self.tls.is_some() || self.behind_proxy,
            behind_proxy: self.behind_proxy,
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).thread_name("lovage-http").enable_all().build()
}

async fn run(options: HttpOptions, started: oneshot::Sender<Result<SocketAddr, ServeError>>, stop: CancellationToken) {
    let prepared = prepare(&options, &stop).await;
    let (site, listener, tls, writer) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let _who_started_it_is_gone = started.send(Err(error));
            return;
        }
    };
    let address = listener.local_addr().map_err(ServeError::from);
    if started.send(address).is_err() {
        return;
    }
    if let Err(error) = serve(&options, site, listener, tls, stop).await {
        tracing::error!(error = %error, "the HTTP server ended");
    }
    if let Some(writer) = writer {
        writer.stop().await;
    }
}

type Prepared = (Arc<Site>, std::net::TcpListener, Option<RustlsConfig>, Option<Writer>);

async fn prepare(options: &HttpOptions, stop: &CancellationToken) -> Result<Prepared, ServeError> {
    let tls = options.tls.as_ref().map(TlsFiles::read).transpose()?.map(RustlsConfig::from_config);
    let nats = lovage_client::connect(&options.connect).await?;
    let js = async_nats::jetstream::new(nats.clone());
    topology::ensure_shared(&js, TopologyConfig::default()).await?;
    let tokens = Tokens::open(&js).await?;
    let book = Arc::new(Book::default());
    let (caught_up, ready) = oneshot::channel();
    let told = book.clone();
    tokio::spawn(tokens.clone().follow(stop.clone(), caught_up, move |change| told.apply(change)));
    let silent = |_| BrokerError("the bucket of tokens cannot be followed".to_owned());
    ready.await.map_err(silent)?;
    listen::check_tokens(options.wish(), book.has_tokens(now()))?;
    let listener = tokio::net::TcpListener::bind(options.listen).await;
    let listener = listener.map_err(|reason| ServeError::Bind { address: options.listen, reason })?.into_std()?;
    let (cache, compiler) = options.uploads.clone();
    let mut cluster = Cluster::new(nats.clone(), options.metrics_tenants);
    let start = |url: &DatabaseUrl| Writer::start_at(js.clone(), url.clone(), options.history_writer.clone());
    let writer = options.history.as_ref().map(start);
    if let Some(writer) = &writer {
        let lag = writer.watch();
        cluster = cluster.with_history_lag(Arc::new(move || Some(lag().age(now()))));
    }
    let metrics = Metrics::new(options.sources.clone()).with_cluster(Arc::new(cluster));
    let site = Site::new(Parts {
        nats,
        auth: Auth { book, tokens, door: options.door() },
        limits: Limits::new(options.allowed),
        uploads: Uploads::new(cache, compiler),
        metrics,
        past: Past::new(options.history.clone()),
        stop: stop.clone(),
    });
    Ok((Arc::new(site), listener, tls, writer))
}

async fn serve(
    options: &HttpOptions,
    site: Arc<Site>,
    listener: std::net::TcpListener,
    tls: Option<RustlsConfig>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let handle = Handle::new();
    let ending = handle.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        ending.graceful_shutdown(Some(STOP_WITHIN));
    });
    let service = super::router(site).into_make_service_with_connect_info::<SocketAddr>();
    match (tls, options.tls.clone()) {
        (Some(config), Some(files)) => {
            let mut hangups = signal(SignalKind::hangup())?;
            let reloaded = config.clone();
            // ends with the runtime
            tokio::spawn(async move {
                while hangups.recv().await.is_some() {
                    tls::reload(&files, &reloaded);
                }
            });
            let mut server = axum_server::from_tcp_rustls(listener, config)?.http1_only().handle(handle);
            server = server.first_request_timeout(HEAD_WITHIN);
            server.http_builder().http1().header_read_timeout(HEAD_WITHIN);
            server.serve(service).await
        }
        _ => {
            let mut server = axum_server::from_tcp(listener)?.http1_only().handle(handle);
            server = server.first_request_timeout(HEAD_WITHIN);
            server.http_builder().http1().header_read_timeout(HEAD_WITHIN);
            server.serve(service).await
        }
    }
}

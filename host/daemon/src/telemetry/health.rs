//! A worker's health port: `/livez`, `/readyz` and `/metrics`, on a thread and a runtime of its own, so that it answers
//! while guests burn every core and the broker is away.
//!
//! It tells numbers and states, never payloads, names of jobs or secrets; and it takes nothing: any request but these is
//! refused. It asks for no credentials, so it listens where the operator says and nowhere else.

use super::{Format, Metrics, WorkerMetrics};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::limit::ConcurrencyLimitLayer;
use tower_http::timeout::TimeoutLayer;

/// Requests that are answered at once; more wait.
const REQUESTS_AT_ONCE: usize = 16;
/// The longest that an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What the port is served from.
#[derive(Debug, Clone)]
struct Health {
    worker: Arc<WorkerMetrics>,
    metrics: Metrics,
}

/// A health port that is served; it ends with [`HealthPort::stop`].
#[derive(Debug)]
pub struct HealthPort {
    address: SocketAddr,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

/// Why there is no health port.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The address cannot be had.
    #[error("the health port cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The machine gives no thread or runtime.
    #[error("the health port cannot start: {0}")]
    Start(#[from] std::io::Error),
}

impl HealthPort {
    /// Serves a worker's health on an address; port 0 takes any free one.
    pub fn start(address: SocketAddr, worker: Arc<WorkerMetrics>) -> Result<Self, HealthError> {
        let listen = |source| HealthError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let stop = CancellationToken::new();
        let routes = routes(Health { metrics: Metrics::new(vec![worker.clone()]), worker });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stopped = stop.clone().cancelled_owned();
        let thread = std::thread::Builder::new().name("health".to_owned()).spawn(move || {
            let served = runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                tokio::select! {
                    served = axum::serve(listener, routes).into_future() => served,
                    // whoever is being answered at the end is cut off
                    () = stopped => Ok(()),
                }
            });
            if let Err(error) = served {
                tracing::error!(error = %error, "the health port ended");
            }
        })?;
        Ok(Self { address, stop, thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it. Blocks for a moment.
    pub fn stop(self) {
        self.stop.cancel();
        if self.thread.join().is_err() {
            tracing::error!("the health port did not end in order");
        }
    }
}

fn routes(health: Health) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_WITHIN))
        .layer(ConcurrencyLimitLayer::new(REQUESTS_AT_ONCE))
}

async fn livez(State(health): State<Health>) -> Response {
    told(health.worker.dead())
}

async fn readyz(State(health): State<Health>) -> Response {
    told(health.worker.unready())
}

fn told(fault: Option<String>) -> Response {
    match fault {
        None => "ok\n".into_response(),
        Some(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")).into_response(),
    }
}

async fn metrics(State(health): State<Health>, headers: HeaderMap) -> Response {
    scraped(&health.metrics, &headers).await
}

/// The answer to a scrape, in the format that its `Accept` header asks for.
pub async fn scraped(metrics: &Metrics, headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept);
    match metrics.text(format).await {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

//! Requests of tasks to other hosts. What a guest asks for is checked whole before a name is resolved; every address of
//! the host is checked after; and the connection goes to an address that was checked, with no second look-up. Knows
//! HTTP and TLS and nothing of the broker.
//!
//! ```text
//! HttpAsk -> check (grants, form) -> resolve (addresses) -> connect -> exchange (caps) -> HttpAnswer
//! ```

pub(crate) mod address;
mod attempt;
mod check;
mod exchange;
mod resolve;
mod wire;

pub use attempt::AttemptEgress;
pub use resolve::Names;

use check::Checked;
use lovage_sandbox::{HttpAnswer, HttpFault};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use tokio_rustls::rustls::ClientConfig;
use tokio_util::task::AbortOnDropHandle;

/// A request that was not made, or has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: HttpFault,
    pub(crate) reason: String,
}

impl Fault {
    fn new(kind: HttpFault, reason: impl fmt::Display) -> Self {
        Self { kind, reason: reason.to_string() }
    }
}

/// Makes requests for the tasks of a worker. Clones share what they have loaded.
#[derive(Debug, Clone)]
pub struct Egress {
    /// Where requests run: guests must not wait for them, nor they for guests.
    runtime: tokio::runtime::Handle,
    names: Names,
    allow_private: bool,
    tls: Arc<OnceLock<Result<Arc<ClientConfig>, String>>>,
}

impl Egress {
    /// Egress that runs on `runtime`. Only with `allow_private` it goes to addresses that are not public.
    pub fn new(runtime: tokio::runtime::Handle, names: Names, allow_private: bool) -> Self {
        Self { runtime, names, allow_private, tls: Arc::default() }
    }

    /// Makes a checked request; bytes on the wire are added to `used` as they go. Dropping the future ends it.
    async fn send(&self, request: Checked, used: Arc<AtomicU64>, room: u64) -> Result<HttpAnswer, Fault> {
        let egress = self.clone();
        let task = self.runtime.spawn(async move {
            let sent = tokio::time::timeout(exchange::REQUEST_WITHIN, egress.send_here(request, used, room)).await;
            let late = || format!("the request took longer than {:?}", exchange::REQUEST_WITHIN);
            sent.unwrap_or_else(|_| Err(Fault::new(HttpFault::ReadTimeout, late())))
        });
        let ended = AbortOnDropHandle::new(task).await;
        ended.unwrap_or_else(|_| Err(Fault::new(HttpFault::Internal, "the worker failed while it made the request")))
    }

    async fn send_here(&self, request: Checked, used: Arc<AtomicU64>, room: u64) -> Result<HttpAnswer, Fault> {
        let config = match request.to.tls {
            true => {
                let loaded = self.tls.get_or_init(crate::outgoing::tls).clone();
                Some(loaded.map_err(|error| Fault::new(HttpFault::Tls, error))?)
            }
            false => None,
        };
        let connect = async {
            let address = self.names.vetted(&request.to, self.allow_private).await?;
            exchange::connect(address, &request.to, config, used, room).await
        };
        let connected = tokio::time::timeout(request.connect_within, connect).await;
        let late = |_| Fault::new(HttpFault::ConnectTimeout, format!("no connection to {} in time", request.to));
        let stream = connected.map_err(late)??;
        exchange::exchange(stream, request).await
    }
}

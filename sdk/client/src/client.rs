//! The client: a connection, a tenant, and what it remembers to be quick.

use crate::connect::{ConnectError, ConnectOptions, Who, connect_link};
use crate::input::InputCache;
use crate::link::{Link, Refusals};
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an asset that did not answer is left alone: long enough that a user without the right to read it does not
/// wait for nothing each time, short enough for a broker that was electing a leader.
pub(crate) const REST: Duration = Duration::from_secs(15);

/// A connection to the jobs of one tenant. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Client {
    pub(crate) nats: Link,
    pub(crate) jetstream: async_nats::jetstream::Context,
    pub(crate) tenant: TenantName,
    pub(crate) memory: Arc<Memory>,
}

/// What the clones of a client share.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) inputs: InputCache,
    pub(crate) schedules: Gate,
    pub(crate) lots: Gate,
}

impl Client {
    /// Works for `tenant` over a connection that is there already.
    pub fn new(nats: async_nats::Client, tenant: TenantName) -> Self {
        Self::over(Link::new(nats, Refusals::default()), tenant)
    }

    fn over(nats: Link, tenant: TenantName) -> Self {
        let jetstream = async_nats::jetstream::new((*nats).clone());
        Self { nats, jetstream, tenant, memory: Arc::new(Memory::default()) }
    }

    /// Connects and works for `tenant`.
    pub async fn connect(options: &ConnectOptions, tenant: TenantName) -> Result<Self, ConnectError> {
        Ok(Self::over(connect_link(options, Who::Anyone).await?, tenant))
    }

    /// Connects as an operator and works for `tenant`; a user without an operator's rights is told so at once.
    pub async fn connect_operator(options: &ConnectOptions, tenant: TenantName) -> Result<Self, ConnectError> {
        Ok(Self::over(connect_link(options, Who::Operator).await?, tenant))
    }

    /// Whose jobs these are.
    pub fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    /// The connection.
    pub fn nats(&self) -> &async_nats::Client {
        &self.nats
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// Whether an optional asset is worth asking.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Option<Instant>>);

impl Gate {
    /// Whether to ask.
    pub(crate) fn is_open(&self) -> bool {
        let until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| Instant::now() >= until)
    }

    /// Leaves the asset alone for so long.
    pub(crate) fn close(&self, rest: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(rest);
    }
}

/// What the clock says.
pub(crate) fn now() -> UnixMs {
    UnixMs(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0))
}

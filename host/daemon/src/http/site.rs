//! What every request of the server shares.

use super::auth::Auth;
use super::limits::Limits;
use super::past::Past;
use super::upload::Uploads;
use crate::telemetry::Metrics;
use async_nats::jetstream;
use lovage_client::Client;
use lovage_job::name::TenantName;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Clients that are kept; above it they are made anew.
const CLIENTS_MAX: usize = 1_000;

/// The state of a server.
pub struct Site {
    /// The operator's connection.
    pub nats: async_nats::Client,
    /// The same connection, for streams and buckets.
    pub js: jetstream::Context,
    /// Who may do what.
    pub auth: Auth,
    /// How much at once, and how often.
    pub limits: Limits,
    /// What checks components that are uploaded.
    pub uploads: Uploads,
    /// The numbers of the cluster, and of a worker beside it.
    pub metrics: Metrics,
    /// Jobs that ended.
    pub past: Past,
    /// Ends what runs beside requests, and streams that are open.
    pub stop: CancellationToken,
    clients: Mutex<HashMap<TenantName, Client>>,
}

/// What a site is made of.
pub struct Parts {
    /// The operator's connection.
    pub nats: async_nats::Client,
    /// Who may do what.
    pub auth: Auth,
    /// How much at once, and how often.
    pub limits: Limits,
    /// What checks components that are uploaded.
    pub uploads: Uploads,
    /// The numbers of the cluster, and of a worker beside it.
    pub metrics: Metrics,
    /// Jobs that ended.
    pub past: Past,
    /// Ends what runs beside requests.
    pub stop: CancellationToken,
}

impl Site {
    /// A site on a connection.
    pub fn new(parts: Parts) -> Self {
        let Parts { nats, auth, limits, uploads, metrics, past, stop } = parts;
        let js = jetstream::new(nats.clone());
        Self { nats, js, auth, limits, uploads, metrics, past, stop, clients: Mutex::default() }
    }

    /// The client of a tenant, over the operator's connection. One that was made is kept: it remembers what tasks take.
    pub fn client_of(&self, tenant: &TenantName) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(tenant) {
            return client.clone();
        }
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        let client = Client::new(self.nats.clone(), tenant.clone());
        clients.insert(tenant.clone(), client.clone());
        client
    }
}

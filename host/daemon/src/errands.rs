//! What the broker does for a guest that runs: a port beside those of the pipeline, since it goes on while an attempt
//! does. The `nats` room implements it.

use crate::ports::BrokerError;
use bytes::Bytes;
use futures::future::BoxFuture;
use lovage_client::{NewGroup, NewJob};
use lovage_job::name::{JobId, TenantName};
use std::fmt::Debug;

/// A child that was not submitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChildFault {
    /// No worker would take it.
    #[error("{0}")]
    Invalid(String),
    /// The broker did not take it, or did not say so.
    #[error("{0}")]
    Unavailable(String),
}

/// Runs errands to the broker for guests.
pub trait Errands: Send + Sync + Debug {
    /// Submits a job under its own id; true where it was there before.
    fn submit<'a>(&'a self, tenant: &'a TenantName, job: NewJob) -> BoxFuture<'a, Result<bool, ChildFault>>;
    /// Submits a group under its own id; true where it was there before. Safe to repeat.
    fn submit_group<'a>(&'a self, tenant: &'a TenantName, group: NewGroup) -> BoxFuture<'a, Result<bool, ChildFault>>;
    /// Whether there is a job of this id, in whatever state.
    fn is_known<'a>(&'a self, tenant: &'a TenantName, id: &'a JobId) -> BoxFuture<'a, Result<bool, BrokerError>>;
    /// Keeps a value for a job under a plain name; returns once the broker has confirmed it.
    fn keep<'a>(
        &'a self,
        tenant: &'a TenantName,
        id: &'a JobId,
        name: &'a str,
        value: Bytes,
    ) -> BoxFuture<'a, Result<(), BrokerError>>;
    /// The value that a job has under a name.
    fn kept<'a>(
        &'a self,
        tenant: &'a TenantName,
        id: &'a JobId,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Bytes>, BrokerError>>;
    /// Forgets what was kept for a job, once its result is there. Returns at once.
    fn forget(&self, tenant: &TenantName, id: &JobId);
}

/// The name of a job's ledger among what is kept for it; names of values are hexadecimal digits.
pub const LEDGER: &str = "ledger";

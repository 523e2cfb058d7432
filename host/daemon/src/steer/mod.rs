//! The rules of changing tasks, grants and tenants, for whoever changes them: the command line and the HTTP API. Each
//! change returns what was before and after, for the audit trail of the caller.

pub mod grants;
pub mod tasks;
pub mod tenants;

use crate::nats::records::RecordError;
use crate::nats::topology::TopologyError;
use crate::ports::BrokerError;
use lovage_job::capability::AboveCeiling;
use lovage_job::catalog::CatalogError;
use lovage_job::name::{TaskName, TenantName};
use lovage_job::signature::SignatureFault;
use lovage_job::tenant::QuotaError;

/// Why something was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SteerError {
    /// No such task.
    #[error("there is no task {task} of tenant {tenant}")]
    NoTask {
        /// Whose.
        tenant: TenantName,
        /// What was asked for.
        task: TaskName,
    },
    /// The catalogue does not allow it.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The tenant's policy does not let the version run.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    /// The tenant's ceiling is lower.
    #[error(transparent)]
    AboveCeiling(#[from] AboveCeiling),
    /// The quota makes no sense.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// The name is the platform's own.
    #[error("the name {0} is the platform's own")]
    Reserved(TenantName),
    /// The tenant of whoever names none stays.
    #[error("tenant {0} stays: it is that of whoever names none, and workers make it")]
    Stays(TenantName),
    /// A record cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The broker does not make what is needed.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed<T> {
    /// What was there before.
    pub before: Option<T>,
    /// What is there since.
    pub after: T,
}

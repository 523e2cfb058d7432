//! Why a push is refused.

use super::super::signing::UnsignedError;
use crate::ports::BrokerError;
use lovage_job::capability::{AboveCeiling, Missing};
use lovage_job::catalog::{AliasError, CatalogError, Shape};
use lovage_job::name::{TaskName, TenantName};
use lovage_job::unit::ByteSize;
use lovage_sandbox::{CompileError, DescribeError, InspectError, SandboxError};

/// A push that was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The file is not a component that can run.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// It does not compile, or not within limits.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It does not describe its tasks.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// It cannot be linked.
    #[error("the component cannot be linked: {0}")]
    Link(String),
    /// The engine does not start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Several tasks and one name.
    #[error("the component has {count} tasks ({names}), so a name alone is not enough: choose one with --export")]
    NameForMany {
        /// How many.
        count: usize,
        /// Their names.
        names: String,
    },
    /// A name that workers keep for themselves.
    #[error("task name {0} is that of the task which delivers webhooks; choose another with --name")]
    Reserved(TaskName),
    /// No such task in the component.
    #[error("the component has no task {wanted:?}; it has {names}")]
    NoExport {
        /// What was asked for.
        wanted: String,
        /// What there is.
        names: String,
    },
    /// Arguments for something that is no program.
    #[error("arguments and environment are for programs (wasi:cli), and {task} is a {shape}")]
    NotAProgram {
        /// The task.
        task: TaskName,
        /// Its shape.
        shape: Shape,
    },
    /// It needs a grant.
    #[error(
        "the component imports {}, and task {task} is not granted {}: if it may do that, push it with --allow {}",
        .missing.interface, .missing.kind, .missing.kind.form()
    )]
    NotGranted {
        /// The task.
        task: TaskName,
        /// What is missing.
        missing: Missing,
    },
    /// It would be granted more than its tenant may have.
    #[error(transparent)]
    AboveCeiling(#[from] AboveCeiling),
    /// A soft timeout without effect.
    #[error("task {task}: {reason}")]
    SoftTimeout {
        /// The task.
        task: TaskName,
        /// What is wrong.
        reason: String,
    },
    /// The schema of the input cannot be used.
    #[error("task {task}: {reason}")]
    Schema {
        /// The task.
        task: TaskName,
        /// What is wrong.
        reason: String,
    },
    /// It is not signed as the tenant's policy asks.
    #[error(transparent)]
    Unsigned(#[from] UnsignedError),
    /// The component is larger than the tenant's may be.
    #[error(
        "the component has {size} bytes, and those of tenant {tenant} may have {most}: make it smaller, or have the quota raised"
    )]
    OverComponentSize {
        /// The tenant.
        tenant: TenantName,
        /// Its size in bytes.
        size: u64,
        /// The most.
        most: ByteSize,
    },
    /// The tenant has as many components as it may.
    #[error(
        "tenant {tenant} has {most} components, as many as it may: remove versions with `lovage task`, or have the quota raised"
    )]
    TooManyComponents {
        /// The tenant.
        tenant: TenantName,
        /// The most.
        most: u64,
    },
    /// The catalogue refuses.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The alias makes no sense.
    #[error(transparent)]
    Alias(#[from] AliasError),
    /// The broker failed; a retry is useful.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

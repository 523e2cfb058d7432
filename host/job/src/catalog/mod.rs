//! The catalogue: what a tenant has pushed, and which version each alias names.
//!
//! The records here are the values of the bucket `catalog`. A [`TaskRecord`] lists versions and aliases; the bulk of
//! a version (schemas, limits) is in a [`VersionRecord`] of its own, which is never changed once written.

mod alias;
mod export;
mod provenance;
mod task;
mod version;

pub use alias::{AliasError, AliasMove, AliasTarget, AliasTargets};
pub use export::{BodyType, Encoding, Entry, Export, Shape};
pub use provenance::{Provenance, STATEMENT_BYTES_MAX, Source, Statement, StatementError};
pub use task::{CatalogError, TaskRecord};
pub use version::{VersionEntry, VersionRecord, VersionRef};

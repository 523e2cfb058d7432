//! What a guest may do beyond its sandbox, a module for each capability. Each has three phases:
//!
//! ```text
//! init      once for each engine: its functions are put into the linker, for everybody
//! validate  once for each version: what a component imports against what its task is granted, alone
//!           (`lovage_job::capability`, since it needs no engine)
//! prepare   once for each attempt: what this guest may use, how often, and with how much memory of the host
//! ```
//!
//! Nothing is granted by being linked: each call asks what was prepared, and then the worker, which checks again.

mod bindings;
mod blob;
mod blobstore;
pub(crate) mod clocks;
mod config;
mod keyvalue;
pub(crate) mod prepared;
pub(crate) mod scratch;
mod secrets;

use crate::attempt::cell::Cell;
use wasmtime::component::Linker;

/// Puts the functions of every capability into a linker.
pub(crate) fn init(linker: &mut Linker<Cell>) -> wasmtime::Result<()> {
    keyvalue::init(linker)?;
    blobstore::init(linker)?;
    config::init(linker)?;
    secrets::init(linker)
}

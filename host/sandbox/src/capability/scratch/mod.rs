//! The scratch folder: an empty folder `/scratch` that a task can be granted, in memory and under a quota.
//!
//! All of `wasi:filesystem` that a guest sees is here. No file of the host is ever touched, so there is no path, link
//! or race by which a guest could reach one. A tree belongs to one attempt and is gone with it.
//!
//! ```text
//! preopen      the one folder that is open at first        descriptor   the guest's handles, as WASI says
//! tree         nodes and names                             change       make, remove, rename
//! content      the bytes of a file                         space        the quota and the worker's memory
//! ```

mod bytes;
mod change;
mod content;
mod descriptor;
mod folder;
mod handle;
mod listing;
mod node;
mod path;
mod preopen;
mod space;
mod stream;
mod tree;

pub(crate) use folder::Folder;
pub(crate) use preopen::{SCRATCH_PATH, ScratchView, add_to_linker};

#[cfg(test)]
mod tree_tests;

//! Components in registries: taken from and brought to one that speaks the OCI distribution protocol, as artefacts of
//! the common layout for WebAssembly. A registry is not trusted: what it names is bounded before it is read, and what it
//! sends is checked against the digest that named it.

mod artefact;
mod challenge;
mod client;
mod cosign;
mod credentials;
mod error;
mod http;
mod manifest;
mod reference;

pub use artefact::{Described, Exported, Imported, export, import};
pub use client::{Access, Registry};
pub use cosign::{CosignKey, CosignKeyError, verify as verify_cosign};
pub use credentials::Login;
pub use error::OciError;
pub use reference::{Reference, ReferenceError, Target};

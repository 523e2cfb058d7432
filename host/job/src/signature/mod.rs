//! Signatures of components: what is signed, by whom, and whether a tenant's policy lets it run.
//!
//! Signatures are minisign's (Ed25519 over the BLAKE2b-512 of the message), so keys and signatures are files that
//! `minisign` reads and makes too. A signature is of a [`Claim`]: it holds for one component under one version of one
//! task of one tenant and for nothing else.

mod claim;
mod fault;
mod key;
mod sign;
mod verify;

pub use claim::Claim;
pub use fault::SignatureFault;
pub use key::{KeyId, PublicKey, TrustedKeyError};
pub use sign::{SIGNATURE_BYTES_MAX, Signature, SignatureTextError};
pub use verify::{SIGNATURES_MAX, SignedBy, verify};

#[cfg(test)]
mod verify_tests;

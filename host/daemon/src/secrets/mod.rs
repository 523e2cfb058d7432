//! Secrets at rest: keys that only workers and the operator have, and values that only such a key opens.

mod error;
mod key;
mod seal;

pub use error::SecretError;
pub use key::{KEY_VARIABLE, KeyRing, MasterKey};
pub use seal::{SealedSecret, open, seal};

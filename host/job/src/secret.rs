//! The value of a secret, in a type that nobody prints by accident.

use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// The largest value of a secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 64 << 10;
/// The shortest value that is looked for in what a task says; a shorter one is found everywhere by chance.
pub const REDACTED_BYTES_MIN: usize = 8;

/// The value of a secret. Its memory is wiped when it goes away, and `Debug` tells nothing of it, not even its length.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over a value.
    pub fn new(value: Vec<u8>) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself: for whoever hands it to its task or encrypts it.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_nothing() {
        let secret = SecretBytes::new(b"hunter2-hunter2".to_vec());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "SecretBytes Some(SecretBytes)");
        assert_eq!(secret.reveal(), b"hunter2-hunter2");
    }
}

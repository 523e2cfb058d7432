//! What can be wrong with keys and sealed values.

use std::path::PathBuf;

/// A key or value that cannot be used. Names no part of either.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file of keys cannot be read or written.
    #[error("key file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the file of keys.
    #[error("key file {path} can be read by everyone (mode {mode:o}); chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A line is no key.
    #[error("line {line} is no key: a key is 32 bytes as base64, as `lovage secret key new` makes them")]
    Key {
        /// Counts from 1.
        line: usize,
    },
    /// There is no key at all.
    #[error("there is no key in it")]
    Empty,
    /// The value is sealed with a key that is not here.
    #[error("it is sealed with key {0}, which is not among the keys here")]
    OtherKey(String),
    /// The record is no sealed value.
    #[error("the record is damaged")]
    Damaged,
    /// The value does not open: it was changed, or is the value of another name or tenant.
    #[error("the record was changed, or belongs to another name or tenant")]
    Tampered,
}

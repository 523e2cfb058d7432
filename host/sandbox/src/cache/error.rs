//! What goes wrong with the cache of compiled components.

use std::path::{Path, PathBuf};

/// Why the cache cannot be used, or one of its artefacts not be trusted.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder cannot be made or read.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Others could put code there.
    #[error("the cache folder {} is not safe: {reason}; compiled code is run as it is, so give it a folder of its own", path.display())]
    Unsafe {
        /// Where.
        path: PathBuf,
        /// Who could write there.
        reason: String,
    },
    /// The artefact is not what was written.
    #[error("the compiled component {} was changed since it was written; it must be compiled again", path.display())]
    Tampered {
        /// Where.
        path: PathBuf,
    },
    /// The artefact is gone.
    #[error("the compiled component {} is gone; it must be compiled again", path.display())]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// The engine's settings cannot be read.
    #[error("the compiler does not start: {message}")]
    Engine {
        /// What the engine says.
        message: String,
    },
}

impl CacheError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

//! What goes wrong with a registry.

use lovage_job::name::Digest;

/// What goes wrong with a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OciError {
    /// It cannot be reached, or does not speak the protocol.
    #[error("registry {host}: {reason}")]
    Transport {
        /// Which.
        host: String,
        /// What happened.
        reason: String,
    },
    /// It answered with something else than was asked for.
    #[error("registry {host} answered {status} to {what}{told}")]
    Status {
        /// Which.
        host: String,
        /// The status.
        status: u16,
        /// What was asked for.
        what: String,
        /// What it says about it.
        told: String,
    },
    /// It wants to know who asks.
    #[error("registry {host} asks for credentials, and {told}")]
    Unauthorized {
        /// Which.
        host: String,
        /// What is wrong with those there are.
        told: String,
    },
    /// There is no such artefact.
    #[error("there is no {0}")]
    NotFound(String),
    /// It is larger than what is accepted.
    #[error("{what} has {size} bytes, more than {max}")]
    TooLarge {
        /// What.
        what: String,
        /// Its size.
        size: u64,
        /// The most.
        max: u64,
    },
    /// The bytes are not those that were named.
    #[error("{what} has digest {actual} where {wanted} is expected")]
    Digest {
        /// What.
        what: String,
        /// What came.
        actual: Digest,
        /// What was named.
        wanted: Digest,
    },
    /// It is no component, or not in the layout for one.
    #[error("{what} is not a WebAssembly artefact: {reason}")]
    NotWasm {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
    /// It is not signed as it should be.
    #[error("cosign: {what} is not signed with {keys}: {reason}")]
    NotSigned {
        /// What.
        what: String,
        /// Whose signature there should be.
        keys: String,
        /// What there is.
        reason: String,
    },
}

impl OciError {
    /// Whether the registry or the way to it is at fault, and not what was asked for.
    pub fn is_outside(&self) -> bool {
        matches!(self, Self::Transport { .. } | Self::Status { .. } | Self::Unauthorized { .. })
    }
}

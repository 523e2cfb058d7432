//! How the demo can end before its time, and the signals that ask for it.

use std::{fmt, io, process::ExitCode};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why the demo ended before its end.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Something did not happen as the story claims.
    Failed(anyhow::Error),
    /// Something that is needed cannot be had or built.
    Unavailable(anyhow::Error),
    /// Ctrl-C, SIGTERM or a closed terminal.
    Interrupted,
}

impl Ending {
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::from(1),
            Self::Unavailable(_) => ExitCode::from(2),
            Self::Interrupted => ExitCode::from(130),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "the story failed: {error:#}"),
            Self::Unavailable(error) => write!(f, "{error:#}"),
            Self::Interrupted => f.write_str("interrupted; nothing is left running"),
        }
    }
}

/// Standard output is gone.
impl From<io::Error> for Ending {
    fn from(error: io::Error) -> Self {
        Self::Failed(anyhow::Error::new(error).context("cannot print"))
    }
}

/// The signals that stop the demo.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

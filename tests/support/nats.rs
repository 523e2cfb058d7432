//! A nats-server of a test's own.

use std::{path::Path, sync::LazyLock};

use anyhow::anyhow;
use async_nats::jetstream;
use lovage::server::{self, NatsServer, Running, StartOptions};
use tempfile::TempDir;

/// Found once per process, and fetched where none is installed.
static BINARY: LazyLock<NatsServer> = LazyLock::new(|| {
    server::find(None).unwrap_or_else(|error| panic!("{error}; {}", error.hint().unwrap_or_default()))
});

/// Finds a nats-server, and fetches one where none is installed.
///
/// # Errors
/// There is none and none can be fetched; the second line says what to do.
pub fn find_nats_server() -> anyhow::Result<NatsServer> {
    server::find(None).map_err(|error| match error.hint() {
        Some(hint) => anyhow!("{error}\nhint: {hint}"),
        None => anyhow!("{error}"),
    })
}

/// A real nats-server on its own port and store folder; it ends, and its folder goes, with the test.
#[derive(Debug)]
pub struct Nats {
    // Dropped before the folder it writes to.
    running: Running,
    folder: TempDir,
}

impl Nats {
    /// Starts a server as `lovage dev` would.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts a server with options changed: `Nats::start_with(|options| options.max_payload_bytes = Some(65_536))`.
    #[must_use]
    pub fn start_with(change: impl FnOnce(&mut StartOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut options = StartOptions::new(folder.path().join("store"));
        change(&mut options);
        let running = server::start(&BINARY, options).unwrap_or_else(|error| panic!("{error}"));
        Self { running, folder }
    }

    /// Returns the program that serves, for suites that start one in their own way.
    #[must_use]
    pub fn binary() -> &'static NatsServer {
        &BINARY
    }

    #[must_use]
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// Returns the process behind it, to look at its port, its log or its end.
    #[must_use]
    pub fn running(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Returns a folder that lives as long as the server; its store is below it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Connects as a plain NATS client.
    pub async fn connect(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.unwrap_or_else(|error| panic!("{}: {error}", self.url()))
    }

    /// Connects and returns the JetStream side of the connection.
    pub async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(self.connect().await)
    }

    /// Stops the server orderly.
    pub fn stop(&mut self) {
        self.running.stop().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Kills the server as a crash would.
    pub fn kill9(&mut self) {
        self.running.kill9().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts the server again on the same port and store.
    pub fn restart(&mut self) {
        self.running.restart().unwrap_or_else(|error| panic!("{error}"));
    }
}

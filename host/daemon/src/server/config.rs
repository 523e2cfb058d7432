//! How a nats-server of ours is to run, and the configuration file that says so.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use super::error::ServerError;

/// What to start. `new` gives what `lovage dev` wants; the other fields are for tests and measurements.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// Holds the streams, and beside them the server's configuration, log, lock, pid and ports files.
    pub store_dir: PathBuf,
    /// `None` takes any free port, and keeps it over restarts.
    pub port: Option<u16>,
    pub sync_interval: SyncInterval,
    pub max_payload_bytes: Option<u64>,
    /// The most JetStream may store on disk; the server's own default is a share of the free space.
    pub store_bytes_max: Option<u64>,
    pub jetstream: JetStream,
    pub monitoring: Monitoring,
    pub process_group: ProcessGroup,
    /// Further lines of nats-server configuration, such as `authorization { … }`, taken as they are.
    pub extra: String,
    /// How long it may take until it answers; a large store takes a while to recover.
    pub ready_within: Duration,
}

/// When JetStream flushes what it acknowledged to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncInterval {
    /// Before each acknowledgement: survives a power cut.
    Always,
    /// At intervals: survives the end of the process at any time; a power cut can lose the last interval.
    Every(Duration),
}

/// Whether the server keeps streams at all; without is only for showing what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JetStream {
    On,
    Off,
}

/// Whether the server answers HTTP monitoring requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monitoring {
    Off,
    /// On a free port of 127.0.0.1, told by `Running::monitoring_url`.
    On,
}

/// Which process group the server joins, and so whether Ctrl-C in a terminal reaches it directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessGroup {
    /// The caller's: Ctrl-C ends both, even where the caller has no handler, as in a test.
    Inherited,
    /// Its own: Ctrl-C reaches only the caller, who drains its work and then stops the server.
    Own,
}

impl StartOptions {
    /// Returns options for a single node that keeps its streams in `store_dir`, on any free port.
    pub fn new(store_dir: impl Into<PathBuf>) -> Self {
        Self {
            store_dir: store_dir.into(),
            port: None,
            sync_interval: SyncInterval::Every(Duration::from_secs(1)),
            max_payload_bytes: None,
            store_bytes_max: None,
            jetstream: JetStream::On,
            monitoring: Monitoring::Off,
            process_group: ProcessGroup::Inherited,
            extra: String::new(),
            ready_within: Duration::from_secs(60),
        }
    }

    /// Writes the options as nats-server configuration.
    pub(super) fn render(&self) -> Result<String, ServerError> {
        let dir = quote(&self.store_dir)?;
        let mut text = String::from("# Written at each start of this server; changes are lost.\nhost: \"127.0.0.1\"\n");
        // Writing to a String cannot fail.
        let _ = match self.port {
            Some(port) => writeln!(text, "port: {port}"),
            None => writeln!(text, "port: -1"),
        };
        let _ = writeln!(text, "ports_file_dir: {dir}");
        let _ = writeln!(text, "pid_file: {}", quote(&self.pid_file())?);
        if let Some(bytes) = self.max_payload_bytes {
            let _ = writeln!(text, "max_payload: {bytes}");
        }
        if self.monitoring == Monitoring::On {
            text.push_str("http: \"127.0.0.1:-1\"\n");
        }
        if self.jetstream == JetStream::On {
            let _ = writeln!(text, "jetstream {{\n  store_dir: {dir}\n  sync_interval: \"{}\"", self.sync_interval());
            if let Some(bytes) = self.store_bytes_max {
                let _ = writeln!(text, "  max_file: {bytes}");
            }
            text.push_str("}\n");
        }
        text.push_str(&self.extra);
        text.push('\n');
        Ok(text)
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.store_dir.join("nats-server.conf")
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.store_dir.join("nats-server.log")
    }

    pub(super) fn lock_file(&self) -> PathBuf {
        self.store_dir.join("nats-server.lock")
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.store_dir.join("nats-server.pid")
    }

    fn sync_interval(&self) -> String {
        match self.sync_interval {
            SyncInterval::Always => "always".into(),
            SyncInterval::Every(interval) => format!("{}ms", interval.as_millis().max(1)),
        }
    }
}

/// Quotes a path for nats-server's parser, which knows backslash escapes within double quotes.
fn quote(path: &Path) -> Result<String, ServerError> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    let text = text.ok_or_else(|| ServerError::UnwritablePath { path: path.into() })?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn plain_options_give_one_node_on_loopback_with_its_streams_in_the_folder() {
        let text = StartOptions::new("/data/lovage").render().unwrap();
        assert_eq!(
            text,
            concat!(
                "# Written at each start of this server; changes are lost.\n",
                "host: \"127.0.0.1\"\n",
                "port: -1\n",
                "ports_file_dir: \"/data/lovage\"\n",
                "pid_file: \"/data/lovage/nats-server.pid\"\n",
                "jetstream {\n",
                "  store_dir: \"/data/lovage\"\n",
                "  sync_interval: \"1000ms\"\n",
                "}\n\n",
            )
        );
    }

    #[test]
    fn every_option_reaches_the_file() {
        let mut options = StartOptions::new("/d");
        options.port = Some(4222);
        options.sync_interval = SyncInterval::Always;
        options.max_payload_bytes = Some(65_536);
        options.store_bytes_max = Some(10_000_000);
        options.monitoring = Monitoring::On;
        options.extra = "authorization { token: t }".into();
        let text = options.render().unwrap();
        for line in [
            "port: 4222",
            "sync_interval: \"always\"",
            "max_payload: 65536",
            "max_file: 10000000",
            "http: ",
            "token: t",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        options.jetstream = JetStream::Off;
        assert!(!options.render().unwrap().contains("jetstream"));
    }

    #[test]
    fn folder_names_cannot_add_configuration() {
        let text = StartOptions::new("/a\"b\\c $HOME").render().unwrap();
        assert!(text.contains(r#"store_dir: "/a\"b\\c $HOME""#), "{text}");
        let error = StartOptions::new("/a\nport: 1").render().unwrap_err();
        assert!(matches!(error, ServerError::UnwritablePath { .. }), "{error}");
    }
}

//! The log file of a nats-server of ours, read back when it has to explain why it ended.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
    process::Stdio,
};

use super::{
    config::StartOptions,
    error::{ServerError, file},
};

/// A log larger than this is put aside at the next start.
const BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How many lines a person gets to see in an error.
const LINES: usize = 4;

/// A log file, and where in it this start began.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    begin: u64,
}

impl Log {
    pub(super) fn open(options: &StartOptions) -> Result<Self, ServerError> {
        let path = options.log_file();
        let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if length <= BYTES_MAX {
            return Ok(Self { path, begin: length });
        }
        fs::rename(&path, path.with_extension("log.old")).map_err(file("put aside", &path))?;
        Ok(Self { path, begin: 0 })
    }

    /// Returns a stream for the server's output, appending.
    pub(super) fn sink(&self) -> Result<Stdio, ServerError> {
        let log = File::options().create(true).append(true).open(&self.path).map_err(file("open", &self.path))?;
        Ok(log.into())
    }

    /// Returns the last lines of this start, without time stamps; only the faults where there are any.
    pub(super) fn tail(&self) -> String {
        // A log that cannot be read explains nothing; the error it was wanted for is told all the same.
        let text = self.read().unwrap_or_default();
        let fault = |line: &&str| line.contains("[FTL]") || line.starts_with("nats-server:");
        let mut lines: Vec<&str> = text.lines().filter(fault).map(said).collect();
        if lines.is_empty() {
            lines = text.lines().map(said).filter(|line| !line.is_empty()).collect();
        }
        let last = lines.split_off(lines.len().saturating_sub(LINES));
        if last.is_empty() { "it logged nothing".into() } else { last.join("; ") }
    }

    fn read(&self) -> io::Result<String> {
        let mut log = File::open(&self.path)?;
        log.seek(SeekFrom::Start(self.begin))?;
        let mut text = Vec::new();
        log.take(BYTES_MAX).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Takes the message out of a line like `[19109] 2026/11/23 18:59:13.036958 [FTL] message`.
fn said(line: &str) -> &str {
    let message = if line.starts_with('[') { line.splitn(3, "] ").last() } else { None };
    message.unwrap_or(line).trim()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn tail_tells_the_fault_of_this_start_alone() {
        let dir = tempfile::tempdir().unwrap();
        let options = StartOptions::new(dir.path());
        fs::write(options.log_file(), "[1] 2026/11/23 18:59:13.0 [FTL] an older fault\n").unwrap();
        let log = Log::open(&options).unwrap();
        assert_eq!(log.tail(), "it logged nothing");
        let old = fs::read_to_string(options.log_file()).unwrap();
        let new =
            "[2] 2026/11/23 18:59:14.0 [INF] Starting nats-server\n[2] 2026/11/23 18:59:14.1 [FTL] a [new] fault\n";
        fs::write(options.log_file(), old + new).unwrap();
        assert_eq!(log.tail(), "a [new] fault");
    }

    #[test]
    fn tail_without_a_fault_is_the_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let options = StartOptions::new(dir.path());
        let log = Log::open(&options).unwrap();
        fs::write(options.log_file(), "a\nb\n\n[2] t [INF] c\nd\ne\n").unwrap();
        assert_eq!(log.tail(), "b; c; d; e");
    }

    #[test]
    fn large_log_is_put_aside_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let options = StartOptions::new(dir.path());
        File::create(options.log_file()).unwrap().set_len(BYTES_MAX + 1).unwrap();
        Log::open(&options).unwrap();
        assert!(!options.log_file().exists());
        assert!(dir.path().join("nats-server.log.old").exists());
    }
}

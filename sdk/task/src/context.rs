//! What a running task may ask of its worker. Natively, reports go to stderr and nothing is ever cancelled.

use std::fmt::{self, Display};

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// Reports how far the job is: a fraction between 0 and 1 where it is known, and a message for people.
///
/// The worker may drop reports that come too fast.
pub fn progress(fraction: impl Into<Option<f64>>, message: impl AsRef<str>) {
    host::progress(fraction.into(), message.as_ref());
}

/// Adds a line to the log of the attempt; see also [`info!`](crate::info) and its siblings.
pub fn log(level: Level, message: impl AsRef<str>) {
    host::log(level, message.as_ref());
}

/// Tells whether the job was cancelled; a task that sees this should clean up and return.
pub fn cancelled() -> bool {
    host::cancelled()
}

#[cfg(target_family = "wasm")]
use crate::guest::context as host;

#[cfg(not(target_family = "wasm"))]
mod host {
    use super::Level;

    pub(super) fn progress(fraction: Option<f64>, message: &str) {
        match fraction {
            Some(fraction) => eprintln!("progress {:.0} %: {message}", fraction * 100.0),
            None => eprintln!("progress: {message}"),
        }
    }

    pub(super) fn log(level: Level, message: &str) {
        eprintln!("{level}: {message}");
    }

    pub(super) fn cancelled() -> bool {
        false
    }
}

/// Adds a line at level `trace` to the log of the attempt; takes what `format!` takes.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::log($crate::Level::Trace, ::std::format!($($message)+)) };
}

/// Adds a line at level `debug` to the log of the attempt; takes what `format!` takes.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::log($crate::Level::Debug, ::std::format!($($message)+)) };
}

/// Adds a line at level `info` to the log of the attempt; takes what `format!` takes.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::log($crate::Level::Info, ::std::format!($($message)+)) };
}

/// Adds a line at level `warn` to the log of the attempt; takes what `format!` takes.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::log($crate::Level::Warn, ::std::format!($($message)+)) };
}

/// Adds a line at level `error` to the log of the attempt; takes what `format!` takes.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::log($crate::Level::Error, ::std::format!($($message)+)) };
}

#[cfg(test)]
mod tests {
    use super::{Level, cancelled, log, progress};

    #[test]
    fn context_is_harmless_natively() {
        progress(0.5, "half");
        progress(None, String::from("somewhere"));
        log(Level::Info, "a line");
        crate::warn!("{} lines", 2);
        assert!(!cancelled());
    }
}

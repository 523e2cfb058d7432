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

/// Tells whether the task should stop: the job was cancelled, or the attempt is past its soft timeout. A task that sees
/// this should clean up and return.
///
/// A cancelled job ends as cancelled, whatever the task returns. After a soft timeout what it returns stands: a result,
/// an error, or [`TaskError::snooze`](crate::TaskError::snooze) to go on later from a [`checkpoint`](crate::checkpoint).
/// [`stop_reason`] tells which it is.
pub fn cancelled() -> bool {
    host::cancelled()
}

/// Why a task should stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The job was cancelled, for this reason. It ends as cancelled, whatever the task returns.
    Cancelled(String),
    /// The attempt is past its soft timeout and will be stopped at its timeout. What the task returns stands.
    SoftTimeout,
    /// The worker is shutting down and stops what still runs when its drain time is over; the job then runs elsewhere
    /// and the attempt does not count. What the task returns until then stands. [`cancelled`] stays false.
    Shutdown,
}

/// Tells why the task should stop, where it should.
pub fn stop_reason() -> Option<StopReason> {
    host::stop_reason()
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

    pub(super) fn stop_reason() -> Option<super::StopReason> {
        None
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
    use super::{Level, cancelled, log, progress, stop_reason};

    #[test]
    fn context_is_harmless_natively() {
        progress(0.5, "half");
        progress(None, String::from("somewhere"));
        log(Level::Info, "a line");
        crate::warn!("{} lines", 2);
        assert!(!cancelled());
        assert_eq!(stop_reason(), None);
    }
}

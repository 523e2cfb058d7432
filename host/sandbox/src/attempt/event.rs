//! What a running attempt tells while it runs. Events may be lost and are never the truth; the report is.

use std::fmt;
use std::sync::Arc;

/// How much a log line matters, as the guest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Finest.
    Trace,
    /// For developers.
    Debug,
    /// Worth reading.
    Info,
    /// Should be looked at.
    Warn,
    /// Must be looked at.
    Error,
}

impl LogLevel {
    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Something that happened while the guest ran.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptEvent {
    /// How far the job is.
    Progress {
        /// Between 0 and 1, where it is known.
        fraction: Option<f64>,
        /// For people; at most 1 KiB.
        message: String,
    },
    /// One line of the log.
    Log {
        /// Of lines of the `log` function; nothing for standard error and output.
        level: Option<LogLevel>,
        /// Without the line break.
        line: String,
    },
}

/// Whoever wants to hear events. Called on the guest's own thread while the guest waits, so it must not block:
/// put the event in a bounded channel and drop it where that is full.
#[derive(Clone)]
pub struct EventSink(Arc<dyn Fn(AttemptEvent) + Send + Sync>);

impl EventSink {
    /// Hands each event to `hear`.
    pub fn new(hear: impl Fn(AttemptEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    /// A sink and the bounded channel behind it; what does not fit is dropped.
    pub fn channel(capacity: usize) -> (Self, tokio::sync::mpsc::Receiver<AttemptEvent>) {
        let (sender, receiver) = tokio::sync::mpsc::channel(capacity);
        // A full or closed channel loses events, which is what the type promises.
        let sink = Self::new(move |event| drop(sender.try_send(event)));
        (sink, receiver)
    }

    /// Hands over one event.
    pub(crate) fn tell(&self, event: AttemptEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSink")
    }
}

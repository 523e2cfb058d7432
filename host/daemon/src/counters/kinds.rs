//! The closed sets by which a worker counts, and what they are called.

/// Why a job went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutBack {
    /// For another attempt.
    Retry,
    /// Its task put it off.
    Snoozed,
    /// It may not run yet: a limit, a pause, or another run of its schedule.
    Held,
    /// To its queue as it is: the worker stops, a runner died, or the broker failed in the middle.
    Released,
}

impl PutBack {
    /// Every reason, in the order in which they are declared.
    pub const ALL: [Self; 4] = [Self::Retry, Self::Snoozed, Self::Held, Self::Released];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Snoozed => "snoozed",
            Self::Held => "held",
            Self::Released => "released",
        }
    }
}

/// What came of a component that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compiled {
    /// Its code was there.
    Cached,
    /// It was compiled.
    Compiled,
    /// It does not compile.
    Failed,
}

impl Compiled {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 3] = [Self::Cached, Self::Compiled, Self::Failed];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Compiled => "compiled",
            Self::Failed => "failed",
        }
    }
}

/// What the broker did not do as it should. Each is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerFault {
    /// A result was refused.
    ResultRefused,
    /// A result was not confirmed in time.
    ResultLate,
    /// A retry, a dead letter or a follow-up was refused, or not confirmed in time.
    WriteRefused,
    /// An acknowledgement was not confirmed.
    AckUnconfirmed,
    /// A request for jobs was refused, or lost.
    PullLost,
}

impl BrokerFault {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 5] =
        [Self::ResultRefused, Self::ResultLate, Self::WriteRefused, Self::AckUnconfirmed, Self::PullLost];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResultRefused => "result-refused",
            Self::ResultLate => "result-late",
            Self::WriteRefused => "write-refused",
            Self::AckUnconfirmed => "ack-unconfirmed",
            Self::PullLost => "pull-lost",
        }
    }
}

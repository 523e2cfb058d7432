//! How a runner ended, told apart as far as the kernel tells.

use lovage_job::unit::ByteSize;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

const SIGILL: i32 = 4;
const SIGABRT: i32 = 6;
const SIGBUS: i32 = 7;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGSYS: i32 = 31;

/// Why its supervisor ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Killed {
    /// It said what it cannot say.
    Breach(String),
    /// It did not give an attempt back in time.
    Overrun,
    /// It held more memory than it may.
    Memory { bytes: u64, most: u64 },
    /// What it was to be told does not fit into a frame.
    Unsayable,
    /// It is not needed any more.
    Closed,
}

/// Why a runner ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cause {
    /// Nobody knows.
    #[default]
    Unknown,
    /// It was not needed any more.
    Closed,
    /// It said what no runner says, and was killed.
    Breach(String),
    /// It did not give an attempt back in time, and was killed.
    Overrun,
    /// It held more memory than it may, and was killed.
    Memory {
        /// What it held, in bytes.
        bytes: u64,
        /// What it may hold.
        most: u64,
    },
    /// It wanted more memory than its group may have, and the kernel killed it.
    OutOfMemory {
        /// What it may hold.
        most: ByteSize,
    },
    /// It made a system call that it may not make.
    ForbiddenCall,
    /// A thread of it ran out of stack.
    StackOverflow,
    /// It aborted.
    Aborted,
    /// It touched memory that is not there, or ran what is no code.
    Crashed(i32),
    /// Someone else killed it; the kernel too, where the machine is out of memory.
    KilledFromOutside,
    /// Another signal ended it.
    Signal(i32),
    /// It ended by itself, with this code.
    Exited(i32),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("for an unknown reason"),
            Self::Closed => f.write_str("it was not needed any more"),
            Self::Breach(what) => write!(f, "killed for a breach of protocol: {what}"),
            Self::Overrun => f.write_str("killed for not giving an attempt back in time"),
            Self::Memory { bytes, most } => {
                let (bytes, most) = (ByteSize(*bytes), ByteSize(*most));
                write!(f, "killed for holding {bytes} of memory where {most} are allowed")
            }
            Self::OutOfMemory { most } => {
                write!(f, "killed by the kernel for wanting more memory than the {most} of its cgroup")
            }
            Self::ForbiddenCall => f.write_str("killed by the kernel for a forbidden system call (SIGSYS)"),
            Self::StackOverflow => f.write_str("a thread of the host overflowed its stack"),
            Self::Aborted => f.write_str("it aborted (SIGABRT)"),
            Self::Crashed(signal) => write!(f, "it crashed (signal {signal})"),
            Self::KilledFromOutside => f.write_str("killed from outside (SIGKILL), by someone or for want of memory"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Exited(code) => write!(f, "it ended by itself with code {code}"),
        }
    }
}

/// How a runner ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Death {
    /// Why.
    pub cause: Cause,
    /// The last of what it said on standard error, for the operator.
    pub said: String,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.said.lines().last().filter(|_| self.cause != Cause::KilledFromOutside) {
            Some(last) => write!(f, "{}: {}", self.cause, crate::attempt::journal::clipped(last, 300)),
            None => self.cause.fmt(f),
        }
    }
}

impl Death {
    /// Reads the end of a process. `killed` is why we ended it, `out_of_memory` the limit of the group in which the
    /// kernel has.
    pub(crate) fn of(
        status: Option<ExitStatus>,
        killed: Option<&Killed>,
        out_of_memory: Option<ByteSize>,
        said: String,
    ) -> Self {
        let by_kernel = match (status.map(|status| of_status(status, &said)), out_of_memory) {
            (Some(Cause::KilledFromOutside), Some(most)) => Some(Cause::OutOfMemory { most }),
            (other, _) => other,
        };
        let cause = match (killed, by_kernel) {
            (Some(Killed::Breach(what)), _) => Cause::Breach(what.clone()),
            (Some(Killed::Overrun), _) => Cause::Overrun,
            (Some(Killed::Memory { bytes, most }), _) => Cause::Memory { bytes: *bytes, most: *most },
            (Some(Killed::Unsayable | Killed::Closed), _) => Cause::Closed,
            (None, Some(cause)) => cause,
            (None, None) => Cause::Unknown,
        };
        Self { cause, said }
    }
}

fn of_status(status: ExitStatus, said: &str) -> Cause {
    match status.signal() {
        Some(SIGKILL) => Cause::KilledFromOutside,
        Some(SIGSYS) => Cause::ForbiddenCall,
        Some(SIGABRT) if said.contains("has overflowed its stack") => Cause::StackOverflow,
        Some(SIGABRT) => Cause::Aborted,
        Some(signal @ (SIGSEGV | SIGBUS | SIGILL)) => Cause::Crashed(signal),
        Some(signal) => Cause::Signal(signal),
        None => match status.code() {
            Some(code) => Cause::Exited(code),
            None => Cause::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let signal = |number| Some(ExitStatus::from_raw(number));
        let of = |status, said: &str| Death::of(status, None, None, said.to_owned()).cause;
        assert_eq!(of(signal(SIGKILL), ""), Cause::KilledFromOutside);
        assert_eq!(of(signal(SIGSYS), ""), Cause::ForbiddenCall);
        assert_eq!(of(signal(SIGABRT), "memory allocation of 7 bytes failed"), Cause::Aborted);
        assert_eq!(of(signal(SIGABRT), "thread 'x' has overflowed its stack"), Cause::StackOverflow);
        assert_eq!(of(signal(SIGSEGV), ""), Cause::Crashed(SIGSEGV));
        assert_eq!(of(signal(15), ""), Cause::Signal(15));
        assert_eq!(of(Some(ExitStatus::from_raw(3 << 8)), ""), Cause::Exited(3));
        assert_eq!(of(None, ""), Cause::Unknown);
        let most = ByteSize::mib(7);
        let of_group = |status, killed| Death::of(status, killed, Some(most), String::new());
        let out_of_memory = of_group(signal(SIGKILL), None);
        assert_eq!(out_of_memory.cause, Cause::OutOfMemory { most });
        assert!(out_of_memory.to_string().contains("more memory than the 7MiB"), "{out_of_memory}");
        assert_eq!(of_group(signal(SIGSEGV), None).cause, Cause::Crashed(SIGSEGV));
        let overrun = of_group(signal(SIGKILL), Some(&Killed::Overrun));
        assert_eq!(overrun.cause, Cause::Overrun, "our own reason comes first");
    }
}

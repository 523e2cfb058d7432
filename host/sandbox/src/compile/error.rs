//! Why a component was not compiled.

use crate::cache::error::CacheError;
use crate::compile::limits::CompileLimits;
use std::fmt;

/// A limit of compiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Time from start to end.
    Wall,
}

/// Why a component was not compiled. The first two are the component's fault and remembered by its digest.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CompileError {
    /// Compiling costs more than allowed.
    #[error("compiling the component takes more than {}; make its functions smaller or build it without debug checks", Spent(*.exhausted, *.limits))]
    TooExpensive {
        /// Which limit was met.
        exhausted: Exhausted,
        /// The limits that were in force.
        limits: CompileLimits,
    },
    /// The compiler refuses the component.
    #[error("the component does not compile: {message}")]
    Invalid {
        /// What the compiler says.
        message: String,
    },
    /// This host cannot compile. Trying again later is useful.
    #[error("the compiler failed: {message}")]
    Host {
        /// What happened.
        message: String,
    },
}

impl CompileError {
    /// True where the same component will fail again.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Host { .. })
    }
}

impl From<CacheError> for CompileError {
    fn from(error: CacheError) -> Self {
        Self::Host { message: error.to_string() }
    }
}

struct Spent(Exhausted, CompileLimits);

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Exhausted::Cpu => write!(f, "{} seconds of processor time", self.1.cpu_seconds),
            Exhausted::Memory => write!(f, "{} of memory", lovage_job::unit::ByteSize(self.1.memory_bytes)),
            Exhausted::Wall => write!(f, "{} seconds", self.1.wall.as_secs()),
        }
    }
}

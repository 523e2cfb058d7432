//! What compiling one component may cost, and how that is told to the child.

use std::time::Duration;

pub(crate) const CPU_VARIABLE: &str = "LOVAGE_COMPILE_CPU_SECONDS";
pub(crate) const MEMORY_VARIABLE: &str = "LOVAGE_COMPILE_MEMORY_BYTES";
pub(crate) const SINGLE_PASS_VARIABLE: &str = "LOVAGE_COMPILE_SINGLE_PASS";

/// What compiling one component may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time, over all threads.
    pub cpu_seconds: u64,
    /// Address space of the child, its own code and stacks included.
    pub memory_bytes: u64,
    /// From start to end.
    pub wall: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { cpu_seconds: 30, memory_bytes: 1 << 30, wall: Duration::from_secs(120) }
    }
}

impl CompileLimits {
    /// The limits as the parent wrote them into the environment; the defaults where it did not.
    pub(crate) fn from_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok()?.parse().ok();
        let default = Self::default();
        Self {
            cpu_seconds: number(CPU_VARIABLE).unwrap_or(default.cpu_seconds),
            memory_bytes: number(MEMORY_VARIABLE).unwrap_or(default.memory_bytes),
            wall: default.wall,
        }
    }

    /// The variables for the child.
    pub(crate) fn to_environment(self) -> [(&'static str, String); 2] {
        [(CPU_VARIABLE, self.cpu_seconds.to_string()), (MEMORY_VARIABLE, self.memory_bytes.to_string())]
    }
}

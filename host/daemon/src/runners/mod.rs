//! Runners: the processes in which tenants' jobs run under `--isolation process`. Which tenant has which, when one is
//! started and ended, and whose fault it is that one died. How a process is jailed and spoken to is the sandbox's.

mod book;
mod pool;

pub use book::Blame;
pub use pool::{Lost, Runners, RunnersConfig};

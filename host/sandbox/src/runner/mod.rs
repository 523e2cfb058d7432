//! Attempts in a process of their own, one for each tenant: the words between it and its supervisor, and both ends.
//!
//! The runner is started as this program's hidden subcommand. It gets no environment, no files and no network; it is
//! told over one socket what to run, and tells over it what happens. Once a guest has broken out of its sandbox, the
//! runner is that guest: the supervisor believes nothing that it says without a look, and a word out of place ends it.
//!
//! ```text
//! supervisor                          runner
//!   Setup                     ->        jail, engine, threads
//!                             <-      Ready
//!   Code…, Load               ->        our own compiler's code, whole
//!                             <-      Loaded
//!   Run                       ->        a fresh instance
//!   Signal, Answer            ->
//!                             <-      Event, Call, Drop
//!                             <-      Done
//! ```

pub(crate) mod attempt;
pub(crate) mod calls;
pub(crate) mod child;
pub(crate) mod death;
pub(crate) mod frame;
pub(crate) mod line;
pub(crate) mod outlet;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod supervisor;
pub(crate) mod words;

//! Runs one job in one fresh WebAssembly sandbox.
//!
//! This crate knows the engine: what a component may look like, how it is compiled, called, limited and stopped. It
//! knows nothing of NATS, HTTP servers, retries or tenants; the pure types that cross its border are those of
//! `lovage-job`. The way of a component through it:
//!
//! ```text
//! inspect   bytes              -> Inspection     before anything is stored; no engine
//! compile   bytes              -> ArtifactPath   in a child process under limits, cached on disk
//! load      ArtifactPath+Entry -> Task           linked and type-checked once
//! run       AttemptRequest     -> AttemptReport  one fresh instance for each attempt
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod attempt;
mod bindings;
mod cache;
mod capability;
mod compile;
mod describe;
mod engine;
mod inspect;
mod jail;
mod linker;
mod load;
mod plain;
mod runner;
mod sandbox;
mod shape;
mod task;
#[cfg(test)]
mod tests;

pub use attempt::cancel::CancelSignal;
pub use attempt::event::{AttemptEvent, EventSink, LogLevel};
pub use attempt::follow::Followers;
pub use attempt::recorded::group::RecordedGroup;
pub use attempt::recorded::{Recorded, RecordedChild};
pub use attempt::request::{AttemptControl, AttemptReport, AttemptRequest, JobInfo};
pub use attempt::services::{
    Answer, Ask, BlobAsk, ChildGroup, ChildId, ChildJob, GroupHeld, HttpAnswer, HttpAsk, HttpFault, KeyValueAsk,
    Refusal, Services,
};
pub use attempt::simulation::Simulation;
pub use cache::artifact::ArtifactPath;
pub use cache::error::CacheError;
pub use cache::store::{ArtifactCache, CACHE_SIZE_DEFAULT};
pub use compile::child::compile_child_main;
pub use compile::compiler::Compiler;
pub use compile::error::{CompileError, Exhausted};
pub use compile::here::compile_here;
pub use compile::limits::CompileLimits;
pub use describe::DescribeError;
pub use engine::reset::{ResetMode, ResetPolicy};
pub use inspect::check::{InspectOptions, Inspection, inspect};
pub use inspect::error::InspectError;
pub use jail::cgroup::found::Controller;
pub use jail::cgroup::groups::{Groups, NoGroups};
pub use jail::held::{Held, JailError};
pub use load::LoadError;
pub use runner::child::runner_main;
pub use runner::death::{Cause, Death};
pub use runner::process::{RunnerConfig, RunnerStarter};
pub use runner::supervisor::{Runner, RunnerError};
pub use sandbox::{Sandbox, SandboxConfig, SandboxError, SandboxMetrics};
pub use task::Task;

//! What operators see of a process from outside: logs, metrics and traces. It reads what others count and tell; none of
//! them knows how it is named or written.

pub mod cluster;
pub mod health;
mod logs;
mod metrics;
pub mod names;
mod process;
mod samples;
mod traces;
mod worker;

pub use logs::{LogFormat, start};
pub use metrics::{Format, Metrics, Source};
pub use samples::Samples;
pub use traces::{Publishing, Traces, TracesError};
pub use worker::{WorkerMetrics, WorkerParts};

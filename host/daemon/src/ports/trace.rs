//! What the pipeline tells of its attempts to whoever traces them. Where nobody does, it tells nothing.

use lovage_job::job::Job;
use lovage_job::name::{Digest, TaskName, TenantName, VersionName};
use lovage_job::outcome::{JobError, Meter, OutcomeKind};
use lovage_job::trace::TraceContext;
use std::fmt::Debug;
use std::time::SystemTime;

/// What is known of an attempt when it begins.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// Whose job.
    pub tenant: &'a TenantName,
    /// The job.
    pub job: &'a Job,
    /// The version that runs.
    pub version: &'a VersionName,
    /// Its component.
    pub digest: &'a Digest,
    /// This worker.
    pub worker: &'a str,
    /// Where its publisher, or the job that it follows, is in a trace.
    pub parent: Option<TraceContext>,
}

/// How an attempt ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// How.
    pub outcome: OutcomeKind,
    /// What went wrong.
    pub error: Option<&'a JobError>,
    /// What it used.
    pub meter: Meter,
}

/// A component that was compiled, or was not.
#[derive(Debug)]
pub struct Compilation<'a> {
    /// Whose.
    pub tenant: &'a TenantName,
    /// The task.
    pub task: &'a TaskName,
    /// The version.
    pub version: &'a VersionName,
    /// The component.
    pub digest: &'a Digest,
    /// When it began.
    pub begun: SystemTime,
    /// Why it does not compile.
    pub error: Option<String>,
}

/// An attempt that is traced. Dropping it ends it without a word.
pub trait AttemptSpan: Send + Debug {
    /// Where in the trace the attempt is: the parent of all that comes of it.
    fn context(&self) -> Option<TraceContext>;
    /// The attempt ended.
    fn end(self: Box<Self>, ended: Ended<'_>);
}

/// Traces what a worker does.
pub trait Tracer: Debug + Send + Sync + 'static {
    /// An attempt begins.
    fn begin(&self, beginning: &Beginning<'_>) -> Box<dyn AttemptSpan>;
    /// A component was compiled.
    fn compiled(&self, compilation: Compilation<'_>);
}

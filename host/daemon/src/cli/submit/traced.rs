//! A submission in the trace that the command is run in: `TRACEPARENT` names it, as pipelines and other tools set it. Where
//! an exporter is set up, the submission is a span of its own, the parent of the job's.

use crate::cli::exit::OrExit;
use crate::cli::{Exit, Failure};
use crate::telemetry::{Publishing, Traces};
use lovage_client::{NewJob, SubmitError, Submitted};
use lovage_job::header::{Headers, TRACE_PARENT};
use lovage_job::name::TenantName;
use lovage_job::trace::TraceContext;
use std::sync::Arc;

/// The variable that names the trace which a command is run in.
const VARIABLE: &str = "TRACEPARENT";

/// Adds the trace that the command is run in, unless the caller has set one.
pub(super) fn carry(headers: &mut Headers) {
    if headers.get(TRACE_PARENT).is_none()
        && let Some(context) = std::env::var(VARIABLE).ok().as_deref().and_then(TraceContext::parse)
    {
        headers.push(TRACE_PARENT, context.to_string());
    }
}

/// The exporter of a command, where one is set up.
#[derive(Debug)]
pub(super) struct Exporter(Option<Arc<Traces>>);

impl Exporter {
    pub(super) fn start() -> Result<Self, Failure> {
        Traces::start("lovage-cli", None).map(Self).or_exit(Exit::Usage)
    }

    /// Begins the span of a submission, and makes it the parent of the job's.
    pub(super) fn begin(&self, tenant: &TenantName, job: &mut NewJob) -> Option<Publishing> {
        let traces = self.0.as_ref()?;
        let parent = job.headers.get(TRACE_PARENT).and_then(TraceContext::parse);
        let publishing = traces.publish(tenant.as_str(), job.queue.as_str(), job.task.as_str(), parent);
        if let Some(context) = publishing.context() {
            job.headers.set(TRACE_PARENT, context.to_string());
        }
        Some(publishing)
    }

    /// Sends what is left.
    pub(super) async fn stop(self) {
        if let Some(traces) = self.0 {
            traces.stop().await;
        }
    }
}

/// Ends the span of a submission.
pub(super) fn end(publishing: Option<Publishing>, submitted: &Result<Submitted, SubmitError>) {
    if let Some(publishing) = publishing {
        match submitted {
            Ok(submitted) => publishing.end(Ok(submitted.id.as_str())),
            Err(error) => publishing.end(Err(error.to_string())),
        }
    }
}

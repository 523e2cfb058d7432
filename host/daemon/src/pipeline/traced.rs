//! An attempt in its trace: where it begins, what of it goes on to the guest and to all that follows, and how it ends.
//!
//! What comes of an attempt has the attempt for its parent: children, follow-ups, requests of the guest, and, for a job
//! that came without a trace, its next attempts. Where nobody traces, the publisher's place in its trace goes on as it is.

use super::Shared;
use crate::ports::{AttemptSpan, Beginning, Ended};
use crate::registry::ready::ReadyTask;
use lovage_job::header;
use lovage_job::job::Job;
use lovage_job::name::TenantName;
use lovage_job::outcome::OutcomeKind;
use lovage_sandbox::AttemptReport;

/// An attempt in its trace; nothing where nobody traces.
#[derive(Debug)]
pub(super) struct Traced(Option<Box<dyn AttemptSpan>>);

impl Traced {
    /// Begins, and puts the attempt in the place of the job's publisher for all that comes of it.
    pub(super) fn begin<B, T>(shared: &Shared<B, T>, tenant: &TenantName, job: &mut Job, task: &ReadyTask) -> Self {
        let Some(tracer) = &shared.tracer else { return Self(None) };
        let parent = job.wishes.trace_parent;
        let (version, digest, worker) = (&task.version, &task.digest, shared.worker.as_ref());
        let span = tracer.begin(&Beginning { tenant, job, version, digest, worker, parent });
        if let Some(context) = span.context() {
            job.wishes.trace_parent = Some(context);
            job.headers.set(header::TRACE_PARENT, context.to_string());
        }
        Self(Some(span))
    }

    /// The attempt ended, as its report says.
    pub(super) fn end(self, report: &AttemptReport) {
        if let Some(span) = self.0 {
            let error = report.outcome.error();
            span.end(Ended { outcome: report.outcome.kind(), error: error.as_ref(), meter: report.meter });
        }
    }

    /// The attempt was lost with the process that it ran in.
    pub(super) fn lost(self) {
        if let Some(span) = self.0 {
            span.end(Ended { outcome: OutcomeKind::HostFault, error: None, meter: Default::default() });
        }
    }
}

//! The requests of one attempt: what its task is granted, and how many it may make. What a guest is refused is told to
//! the audit trail.

use super::check::check;
use super::{Egress, Fault};
use crate::audit::Auditor;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::capability::Grants;
use lovage_job::header;
use lovage_job::name::TenantName;
use lovage_job::trace::TraceContext;
use lovage_sandbox::{Answer, HttpAsk, HttpFault};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// Requests of an attempt.
const REQUESTS_MAX: u32 = 50;
/// Requests of an attempt at once; further ones wait.
const REQUESTS_AT_ONCE: usize = 6;
/// Bytes of an attempt on the wire, both ways.
const BYTES_MAX: u64 = 64 << 20;

/// The requests of one attempt.
#[derive(Debug)]
pub struct AttemptEgress {
    egress: Arc<Egress>,
    auditor: Arc<dyn Auditor>,
    tenant: TenantName,
    task: String,
    requests: AtomicU32,
    at_once: Semaphore,
    used: Arc<AtomicU64>,
    trace: Option<TraceContext>,
}

impl AttemptEgress {
    /// No request yet of an attempt of `task`.
    pub fn new(egress: Arc<Egress>, auditor: Arc<dyn Auditor>, tenant: TenantName, task: String) -> Self {
        Self {
            egress,
            auditor,
            tenant,
            task,
            requests: AtomicU32::new(0),
            at_once: Semaphore::new(REQUESTS_AT_ONCE),
            used: Arc::default(),
            trace: None,
        }
    }

    /// Its requests are part of this trace, unless the guest says of which they are.
    #[must_use]
    pub fn within(self, trace: Option<TraceContext>) -> Self {
        Self { trace, ..self }
    }

    /// Bytes on the wire so far, both ways.
    pub fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Makes a request, where it is granted.
    pub async fn ask(&self, ask: HttpAsk, grants: &Grants) -> Answer {
        let target = format!("{} {}", self.task, ask.authority);
        match self.request(ask, grants).await {
            Ok(answer) => Answer::Http(answer),
            Err(Fault { kind, reason }) => {
                if matches!(kind, HttpFault::Denied | HttpFault::AddressProhibited | HttpFault::TooMany) {
                    let note = AuditNote::new(&self.tenant, AuditKind::Egress, kind.as_str(), target).refused(&reason);
                    self.auditor.refused(&self.task, note);
                }
                Answer::HttpFault(kind, reason)
            }
        }
    }

    async fn request(&self, mut ask: HttpAsk, grants: &Grants) -> Result<lovage_sandbox::HttpAnswer, Fault> {
        if self.requests.fetch_add(1, Ordering::Relaxed) >= REQUESTS_MAX {
            let reason = format!("the attempt has made the {REQUESTS_MAX} requests that it may make");
            return Err(Fault::new(HttpFault::TooMany, reason));
        }
        if let Some(trace) = self.trace
            && !ask.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(header::TRACE_PARENT))
        {
            ask.headers.push((header::TRACE_PARENT.to_owned(), trace.to_string().into_bytes()));
        }
        let checked = check(ask, grants)?;
        if self.used_bytes() >= BYTES_MAX {
            let reason = format!("the attempt has used its {BYTES_MAX} bytes of requests");
            return Err(Fault::new(HttpFault::TooMany, reason));
        }
        let closed = |_| Fault::new(HttpFault::Internal, "the attempt is over");
        let _place = self.at_once.acquire().await.map_err(closed)?;
        let before = self.used_bytes();
        let mut answer = self.egress.send(checked, self.used.clone(), BYTES_MAX).await?;
        answer.wire_bytes = self.used_bytes().saturating_sub(before);
        Ok(answer)
    }
}

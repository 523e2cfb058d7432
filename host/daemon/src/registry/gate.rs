//! Whose signatures let a version run: a tenant's policy, looked at before a component is compiled and again at each
//! start of a job, so that a key that is removed counts for the next one. What cannot be told is refused.

use super::ready::ReadyTask;
use crate::audit::Auditor;
use crate::nats::records::{RecordError, Records};
use crate::ports::BrokerError;
use crate::tenant_book::TenantBook;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::TenantName;
use lovage_job::signature::{Claim, Signature, SignatureFault, verify};
use lovage_job::tenant::TenantRecord;
use std::sync::{Arc, Mutex, PoisonError};

/// A version that may not run, or of which that cannot be told now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GateFault {
    /// The policy refuses it.
    #[error(transparent)]
    Refused(#[from] SignatureFault),
    /// The broker does not tell the policy; a retry is useful.
    #[error(transparent)]
    Passing(#[from] BrokerError),
}

/// A version's signatures, with what the policy said of them last.
#[derive(Debug)]
pub struct Vouched {
    claim: Claim,
    signatures: Vec<Signature>,
    /// The record that was decided under, which is kept so that no other one can be at its place.
    decided: Mutex<Option<Decided>>,
}

type Decided = (Arc<TenantRecord>, Result<(), SignatureFault>);

impl Vouched {
    /// Nothing decided yet.
    pub fn new(claim: Claim, signatures: Vec<Signature>) -> Self {
        Self { claim, signatures, decided: Mutex::default() }
    }

    /// What a record's policy says, which is worked out once for each record.
    fn decide(&self, record: Arc<TenantRecord>, auditor: &dyn Auditor) -> Result<(), SignatureFault> {
        if !record.signatures.required {
            return Ok(());
        }
        let mut decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((under, decision)) = decided.as_ref()
            && Arc::ptr_eq(under, &record)
        {
            return decision.clone();
        }
        let decision = verify(&record.signatures, &self.claim, &self.signatures).map(|_| ());
        if let Err(fault) = &decision {
            let (tenant, task, version) = (&self.claim.tenant, &self.claim.task, &self.claim.version);
            tracing::warn!(tenant = %tenant, task = %task, version = %version, component.digest = %self.claim.digest, code = fault.code(), error = %fault, "version refused by its tenant's policy");
            let target = format!("{task} {version}");
            let note = AuditNote::new(tenant, AuditKind::Signatures, "load", target);
            auditor.refused(task.as_str(), note.after(&self.claim.digest).refused(fault));
        }
        *decided = Some((record, decision.clone()));
        decision
    }
}

/// Looks at the policies of tenants.
#[derive(Debug, Clone)]
pub struct Gate {
    book: Arc<TenantBook>,
    records: Records,
    auditor: Arc<dyn Auditor>,
}

impl Gate {
    /// Goes by what the worker knows of its tenants, and asks the broker where it knows nothing yet.
    pub fn new(book: Arc<TenantBook>, records: Records, auditor: Arc<dyn Auditor>) -> Self {
        Self { book, records, auditor }
    }

    /// Whether a version that is ready may start now. Asks nobody.
    pub fn stands(&self, ready: &ReadyTask) -> bool {
        let tenant = &ready.vouched.claim.tenant;
        !self.book.is_spoiled(tenant)
            && self.book.get(tenant).is_some_and(|record| ready.vouched.decide(record, &*self.auditor).is_ok())
    }

    /// Whether a version may be made ready, and start.
    pub async fn check(&self, vouched: &Vouched) -> Result<(), GateFault> {
        let tenant = &vouched.claim.tenant;
        if let Some(record) = self.book.get(tenant).filter(|_| !self.book.is_spoiled(tenant))
            && vouched.decide(record, &*self.auditor).is_ok()
        {
            return Ok(());
        }
        // a worker that has just begun, a record that cannot be read, or a key that was added a moment ago
        Ok(vouched.decide(self.asked(tenant).await?, &*self.auditor)?)
    }

    /// The record as the broker has it now.
    async fn asked(&self, tenant: &TenantName) -> Result<Arc<TenantRecord>, GateFault> {
        match self.records.known(tenant).await {
            Ok(record) => Ok(Arc::new(record)),
            Err(RecordError::Broker(error)) => Err(error.into()),
            Err(error) => Err(SignatureFault::NoPolicy { tenant: tenant.clone(), reason: error.to_string() }.into()),
        }
    }
}

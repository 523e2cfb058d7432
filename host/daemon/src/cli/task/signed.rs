//! Who vouches for a version and where it came from; and whether its tenant's policy lets it run.

use crate::cli::exit::OrExit;
use crate::cli::output::printable;
use crate::cli::{Exit, Failure, Output};
use crate::steer::tasks::{claim, policy};
use async_nats::jetstream::Context;
use lovage_job::catalog::{Provenance, Source, VersionRecord};
use lovage_job::name::{TaskName, TenantName};
use lovage_job::signature::{SignatureFault, SignedBy, verify};

/// What the tenant's policy says of a version.
pub(super) struct Standing {
    required: bool,
    verdict: Result<Option<SignedBy>, SignatureFault>,
}

impl Standing {
    /// Looks at the policy as it is now.
    pub(super) async fn of(
        js: &Context,
        tenant: &TenantName,
        task: &TaskName,
        version: &VersionRecord,
    ) -> Result<Self, Failure> {
        let policy = policy(js, tenant).await.or_exit(Exit::Broker)?;
        let (required, verdict) = match policy {
            Ok(policy) => (policy.required, verify(&policy, &claim(tenant, task, version), &version.signatures)),
            Err(fault) => (true, Err(fault)),
        };
        Ok(Self { required, verdict })
    }

    /// For programs.
    pub(super) fn json(&self) -> serde_json::Value {
        let fault = self.verdict.as_ref().err();
        serde_json::json!({
            "required": self.required,
            "signed_by": self.verdict.as_ref().ok().and_then(Option::as_ref),
            "refused": fault.map(|fault| serde_json::json!({"code": fault.code(), "reason": fault.to_string()})),
        })
    }

    /// For people, a line each.
    pub(super) fn show(&self, version: &VersionRecord, output: Output) -> Result<(), Failure> {
        for signature in &version.signatures {
            let signer = signature.signer.as_deref().unwrap_or("a key that was not trusted then");
            let told = format!("signature {} ({signer}): {}", signature.key_id, signature.trusted_comment);
            output.line(&printable(&told))?;
        }
        match &self.verdict {
            Ok(Some(by)) => output.line(&format!("signed by {} ({})", printable(&by.signer), by.key_id)),
            Ok(None) => output.line("signed by nobody whom the tenant trusts, which it does not require"),
            Err(fault) => output.line(&format!("refused   {fault}")),
        }
    }
}

/// Where a version came from, a line each.
pub(super) fn show_provenance(provenance: &Provenance, output: Output) -> Result<(), Failure> {
    let source = match &provenance.source {
        Source::File { name, size_bytes, digest } => format!("file {name}, {size_bytes} bytes, {digest}"),
        Source::Oci { reference, manifest, size_bytes, cosign, .. } => {
            let cosign = cosign.as_ref().map(|key| format!(", cosign key {key}")).unwrap_or_default();
            format!("{reference}, manifest {manifest}, {size_bytes} bytes{cosign}")
        }
    };
    output.line(&printable(&format!("from      {source}")))?;
    let by = provenance.pushed_by.as_deref().unwrap_or("someone");
    output.line(&printable(&format!("pushed    by {by} with {}", provenance.tool)))?;
    if let Some(statement) = &provenance.statement {
        let builder = statement.builder.as_deref().unwrap_or("not told");
        let commit = statement.commit.as_deref().unwrap_or("not told");
        output.line(&printable(&format!("built     by {builder}, commit {commit} ({})", statement.predicate_type)))?;
    }
    Ok(())
}

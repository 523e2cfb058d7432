//! Where a task's attempts run: in this process, or in a runner of its tenant.

use crate::runners::{Lost, Runners};
use lovage_job::catalog::Entry;
use lovage_job::name::{Digest, TenantName};
use lovage_sandbox::{ArtifactPath, AttemptControl, AttemptReport, AttemptRequest, LoadError, Sandbox, Task};
use std::sync::Arc;

/// Where tasks run.
#[derive(Clone)]
pub enum Ground {
    /// In this process.
    Here(Sandbox),
    /// In a process for each tenant.
    Apart(Arc<Runners>),
}

impl Ground {
    /// Prepares one entry of a compiled component. What runs apart is loaded there, with its first job.
    pub fn task(
        &self,
        tenant: &TenantName,
        digest: &Digest,
        artifact: ArtifactPath,
        entry: &Entry,
    ) -> Result<Sandboxed, LoadError> {
        match self {
            Self::Here(sandbox) => sandbox.load(&artifact, entry).map(Sandboxed::Here),
            Self::Apart(runners) => Ok(Sandboxed::Apart(Arc::new(Apart {
                runners: runners.clone(),
                tenant: tenant.clone(),
                digest: digest.clone(),
                artifact,
                entry: entry.clone(),
            }))),
        }
    }
}

/// A task, where it runs.
#[derive(Debug, Clone)]
pub enum Sandboxed {
    /// In this process.
    Here(Task),
    /// In a runner.
    Apart(Arc<Apart>),
}

/// A task that runs in a runner.
#[derive(Debug)]
pub struct Apart {
    runners: Arc<Runners>,
    tenant: TenantName,
    digest: Digest,
    artifact: ArtifactPath,
    entry: Entry,
}

impl Sandboxed {
    /// Makes one attempt. One in this process always ends; one in a runner may be lost with it.
    pub async fn run(&self, request: AttemptRequest, control: AttemptControl) -> Result<AttemptReport, Lost> {
        match self {
            Self::Here(task) => Ok(task.run(request, control).await),
            Self::Apart(apart) => {
                let Apart { runners, tenant, digest, artifact, entry } = apart.as_ref();
                runners.run((tenant, digest), (artifact, entry), request, control).await
            }
        }
    }
}

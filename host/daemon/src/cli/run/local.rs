//! What a run on this machine has of a worker's services: children and values in memory, and requests to hosts that it
//! is allowed.

use crate::audit::NoAuditor;
use crate::egress::{AttemptEgress, Egress, Names};
use futures::FutureExt;
use futures::future::BoxFuture;
use lovage_job::capability::Grants;
use lovage_job::name::{JobId, TenantName};
use lovage_sandbox::{Answer, Ask, ChildGroup, ChildId, ChildJob, GroupHeld, Recorded, Refusal, Services};
use std::sync::Arc;

/// Services of one local run.
#[derive(Debug)]
pub(super) struct Local {
    recorded: Recorded,
    grants: Arc<Grants>,
    egress: AttemptEgress,
}

impl Local {
    /// The services of a run with these grants. Only with `allow_private` it sends requests to private addresses.
    pub(super) fn new(id: JobId, task: &str, grants: Arc<Grants>, allow_private: bool) -> Self {
        let egress = Arc::new(Egress::new(tokio::runtime::Handle::current(), Names::System, allow_private));
        let tenant = TenantName::default_tenant();
        Self {
            recorded: Recorded::new(id),
            egress: AttemptEgress::new(egress, Arc::new(NoAuditor), tenant, task.to_owned()),
            grants,
        }
    }
}

impl Services for Local {
    fn submit(&self, job: ChildJob) -> BoxFuture<'_, Result<ChildId, Refusal>> {
        self.recorded.submit(job)
    }

    fn submit_group(&self, group: ChildGroup) -> BoxFuture<'_, Result<GroupHeld, Refusal>> {
        self.recorded.submit_group(group)
    }

    fn save(&self, key: String, value: Vec<u8>) -> BoxFuture<'_, Result<(), Refusal>> {
        self.recorded.save(key, value)
    }

    fn load(&self, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, Refusal>> {
        self.recorded.load(key)
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Refusal>> {
        match ask {
            Ask::Http(ask) => async move { Ok(self.egress.ask(ask, &self.grants).await) }.boxed(),
            ask => self.recorded.ask(ask),
        }
    }
}

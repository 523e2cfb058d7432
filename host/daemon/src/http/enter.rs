//! The way in for everything that is done for a caller: their tenant must be theirs and be there, their role high enough;
//! and the way out: what was changed is noted.

use super::auth::{Caller, Role};
use super::problem::Problem;
use super::site::Site;
use crate::nats::audit;
use crate::nats::records::Records;
use crate::nats::store::Catalog;
use crate::steer::SteerError;
use crate::steer::tasks::Tasks;
use lovage_client::Client;
use lovage_job::audit::{AuditKind, AuditNote, Who};
use lovage_job::name::TenantName;
use lovage_job::tenant::TenantRecord;
use std::fmt::Display;

/// A caller within a tenant.
pub struct Within<'a> {
    /// The server.
    pub site: &'a Site,
    /// Who.
    pub caller: &'a Caller,
    /// Whose things.
    pub tenant: &'a TenantName,
    /// Its record.
    pub record: TenantRecord,
    /// The tenant's client, with the operator's rights.
    pub client: Client,
}

impl Site {
    /// Lets a caller in, who has at least this role for a tenant that is there.
    pub async fn enter<'a>(
        &'a self,
        caller: &'a Caller,
        tenant: &'a TenantName,
        role: Role,
    ) -> Result<Within<'a>, Problem> {
        caller.may(tenant, role)?;
        let record = self.records().await?.known(tenant).await?;
        Ok(Within { site: self, caller, tenant, record, client: self.client_of(tenant) })
    }

    /// The records of tenants.
    pub async fn records(&self) -> Result<Records, Problem> {
        Ok(Records::open(&self.js).await?)
    }

    /// Notes what a caller changed. What cannot be noted stays done, and the log says so.
    pub async fn noted(&self, caller: &Caller, note: AuditNote) {
        let who = Who {
            user: None,
            account: None,
            name: format!("token {}", caller.name),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
        };
        let (action, target) = (note.action.clone(), note.target.clone());
        if let Err(error) = audit::write(&self.nats, who, note).await {
            tracing::error!(error = %error, action, target, caller = %caller.name, "a change is not in the audit trail");
        }
    }
}

impl Within<'_> {
    /// The catalogue.
    pub async fn catalog(&self) -> Result<Catalog, Problem> {
        Ok(Catalog::open(&self.site.js).await?)
    }

    /// The tenant's tasks.
    pub fn tasks<'b>(&'b self, catalog: &'b Catalog) -> Tasks<'b> {
        Tasks { js: &self.site.js, catalog, tenant: self.tenant }
    }

    /// The beginning of a note of a change.
    pub fn note(&self, kind: AuditKind, action: &str, target: impl Display) -> AuditNote {
        AuditNote::new(self.tenant, kind, action, target)
    }

    /// Notes a change.
    pub async fn noted(&self, note: AuditNote) {
        self.site.noted(self.caller, note).await;
    }

    /// Passes on what was changed, or notes that it was refused by a rule.
    pub async fn or_refused<T>(&self, changed: Result<T, SteerError>, note: AuditNote) -> Result<T, Problem> {
        match changed {
            Ok(changed) => Ok(changed),
            Err(error) => {
                if matches!(error, SteerError::AboveCeiling(_) | SteerError::Signature(_)) {
                    self.noted(note.refused(&error)).await;
                }
                Err(error.into())
            }
        }
    }
}

//! Limits of jobs at once and of starts in a span, over all workers.

use crate::client::Client;
use crate::control::{ControlError, damaged};
use lovage_job::limit::{Limit, LimitScope};

impl Client {
    /// Sets a limit, in the place of one that is there. Workers follow at once; attempts that run go on.
    pub async fn set_limit(&self, scope: &LimitScope, limit: &Limit) -> Result<(), ControlError> {
        self.put_control(&scope.control_key(&self.tenant), &format!("the limit of {scope}"), limit).await
    }

    /// Removes a limit; returns whether there was one. The jobs that wait for it may run.
    pub async fn remove_limit(&self, scope: &LimitScope) -> Result<bool, ControlError> {
        self.remove_control(&scope.control_key(&self.tenant), &format!("the limit of {scope}")).await
    }

    /// Every limit of the tenant, by scope.
    pub async fn limits(&self) -> Result<Vec<(LimitScope, Limit)>, ControlError> {
        let mut limits = Vec::new();
        for (key, stored) in self.controls("limit").await? {
            let scope = LimitScope::from_key(&key).map_err(|error| damaged(&stored.subject, error))?;
            let limit = serde_json::from_slice(&stored.payload).map_err(|error| damaged(&stored.subject, error))?;
            limits.push((scope, limit));
        }
        limits.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(limits)
    }
}

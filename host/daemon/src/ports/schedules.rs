//! What the pipeline needs to know of schedules, and what it writes down about their runs.

use super::BrokerError;
use lovage_job::name::{JobId, ScheduleName, TenantName};
use lovage_job::schedule::{Claim, RunJob, Runs, ScheduleRecord};
use std::future::Future;

/// The schedules of all tenants, as the pipeline sees them.
pub trait Schedules {
    /// A schedule; nothing where it was removed.
    fn schedule(
        &self,
        tenant: &TenantName,
        name: &ScheduleName,
    ) -> impl Future<Output = Result<Option<ScheduleRecord>, BrokerError>> + Send;
    /// Claims a tick for a message. False where another message has it, for good.
    fn claim(
        &self,
        tenant: &TenantName,
        name: &ScheduleName,
        tick: &JobId,
        claim: Claim,
    ) -> impl Future<Output = Result<bool, BrokerError>> + Send;
    /// The runs of a schedule, and the revision that a change of them must name.
    fn runs(
        &self,
        tenant: &TenantName,
        name: &ScheduleName,
    ) -> impl Future<Output = Result<(Runs, u64), BrokerError>> + Send;
    /// Changes the runs of a schedule. False where someone else did so first.
    fn set_runs(
        &self,
        tenant: &TenantName,
        name: &ScheduleName,
        runs: &Runs,
        revision: u64,
    ) -> impl Future<Output = Result<bool, BrokerError>> + Send;
    /// Whether a run has not ended: it has no result, and it is somewhere.
    fn is_under_way(&self, tenant: &TenantName, run: &RunJob)
    -> impl Future<Output = Result<bool, BrokerError>> + Send;
}

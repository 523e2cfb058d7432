//! What changes something. Each function checks the caller's role, does it, and notes it in the audit trail.

pub mod control;
pub mod dead;
mod job_body;
pub mod jobs;
pub mod push;
mod schedule_body;
pub mod schedules;
pub mod tasks;
mod tenant_body;
pub mod tenants;
pub mod tokens;
pub mod worker_set;
pub mod workers;

pub use job_body::JobBody;
pub use schedule_body::ScheduleBody;
pub use tenant_body::TenantBody;

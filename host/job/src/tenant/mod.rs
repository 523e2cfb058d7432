//! Tenants: who they are, what they weigh, what they may use, and whose code they run.

mod access;
mod policy;
mod quota;
mod record;
mod rights;
mod share;

pub use access::Access;
pub use policy::{KEYS_MAX, SignaturePolicy};
pub use quota::{PAYLOAD_MIN, Quota, QuotaError, Spent};
pub use record::{TenantRecord, WEIGHT_MAX};
pub use rights::{RESERVED, Rights, inbox_prefix, is_reserved, results_read};
pub use share::{Member, Shares};

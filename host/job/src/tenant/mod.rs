//! Tenants: who they are, what they weigh, what they may use, and whose code they run.

mod access;
mod policy;
mod quota;
mod record;

pub use access::Access;
pub use policy::{KEYS_MAX, SignaturePolicy};
pub use quota::Quota;
pub use record::{TenantRecord, WEIGHT_MAX};

//! What is noted of a tenant. The tenant of a job is always that of the subject which it was stored under, which the
//! broker lets only that tenant's users publish to; no header or payload names one.

use super::access::Access;
use super::policy::SignaturePolicy;
use super::quota::Quota;
use crate::capability::Ceiling;
use crate::name::TenantName;
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The heaviest tenant.
pub const WEIGHT_MAX: u32 = 100;

fn weight() -> u32 {
    1
}

fn home() -> String {
    "local".to_owned()
}

/// One tenant. The value of its name in the bucket `tenants`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantRecord {
    /// Who.
    pub tenant: TenantName,
    /// Which cluster has its streams; `local` is the one that this record is on.
    #[serde(default = "home")]
    pub home: String,
    /// When it was added.
    pub created: UnixMs,
    /// Its share of a busy worker beside other tenants' that have jobs: 1 to [`WEIGHT_MAX`].
    #[serde(default = "weight")]
    pub weight: u32,
    /// What it may use.
    #[serde(default)]
    pub quota: Quota,
    /// What its tasks may be granted.
    #[serde(default)]
    pub ceiling: Ceiling,
    /// Whose signatures its components need.
    #[serde(default)]
    pub signatures: SignaturePolicy,
    /// How its users sign in at the broker.
    #[serde(default)]
    pub access: Access,
    /// How long its jobs are kept in the history; nothing where the writer's own figure does.
    #[serde(default, with = "crate::unit::span_option", skip_serializing_if = "Option::is_none")]
    pub history: Option<Duration>,
}

impl TenantRecord {
    /// A tenant with every default.
    pub fn new(tenant: TenantName, created: UnixMs) -> Self {
        Self {
            tenant,
            home: home(),
            created,
            weight: weight(),
            quota: Quota::default(),
            ceiling: Ceiling::default(),
            signatures: SignaturePolicy::default(),
            access: Access::None,
            history: None,
        }
    }
}

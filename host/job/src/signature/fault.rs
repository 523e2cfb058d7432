//! Why a version may not run under a tenant's policy.

use super::claim::Claim;
use crate::name::TenantName;

/// Why a version may not run under a tenant's policy. Whatever is not known to be right is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// It is not signed.
    #[error("unsigned: tenant {} takes signed components only, and {claim} has no signature", .claim.tenant)]
    Missing {
        /// What is to run.
        claim: Claim,
    },
    /// It is signed, by nobody who is trusted.
    #[error("untrusted-key: {claim} is signed with key {key_id}, and tenant {} trusts {trusted}", .claim.tenant)]
    UnknownKey {
        /// What is to run.
        claim: Claim,
        /// Whose signature there is.
        key_id: String,
        /// Whose there should be.
        trusted: String,
    },
    /// A trusted key signed something else.
    #[error("bad-signature: the signature with key {signer} is not of {claim}")]
    Other {
        /// What is to run.
        claim: Claim,
        /// The key, as the tenant calls it.
        signer: String,
    },
    /// The signature is no signature.
    #[error("bad-signature: {claim}: {reason}")]
    Unreadable {
        /// What is to run.
        claim: Claim,
        /// What is wrong with it.
        reason: String,
    },
    /// The tenant's policy names a key that is none.
    #[error("bad-policy: key {name} of tenant {tenant} cannot be read")]
    Policy {
        /// The tenant.
        tenant: TenantName,
        /// The key, as the tenant calls it.
        name: String,
    },
    /// The tenant's record is not there or cannot be read.
    #[error("bad-policy: whose signatures tenant {tenant} needs cannot be told: {reason}")]
    NoPolicy {
        /// The tenant.
        tenant: TenantName,
        /// What is wrong with it.
        reason: String,
    },
}

impl SignatureFault {
    /// A short name that does not change, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "unsigned",
            Self::UnknownKey { .. } => "untrusted-key",
            Self::Other { .. } | Self::Unreadable { .. } => "bad-signature",
            Self::Policy { .. } | Self::NoPolicy { .. } => "bad-policy",
        }
    }
}

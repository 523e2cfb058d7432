//! Bearer tokens of the HTTP API: who holds one, what it opens, and how it is kept.
//!
//! A token is 32 random bytes, so its SHA-256 tells nothing about it and cannot be searched for: no slow hash is needed,
//! and looking one up costs next to nothing. Only the hash is stored.

use crate::name::{TenantName, TokenName};
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// The bucket of tokens.
pub const TOKENS: &str = "tokens";
/// The bucket of sessions.
pub const SESSIONS: &str = "sessions";
/// What every token begins with, so that it is known where one is found that should not be there.
pub const TOKEN_PREFIX: &str = "lvg_";
/// In place of a tenant's name, in the keys of tokens for all tenants. No tenant can have it.
const OF_ALL: &str = "_all";
/// Random bytes of a secret.
pub const SECRET_BYTES: usize = 32;

/// What a caller may do. A later one may do all that the earlier ones may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads; payloads, outputs and logs are kept from it.
    Viewer,
    /// Submits, cancels, replays, pauses, uploads, and sees payloads.
    Operator,
    /// Tokens, grants and, over all tenants, tenants too.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("role {0:?} is not viewer, operator or admin")]
pub struct RoleError(String);

impl FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Self, RoleError> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| RoleError(text.chars().take(40).collect()))
    }
}

/// Which token: a name among those of a tenant, or among those for all tenants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenKey {
    /// The tenant that it opens; nothing where it opens all.
    pub tenant: Option<TenantName>,
    /// Its name.
    pub name: TokenName,
}

impl TokenKey {
    /// Reads a key of the bucket.
    pub fn parse(key: &str) -> Option<Self> {
        let (tenant, name) = key.split_once('.')?;
        let tenant = if tenant == OF_ALL { None } else { Some(tenant.parse().ok()?) };
        Some(Self { tenant, name: name.parse().ok()? })
    }
}

impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tenant.as_ref().map_or(OF_ALL, TenantName::as_str), self.name)
    }
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its name.
    pub name: TokenName,
    /// The tenant that it opens; nothing where it opens all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// What its holder may do.
    pub role: Role,
    /// The SHA-256 of the token, in hexadecimal digits.
    pub sha256: String,
    /// The last characters of the token, to tell one from another.
    pub ends: String,
    /// When it was made.
    pub created: UnixMs,
    /// From when on it opens nothing; nothing where it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixMs>,
}

impl TokenRecord {
    /// Its key in the bucket.
    pub fn key(&self) -> TokenKey {
        TokenKey { tenant: self.tenant.clone(), name: self.name.clone() }
    }

    /// Whether it opens nothing any more.
    pub fn has_expired(&self, now: UnixMs) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

/// A session of the console, as it is stored under its own hash: it opens what its token opens, while that does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The SHA-256 of what the browser holds.
    pub sha256: String,
    /// The SHA-256 of the token that it was made with.
    pub token: String,
    /// From when on it opens nothing.
    pub expires: UnixMs,
}

/// The SHA-256 of a secret, in hexadecimal digits.
pub fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key of a session: that of its token's owner, and the beginning of its hash.
pub fn session_key(tenant: Option<&TenantName>, sha256: &str) -> String {
    let hash = sha256.get(..32).unwrap_or(sha256);
    format!("{}.{hash}", tenant.map_or(OF_ALL, TenantName::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_tenants_and_of_all_read_back_and_never_meet() {
        let of = |tenant: Option<&str>, name: &str| TokenKey {
            tenant: tenant.map(|tenant| tenant.parse().unwrap()),
            name: name.parse().unwrap(),
        };
        for (key, text) in [(of(Some("acme"), "ci"), "acme.ci"), (of(None, "ci"), "_all.ci")] {
            assert_eq!((key.to_string(), TokenKey::parse(text)), (text.to_owned(), Some(key)));
        }
        for text in ["ci", "a.b.c", "_x.ci", "acme.", ".ci", "acme.*", "acme.>"] {
            assert_eq!(TokenKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn roles_grow_and_read_back() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert!("root".parse::<Role>().unwrap_err().to_string().contains("root"));
    }

    #[test]
    fn a_token_expires_at_its_time() {
        let record = |expires| TokenRecord {
            name: "ci".parse().unwrap(),
            tenant: None,
            role: Role::Viewer,
            sha256: hash("lvg_x"),
            ends: "x".to_owned(),
            created: UnixMs(0),
            expires,
        };
        assert!(!record(None).has_expired(UnixMs(u64::MAX)));
        assert!(!record(Some(UnixMs(5))).has_expired(UnixMs(4)) && record(Some(UnixMs(5))).has_expired(UnixMs(5)));
        assert_eq!(record(None).sha256.len(), 64);
    }
}

//! Who calls.

use super::Role;
use crate::http::problem::{Code, Problem};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use lovage_job::name::TenantName;
use lovage_job::token::TokenRecord;
use std::convert::Infallible;
use std::sync::Arc;

/// Whose things a caller sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of one tenant.
    Tenant(TenantName),
    /// Those of all.
    All,
}

impl Scope {
    /// Whether the tenant is within.
    pub fn holds(&self, tenant: &TenantName) -> bool {
        match self {
            Self::Tenant(own) => own == tenant,
            Self::All => true,
        }
    }
}

/// Who calls, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token's key, such as `acme.ci`; `dev` where none is needed.
    pub name: String,
    /// Whose things.
    pub scope: Scope,
    /// What may be done.
    pub role: Role,
    /// The token, where there is one.
    pub token: Option<Arc<TokenRecord>>,
}

impl Caller {
    /// The holder of a token.
    pub fn of(token: Arc<TokenRecord>) -> Self {
        let scope = token.tenant.clone().map_or(Scope::All, Scope::Tenant);
        Self { name: token.key().to_string(), scope, role: token.role, token: Some(token) }
    }

    /// Whoever sits at this machine, in `lovage dev`.
    pub fn dev() -> Self {
        Self { name: "dev".to_owned(), scope: Scope::All, role: Role::Admin, token: None }
    }

    /// Refuses a tenant that is not this caller's, in the words for one that is not there; then a role that is too low.
    pub fn may(&self, tenant: &TenantName, role: Role) -> Result<(), Problem> {
        if !self.scope.holds(tenant) {
            return Err(Problem::not_found(format_args!("tenant {tenant}")));
        }
        self.at_least(role)
    }

    /// Refuses a role that is too low.
    pub fn at_least(&self, role: Role) -> Result<(), Problem> {
        match self.role >= role {
            true => Ok(()),
            false => {
                let detail = format_args!("this needs the role {role}, and the token has {}", self.role);
                Err(Problem::new(Code::Forbidden, detail))
            }
        }
    }

    /// Refuses who is not for all tenants: what only they see is not there for others.
    pub fn of_all(&self, role: Role) -> Result<(), Problem> {
        match &self.scope {
            Scope::All => self.at_least(role),
            Scope::Tenant(_) => Err(Problem::not_found("such thing for a token of one tenant")),
        }
    }

    /// Whether payloads, outputs and logs are shown.
    pub fn sees_payloads(&self) -> bool {
        self.role >= Role::Operator
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(Code::Unauthenticated, "give a token as `Authorization: Bearer lvg_…`"))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_tenant_looks_like_none() {
        let (own, other) = ("acme".parse().unwrap(), "b".parse().unwrap());
        let caller = Caller {
            name: "x".into(),
            scope: Scope::Tenant("acme".parse().unwrap()),
            role: Role::Operator,
            token: None,
        };
        assert!(caller.may(&own, Role::Operator).is_ok());
        assert_eq!(caller.may(&own, Role::Admin).unwrap_err().code, Code::Forbidden);
        assert_eq!(caller.may(&other, Role::Viewer).unwrap_err().code, Code::NotFound);
        assert_eq!(caller.may(&other, Role::Admin).unwrap_err().code, Code::NotFound);
        assert_eq!(caller.of_all(Role::Viewer).unwrap_err().code, Code::NotFound);
        assert!(Caller::dev().of_all(Role::Admin).is_ok());
    }
}

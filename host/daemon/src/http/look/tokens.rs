//! Tokens: what is known of them, which is never their text or hash.

use crate::http::auth::{Caller, Role};
use crate::http::problem::Problem;
use crate::http::site::Site;
use lovage_job::name::TenantName;
use lovage_job::token::TokenRecord;
use lovage_job::unit::UnixMs;
use serde::Serialize;
use utoipa::ToSchema;

/// A token.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// Its name.
    pub name: String,
    /// The tenant that it opens; nothing where it opens all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// viewer, operator or admin.
    pub role: &'static str,
    /// Its last characters.
    pub ends: String,
    /// When it was made, in milliseconds since 1970.
    #[schema(value_type = u64)]
    pub created: UnixMs,
    /// From when on it opens nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub expires: Option<UnixMs>,
}

impl From<&TokenRecord> for TokenView {
    fn from(record: &TokenRecord) -> Self {
        Self {
            name: record.name.to_string(),
            tenant: record.tenant.as_ref().map(ToString::to_string),
            role: record.role.as_str(),
            ends: record.ends.clone(),
            created: record.created,
            expires: record.expires,
        }
    }
}

/// The tokens of a tenant, or those for all.
pub async fn list(site: &Site, caller: &Caller, tenant: Option<&TenantName>) -> Result<Vec<TokenView>, Problem> {
    match tenant {
        Some(tenant) => {
            site.enter(caller, tenant, Role::Admin).await?;
        }
        None => caller.of_all(Role::Admin)?,
    }
    let all = site.auth.tokens.all().await?;
    Ok(all.iter().filter(|record| record.tenant.as_ref() == tenant).map(TokenView::from).collect())
}

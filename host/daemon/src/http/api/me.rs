//! Who the caller is.

use super::refused::Reads;
use crate::http::auth::{Caller, Role, Scope};
use axum::Json;
use lovage_job::unit::UnixMs;
use serde::Serialize;
use utoipa::ToSchema;

/// Who a token is for.
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// The token's key, such as `acme.ci`.
    name: String,
    /// The tenant that it opens; nothing where it opens all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    tenant: Option<String>,
    /// viewer, operator or admin.
    #[schema(value_type = String)]
    role: Role,
    /// From when on it opens nothing, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    expires: Option<UnixMs>,
}

/// Tells who the caller is.
#[utoipa::path(get, path = "/me", tag = "tokens", responses((status = 200, body = Me), Reads))]
pub async fn me(caller: Caller) -> Json<Me> {
    let tenant = match &caller.scope {
        Scope::Tenant(tenant) => Some(tenant.to_string()),
        Scope::All => None,
    };
    let expires = caller.token.as_ref().and_then(|token| token.expires);
    Json(Me { name: caller.name, tenant, role: caller.role, expires })
}

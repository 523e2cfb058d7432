//! Making and removing tokens.

use crate::clock::now;
use crate::http::auth::{Caller, NewToken, Role};
use crate::http::look::tokens::TokenView;
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::{TenantName, TokenName};
use lovage_job::token::TokenKey;
use lovage_job::unit::parse_span;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// Its name among those of its tenant.
    pub name: String,
    /// viewer, operator or admin.
    pub role: String,
    /// How long it is valid, such as 90d; until it is removed where nothing is said.
    #[serde(default)]
    pub expires: Option<String>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeView {
    /// The token itself, which is shown this once.
    pub token: String,
    /// What is known of it.
    #[serde(flatten)]
    pub about: TokenView,
}

/// Makes a token for a tenant, or for all. Nobody makes one that opens more than their own.
pub async fn add(
    site: &Site,
    caller: &Caller,
    (tenant, body): (Option<&TenantName>, &TokenBody),
) -> Result<MadeView, Problem> {
    enter(site, caller, tenant).await?;
    let bad = |error: &dyn std::fmt::Display| Problem::new(Code::BadBody, error);
    let name: TokenName = body.name.parse().map_err(|error| bad(&error))?;
    let role: Role = body.role.parse().map_err(|error| bad(&error))?;
    let lasts = body.expires.as_deref().map(parse_span).transpose().map_err(|error| bad(&error))?;
    let new = NewToken { name, tenant: tenant.cloned(), role, lasts };
    let (text, record) = new.make(now()).map_err(Problem::internal)?;
    site.auth.tokens.create(&record).await?;
    let about = TokenView::from(&record);
    let note = AuditNote::new(&owner(tenant), AuditKind::Access, "token add", record.key());
    site.noted(caller, note.after(&about)).await;
    Ok(MadeView { token: text.reveal().to_owned(), about })
}

/// Removes a token; it opens nothing any more.
pub async fn remove(
    site: &Site,
    caller: &Caller,
    (tenant, name): (Option<&TenantName>, &TokenName),
) -> Result<(), Problem> {
    enter(site, caller, tenant).await?;
    let key = TokenKey { tenant: tenant.cloned(), name: name.clone() };
    let removed = site.auth.tokens.remove(&key).await?;
    let note = AuditNote::new(&owner(tenant), AuditKind::Access, "token rm", &key);
    site.noted(caller, note.before(TokenView::from(&removed))).await;
    Ok(())
}

async fn enter(site: &Site, caller: &Caller, tenant: Option<&TenantName>) -> Result<(), Problem> {
    match tenant {
        Some(tenant) => site.enter(caller, tenant, Role::Admin).await.map(|_| ()),
        None => caller.of_all(Role::Admin),
    }
}

/// Whose trail tells of a token: that of its tenant, or that of the platform's own.
fn owner(tenant: Option<&TenantName>) -> TenantName {
    tenant.cloned().unwrap_or_else(TenantName::default_tenant)
}

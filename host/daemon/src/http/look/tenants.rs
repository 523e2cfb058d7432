//! Tenants, and what they use.

use crate::clock::now;
use crate::http::auth::{Caller, Role, Scope};
use crate::http::page::{Cursor, Page};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use lovage_client::TenantUsage;
use lovage_job::name::TenantName;
use lovage_job::tenant::{Access, TenantRecord};
use lovage_job::unit::UnixMs;
use lovage_job::usage::Day;
use serde::Serialize;
use utoipa::ToSchema;

const CURSOR: Cursor = Cursor("tenants");
/// The days for which use is kept.
const DAYS_MAX: u32 = 400;
/// The days that are told where nobody says how many.
const DAYS: u32 = 7;

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantView {
    /// Its name.
    #[schema(value_type = String)]
    pub tenant: TenantName,
    /// When it was added, in milliseconds since 1970.
    #[schema(value_type = u64)]
    pub created: UnixMs,
    /// Its share of a busy worker.
    pub weight: u32,
    /// How its users sign in at the broker: none, user or account.
    pub access: &'static str,
    /// What it may use; null is without limit.
    #[schema(value_type = Object)]
    pub quota: serde_json::Value,
    /// What its tasks may be granted.
    #[schema(value_type = Object)]
    pub ceiling: serde_json::Value,
    /// Whether its components must be signed.
    pub signatures_required: bool,
}

/// What a tenant uses.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// Whose.
    #[schema(value_type = String)]
    pub tenant: TenantName,
    /// Day by day, in UTC.
    #[schema(value_type = Object)]
    pub days: serde_json::Value,
    /// The days together.
    #[schema(value_type = Object)]
    pub total: serde_json::Value,
    /// Bytes that are stored now, by what they are.
    #[schema(value_type = Object)]
    pub stored: serde_json::Value,
    /// All of them.
    pub stored_bytes: u64,
    /// What may be stored; null is without limit.
    #[schema(value_type = Object)]
    pub limits: serde_json::Value,
}

impl From<&TenantRecord> for TenantView {
    fn from(record: &TenantRecord) -> Self {
        Self {
            tenant: record.tenant.clone(),
            created: record.created,
            weight: record.weight,
            access: match record.access {
                Access::None => "none",
                Access::User { .. } => "user",
                Access::Account { .. } => "account",
            },
            quota: serde_json::to_value(&record.quota).unwrap_or_default(),
            ceiling: serde_json::to_value(&record.ceiling).unwrap_or_default(),
            signatures_required: record.signatures.required,
        }
    }
}

/// The tenants that a caller sees, by name.
pub async fn list(
    site: &Site,
    caller: &Caller,
    asked: (Option<u32>, Option<&str>),
) -> Result<Page<TenantView>, Problem> {
    caller.at_least(Role::Viewer)?;
    let records = site.records().await?;
    let records = match &caller.scope {
        Scope::All => records.all().await?,
        Scope::Tenant(own) => vec![records.known(own).await?],
    };
    let views = records.iter().map(TenantView::from).collect();
    CURSOR.page(views, |view: &TenantView| view.tenant.to_string(), asked)
}

/// One tenant.
pub async fn tenant(site: &Site, caller: &Caller, tenant: &TenantName) -> Result<TenantView, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    Ok(TenantView::from(&within.record))
}

/// What a tenant has used in the last days, the present one included, and what it stores.
pub async fn usage(site: &Site, caller: &Caller, tenant: &TenantName, days: Option<u32>) -> Result<UsageView, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let days = days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Problem::new(Code::BadRequest, format_args!("days {days} is not between 1 and {DAYS_MAX}")));
    }
    let usage = within.client.usage(Day::of(now()).back(days - 1)).await?;
    let TenantUsage { days, total, stored, limits } = &usage;
    let value = |value: serde_json::Result<serde_json::Value>| value.map_err(Problem::internal);
    Ok(UsageView {
        tenant: tenant.clone(),
        days: value(serde_json::to_value(days))?,
        total: value(serde_json::to_value(total))?,
        stored: value(serde_json::to_value(stored))?,
        stored_bytes: stored.total(),
        limits: value(serde_json::to_value(limits))?,
    })
}

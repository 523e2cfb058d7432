//! Uploading components: checked to the end, within limits, before anything is stored.

use crate::http::auth::{Caller, Role};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use crate::nats::store::Components;
use crate::nats::topology::{self, TopologyConfig};
use crate::registry::push::{PushError, PushOptions, Pushed, check, store};
use crate::registry::signing::Signing;
use axum::body::Bytes;
use lovage_job::audit::AuditKind;
use lovage_job::catalog::{Provenance, Shape, Source};
use lovage_job::limits::LimitsWish;
use lovage_job::name::{AliasName, Digest, TenantName};
use lovage_job::retry::RetryPolicy;
use lovage_sandbox::InspectOptions;
use serde::Deserialize;
use utoipa::IntoParams;

/// The largest component.
pub const COMPONENT_BYTES_MAX: usize = 64 << 20;
/// The largest that is taken where the request does not say, as the command line does.
const COMPONENT_BYTES: usize = 16 << 20;

/// How a component is pushed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct PushQuery {
    /// The task's name, where the component has one task or `export` chooses one.
    pub name: Option<String>,
    /// The version's name; the next number where none is given.
    pub version: Option<String>,
    /// Which of the component's tasks.
    pub export: Option<String>,
    /// handler, http, command or function, where it can be called in several ways.
    pub shape: Option<String>,
    /// The alias that moves to the new version; stable where none is given.
    pub alias: Option<String>,
    /// Whether an alias moves at all; it does where nothing is said.
    pub promote: Option<bool>,
    /// Units of fuel of an attempt.
    pub fuel: Option<u64>,
    /// Memory of an attempt, such as 64MiB.
    pub memory: Option<String>,
    /// The longest time of an attempt, such as 30s.
    pub timeout: Option<String>,
    /// Further attempts after the first.
    pub retries: Option<u32>,
    /// The largest component, such as 32MiB.
    pub max_size: Option<String>,
}

/// Pushes a component.
pub async fn push(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    (query, bytes): (&PushQuery, Bytes),
) -> Result<Vec<Pushed>, Problem> {
    let within = site.enter(caller, tenant, Role::Operator).await?;
    let mut options = options(query)?;
    if bytes.is_empty() {
        return Err(Problem::new(Code::BadBody, "the body is the component, and it is empty"));
    }
    let checking = site.limits.upload()?;
    let (sandbox, compiler) = site.uploads.engine().await?;
    let inspect = InspectOptions { size_max: options.size_max, shape: options.shape };
    let checked = check(&bytes, &inspect, sandbox, compiler).await?;
    drop(checking);
    let record = &within.record;
    (options.ceiling, options.quota) = (record.ceiling.clone(), record.quota.clone());
    options.signing = Signing { policy: record.signatures.clone(), ..Signing::default() };
    options.provenance = Some(provenance(caller, &bytes));
    topology::ensure_tenant(&site.js, tenant, TopologyConfig::default()).await.map_err(Problem::broker)?;
    let catalog = within.catalog().await?;
    let components = Components::new(site.js.clone());
    let pushed = match store(&catalog, &components, tenant, &checked, &options).await {
        Ok(pushed) => pushed,
        Err(error) => {
            if matches!(error, PushError::Unsigned(_)) {
                let names: Vec<&str> = checked.exports.iter().map(|export| export.name.as_str()).collect();
                let note = within.note(AuditKind::Signatures, "push", names.join(", "));
                within.noted(note.after(&checked.digest).refused(&error)).await;
            }
            return Err(error.into());
        }
    };
    for one in &pushed {
        let target = format!("{} {}", one.record.task, one.record.version);
        let after = serde_json::json!({
            "digest": one.record.digest, "alias": one.alias, "existing": one.existing, "grants": one.granted
        });
        within.noted(within.note(AuditKind::Catalog, "push", target).after(after)).await;
    }
    Ok(pushed)
}

fn bad(name: &str, error: impl std::fmt::Display) -> Problem {
    Problem::new(Code::BadRequest, format_args!("{name}: {error}"))
}

fn options(query: &PushQuery) -> Result<PushOptions, Problem> {
    fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
        name: &str,
        text: Option<&String>,
    ) -> Result<Option<T>, Problem> {
        text.map(|text| text.parse().map_err(|error| bad(name, error))).transpose()
    }
    let timeout = query.timeout.as_deref().map(lovage_job::unit::parse_span).transpose();
    let shape = query.shape.as_deref().map(|text| Shape::parse(text).ok_or_else(|| bad("shape", "it is none")));
    let size: Option<lovage_job::unit::ByteSize> = read("max_size", query.max_size.as_ref())?;
    let alias: Option<AliasName> = read("alias", query.alias.as_ref())?;
    let retry =
        query.retries.map(|retries| RetryPolicy { attempts_max: retries.saturating_add(1), ..RetryPolicy::default() });
    if retry.as_ref().is_some_and(|retry| retry.attempts_max > lovage_job::retry::ATTEMPTS_MAX) {
        return Err(bad("retries", format_args!("at most {}", lovage_job::retry::ATTEMPTS_MAX - 1)));
    }
    Ok(PushOptions {
        name: read("name", query.name.as_ref())?,
        version: read("version", query.version.as_ref())?,
        export: query.export.clone(),
        shape: shape.transpose()?,
        alias: query.promote.unwrap_or(true).then(|| alias.unwrap_or_else(AliasName::stable)),
        limits: LimitsWish {
            fuel: query.fuel,
            memory: read("memory", query.memory.as_ref())?,
            timeout: timeout.map_err(|error| bad("timeout", error))?,
            ..LimitsWish::default()
        },
        retry,
        size_max: size.map_or(COMPONENT_BYTES, |size| size.as_usize()).min(COMPONENT_BYTES_MAX),
        ..PushOptions::default()
    })
}

fn provenance(caller: &Caller, bytes: &[u8]) -> Provenance {
    let size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let source = Source::File { name: "upload".to_owned(), size_bytes, digest: Digest::of(bytes) };
    let tool = format!("lovage {}, HTTP API", env!("CARGO_PKG_VERSION"));
    Provenance { source, pushed_by: Some(format!("token {}", caller.name)), tool, statement: None }
}

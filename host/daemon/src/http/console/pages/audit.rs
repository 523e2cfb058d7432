//! The audit trail: who changed what, and what was refused, newest first.

use super::super::answer::{Answer, page};
use super::super::shell::Shell;
use super::super::text::filters;
use super::super::visit::Visit;
use crate::http::auth::{Role, Scope};
use crate::http::problem::Problem;
use askama::Template;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures::StreamExt;
use lovage_job::audit::{AuditEntry, STREAM, subject};
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use serde_json::Value;
use std::time::Duration;

/// Entries that are looked at: the newest of all tenants.
const LOOKED_AT: u64 = 2_000;
/// Entries that are shown.
const ROWS_MAX: usize = 200;
/// How long the stream may keep silent.
const SILENCE: Duration = Duration::from_millis(500);
/// How much of a state is shown.
const DETAIL_CHARS: usize = 300;

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    shell: Shell,
    rows: Vec<Row>,
    now: UnixMs,
}

struct Row {
    at: UnixMs,
    tenant: String,
    who: String,
    class: &'static str,
    what: String,
    of: String,
    detail: String,
}

/// `GET /audit`
pub async fn show(visit: Visit) -> Answer {
    visit.caller.at_least(Role::Operator)?;
    let tenant = match (&visit.caller.scope, &visit.tenant) {
        (Scope::Tenant(own), _) => Some(own.clone()),
        (Scope::All, chosen) => chosen.clone(),
    };
    let mut entries = entries(&visit, tenant.as_ref()).await?;
    entries.reverse();
    let rows = entries.iter().take(ROWS_MAX).map(row).collect();
    page(&visit, &Page { shell: visit.shell("audit", "Audit"), rows, now: visit.now })
}

async fn entries(visit: &Visit, tenant: Option<&TenantName>) -> Result<Vec<AuditEntry>, Problem> {
    // no stream, no entries: it is made with the first one
    let Ok(mut stream) = visit.site.js.get_stream(STREAM).await else { return Ok(Vec::new()) };
    let last = stream.info().await.map_err(Problem::broker)?.state.last_sequence;
    let config = pull::OrderedConfig {
        filter_subject: subject(tenant, None),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: last.saturating_sub(LOOKED_AT).max(1) },
        ..pull::OrderedConfig::default()
    };
    let mut consumer = stream.create_consumer(config).await.map_err(Problem::broker)?;
    let mut left = consumer.info().await.map_err(Problem::broker)?.num_pending;
    let mut messages = consumer.messages().await.map_err(Problem::broker)?;
    let mut found = Vec::new();
    while left > 0 {
        let Ok(Some(message)) = tokio::time::timeout(SILENCE, messages.next()).await else { break };
        let message = message.map_err(Problem::broker)?;
        left -= 1;
        found.extend(serde_json::from_slice::<AuditEntry>(&message.payload).ok());
    }
    Ok(found)
}

fn row(entry: &AuditEntry) -> Row {
    let AuditEntry { at, who, note } = entry;
    let detail = match (&note.refused, &note.before, &note.after) {
        (Some(reason), ..) => reason.clone(),
        (None, Value::Null, Value::Null) => String::new(),
        (None, Value::Null, after) => after.to_string(),
        (None, before, Value::Null) => format!("{before} removed"),
        (None, before, after) => format!("{before} → {after}"),
    };
    Row {
        at: *at,
        tenant: note.tenant.to_string(),
        who: who.to_string(),
        class: if note.refused.is_some() { "bad" } else { "plain" },
        what: note.action.clone(),
        of: note.target.clone(),
        detail: detail.chars().take(DETAIL_CHARS).collect(),
    }
}

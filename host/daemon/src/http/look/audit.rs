//! The audit trail: who changed what, and what was refused.

use crate::http::auth::{Caller, Role};
use crate::http::page::{self, Cursor, Page};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use crate::nats::audit;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures::StreamExt;
use lovage_job::audit::{AuditEntry, AuditKind, STREAM, subject};
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use serde::Serialize;
use std::time::{Duration, SystemTime};
use utoipa::ToSchema;

const CURSOR: Cursor = Cursor("audit");
/// How far back a trail begins where nobody says.
const SINCE: Duration = Duration::from_secs(86_400);
/// How long the broker may take with the next entry.
const NEXT_WITHIN: Duration = Duration::from_secs(5);

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    /// When, in milliseconds since 1970.
    #[schema(value_type = u64)]
    pub at: UnixMs,
    /// Who, such as `token acme.ci` or a user of the broker, and from which machine.
    pub who: String,
    /// What it is about.
    #[schema(value_type = String)]
    pub kind: AuditKind,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
    /// The state before.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    #[schema(value_type = Option<Object>)]
    pub before: serde_json::Value,
    /// The state after.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    #[schema(value_type = Option<Object>)]
    pub after: serde_json::Value,
    /// Why it was refused, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct AuditAsked {
    /// Of this kind alone.
    pub kind: Option<AuditKind>,
    /// Not older than this.
    pub since: Option<Duration>,
    /// How many at most.
    pub limit: Option<u32>,
    /// The cursor of the page before.
    pub after: Option<String>,
}

/// The trail of a tenant, oldest first.
pub async fn list(
    site: &Site,
    caller: &Caller,
    tenant: &TenantName,
    asked: &AuditAsked,
) -> Result<Page<AuditView>, Problem> {
    site.enter(caller, tenant, Role::Operator).await?;
    let limit = page::limit(asked.limit)?;
    let from = CURSOR.read(asked.after.as_deref())?;
    let from = from.map(|text| text.parse::<u64>().map_err(|_| Problem::new(Code::BadCursor, "it names no entry")));
    let since = SystemTime::now().checked_sub(asked.since.unwrap_or(SINCE)).unwrap_or(SystemTime::UNIX_EPOCH);
    let deliver_policy = match from.transpose()? {
        Some(sequence) => DeliverPolicy::ByStartSequence { start_sequence: sequence.saturating_add(1) },
        None => DeliverPolicy::ByStartTime { start_time: since.into() },
    };
    audit::ensure(&site.js, 1).await?;
    let stream = site.js.get_stream(STREAM).await.map_err(Problem::broker)?;
    let filter_subject = subject(Some(tenant), asked.kind);
    let config = pull::OrderedConfig { filter_subject, deliver_policy, ..pull::OrderedConfig::default() };
    let mut consumer = stream.create_consumer(config).await.map_err(Problem::broker)?;
    let mut left = consumer.info().await.map_err(Problem::broker)?.num_pending;
    let mut entries = consumer.messages().await.map_err(Problem::broker)?;
    let (mut items, mut last) = (Vec::new(), 0);
    while left > 0 && items.len() < limit {
        let next = tokio::time::timeout(NEXT_WITHIN, entries.next()).await.map_err(Problem::broker)?;
        let Some(message) = next else { break };
        let message = message.map_err(Problem::broker)?;
        let info = message.info().map_err(Problem::broker)?;
        (left, last) = (info.pending, info.stream_sequence);
        // what is damaged is left out
        items.extend(serde_json::from_slice(&message.payload).ok().map(view));
    }
    Ok(Page { items, next: (left > 0).then(|| CURSOR.text(&last.to_string())) })
}

fn view(entry: AuditEntry) -> AuditView {
    let AuditEntry { at, who, note } = entry;
    AuditView {
        at,
        who: who.to_string(),
        kind: note.kind,
        action: note.action,
        target: note.target,
        before: note.before,
        after: note.after,
        refused: note.refused,
    }
}

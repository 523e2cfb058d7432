//! `lovage audit`: who changed what tenants may do, and what was refused. Other commands note here what they change.

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::output::printable;
use super::task::when;
use super::worker::Stops;
use super::{Exit, Failure, Output};
use crate::nats::audit;
use async_nats::jetstream;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures::StreamExt;
use lovage_job::audit::{AuditEntry, AuditKind, AuditNote, STREAM, subject};
use lovage_job::name::TenantName;
use lovage_job::unit::parse_span;
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Show who changed what tenants may do, and what was refused: tenants, users, grants, secrets, versions, requests.
///
/// Entries are kept for 90 days. Of what a task is refused, the first of a kind in a minute is kept.
#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    /// Of all tenants, not of the one of --tenant alone.
    #[arg(long)]
    all_tenants: bool,
    /// Only this kind: tenant, access, catalog, grants, secrets, signatures, egress, storage, submit, jobs, schedules,
    /// control or workers.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<AuditKind>,
    /// Only what is not older than this, such as 2h.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    since: Option<Duration>,
    /// Go on with what comes, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
}

fn kind(text: &str) -> Result<AuditKind, String> {
    let known = || AuditKind::ALL.map(AuditKind::as_str).join(", ");
    AuditKind::parse(text).ok_or_else(|| format!("{text:?} is not a kind; there are {}", known()))
}

/// Notes a change that was made. Where the broker does not take the note, the change stands and people are told.
pub(super) async fn note(client: &async_nats::Client, note: AuditNote, output: Output) {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned());
    let (action, target) = (note.action.clone(), note.target.clone());
    if let Err(error) = audit::note(client, &name, note).await {
        output.note(&format!("warning: {action} of {target} is done, but is not in the audit trail: {error}"));
    }
}

/// Where a command of a tenant notes what it changes.
pub(super) struct Trail<'a> {
    pub(super) client: &'a async_nats::Client,
    pub(super) tenant: &'a TenantName,
    pub(super) output: Output,
}

impl Trail<'_> {
    /// Notes a change of a task.
    pub(super) async fn changed(
        &self,
        kind: AuditKind,
        action: &str,
        target: impl std::fmt::Display,
        (before, after): (impl serde::Serialize, impl serde::Serialize),
    ) {
        let told = AuditNote::new(self.tenant, kind, action, target).before(before).after(after);
        note(self.client, told, self.output).await;
    }
}

pub(super) async fn main(args: AuditArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let js = jetstream::new(connection.connect().await?);
    audit::ensure(&js, 1).await.or_exit(Exit::Broker)?;
    let stream = js.get_stream(STREAM).await.or_exit(Exit::Broker)?;
    let tenant = (!args.all_tenants).then(|| connection.tenant());
    let start = args.since.map(|span| SystemTime::now().checked_sub(span).unwrap_or(SystemTime::UNIX_EPOCH));
    let config = pull::OrderedConfig {
        filter_subject: subject(tenant, args.kind),
        deliver_policy: match start {
            Some(start) => DeliverPolicy::ByStartTime { start_time: start.into() },
            None => DeliverPolicy::All,
        },
        ..pull::OrderedConfig::default()
    };
    let mut consumer = stream.create_consumer(config).await.or_exit(Exit::Broker)?;
    let mut left = consumer.info().await.or_exit(Exit::Broker)?.num_pending;
    let mut entries = consumer.messages().await.or_exit(Exit::Broker)?;
    let mut stops = Stops::new()?;
    while left > 0 || args.follow {
        let message = tokio::select! {
            message = entries.next() => message,
            () = stops.next() => return Ok(Exit::Done),
        };
        let Some(message) = message else { return Err(Failure::new(Exit::Broker, "the connection was closed")) };
        let message = message.or_exit(Exit::Broker)?;
        left = message.info().map_err(|error| Failure::new(Exit::Broker, error))?.pending;
        let line = match serde_json::from_slice::<AuditEntry>(&message.payload) {
            Ok(entry) if output.json => serde_json::to_string(&entry).or_exit(Exit::Host)?,
            Ok(entry) => told(&entry),
            Err(error) => {
                output.note(&format!("an entry cannot be read: {error}"));
                continue;
            }
        };
        if output.follow(format!("{line}\n").as_bytes())?.is_break() {
            return Ok(Exit::Done);
        }
    }
    Ok(Exit::Done)
}

/// One harmless line about an entry.
fn told(entry: &AuditEntry) -> String {
    let AuditEntry { at, who, note } = entry;
    let AuditNote { tenant, kind, action, target, before, after, refused } = note;
    let change = match (before, after) {
        (Value::Null, Value::Null) => String::new(),
        (Value::Null, after) => format!(": {after}"),
        (before, Value::Null) => format!(": {before} removed"),
        (before, after) => format!(": {before} -> {after}"),
    };
    let refused = refused.as_ref().map(|reason| format!(" REFUSED: {reason}")).unwrap_or_default();
    printable(&format!("{} {tenant} {kind} {who} {action} {target}{change}{refused}", when(*at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::audit::Who;
    use lovage_job::unit::UnixMs;
    use serde_json::json;

    #[test]
    fn an_entry_is_one_harmless_line() {
        let note = AuditNote::new(&TenantName::default_tenant(), AuditKind::Grants, "task allow", "a\x1b[2J");
        let who = Who { user: Some("ops".to_owned()), host: "h".to_owned(), ..Who::default() };
        let entry = |note| AuditEntry { at: UnixMs(1_000), who: who.clone(), note };
        assert_eq!(
            told(&entry(note.clone().before(json!([])).after(json!(["submit"])))),
            "1970-01-01 00:00:01Z default grants ops@h task allow a\u{fffd}[2J: [] -> [\"submit\"]"
        );
        assert!(told(&entry(note.refused("no\nway"))).ends_with("REFUSED: no\u{fffd}way"));
    }
}

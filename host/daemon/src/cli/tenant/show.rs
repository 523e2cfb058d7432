//! `lovage tenant show`: one tenant, without anything that opens anything.

use super::super::connection::ConnectionArgs;
use super::super::exit::OrExit;
use super::super::task::when;
use super::super::{Exit, Failure, Output};
use super::{given, open, told};
use crate::nats::removal::streams_of;
use lovage_job::name::TenantName;
use lovage_job::tenant::{Access, Rights, TenantRecord};
use lovage_job::unit::format_span;
use serde_json::{Value, json};
use std::fmt::Display;

pub(super) async fn main(tenant: &TenantName, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let (js, records) = open(connection).await?;
    let record = records.known(tenant).await.map_err(told)?;
    let streams = streams_of(&js, tenant).await.or_exit(Exit::Broker)?;
    if output.json {
        let mut value = as_json(&record);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("streams".into(), json!(streams));
            let rights = Rights::of(tenant);
            fields.insert("rights".into(), json!({"publish": rights.publish, "subscribe": rights.subscribe}));
        }
        return output.value(&value).map(|()| Exit::Done);
    }
    lines(&record).iter().try_for_each(|line| output.line(line))?;
    output.line(&format!("streams         {}", streams.join(", ")))?;
    Ok(Exit::Done)
}

/// A record for programs.
pub(super) fn as_json(record: &TenantRecord) -> Value {
    json!({
        "tenant": record.tenant, "home": record.home, "created": record.created, "weight": record.weight,
        "quota": record.quota, "ceiling": record.ceiling, "signatures": record.signatures,
        "access": given::access(record), "history": record.history.map(format_span),
    })
}

/// A record for people.
pub(super) fn lines(record: &TenantRecord) -> Vec<String> {
    let (quota, ceiling) = (&record.quota, &record.ceiling);
    let mut lines = vec![
        line("tenant", &record.tenant),
        line("created", &when(record.created)),
        line("signs in", &signs_in(&record.access)),
        line("weight", &record.weight),
        line("concurrency", &bound(quota.concurrency)),
        line("queued", &bound(quota.queued)),
        line("queued bytes", &bound(quota.queued_bytes)),
        line("delayed", &bound(quota.delayed)),
        line("storage", &bound(quota.storage)),
        line("key-value", &of_workers(quota.keyvalue)),
        line("blobs", &of_workers(quota.blobstore)),
        line("payload", &bound(quota.payload)),
        line("fuel per day", &bound(quota.fuel_per_day)),
        line("components", &bound(quota.components)),
        line("component size", &bound(quota.component_size)),
        line("egress per day", &bound(quota.egress_per_day)),
    ];
    let mut may: Vec<String> = [
        (ceiling.submit, "submit"),
        (ceiling.keyvalue, "keyvalue"),
        (ceiling.blobstore, "blobstore"),
        (ceiling.secrets, "secrets"),
    ]
    .into_iter()
    .filter(|(allowed, _)| *allowed)
    .map(|(_, part)| part.to_owned())
    .collect();
    may.extend(ceiling.http.iter().map(|host| format!("http={host}")));
    may.extend(ceiling.scratch.map(|size| format!("scratch={size}")));
    lines.push(line("tasks may", &if may.is_empty() { "nothing".to_owned() } else { may.join(", ") }));
    let signatures = &record.signatures;
    let must = if signatures.required { "required" } else { "not required" };
    let kept =
        record.history.map_or("as the history's writer says".to_owned(), |span| format!("for {}", format_span(span)));
    lines.push(line("history kept", &kept));
    lines.push(line("signatures", &format!("{must}, {} keys", signatures.keys.len())));
    lines
}

fn line(name: &str, value: &dyn Display) -> String {
    format!("{name:<15} {value}")
}

fn bound<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "no limit".to_owned(), |value| value.to_string())
}

fn of_workers<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "what workers give".to_owned(), |value| value.to_string())
}

pub(super) fn signs_in(access: &Access) -> String {
    match access {
        Access::None => "nobody".to_owned(),
        Access::User { user, .. } => format!("user {user}"),
        Access::Account { account, user } if user.is_empty() => format!("account {account}, without a user"),
        Access::Account { account, .. } => format!("account {account}"),
    }
}

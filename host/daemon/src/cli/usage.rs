//! `lovage usage`: what tenants have used, day by day, and what they store.

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::{Exit, Failure, Output};
use clap::Args;
use lovage_client::{StoredBytes, TenantUsage};
use lovage_job::name::TenantName;
use lovage_job::unit::{ByteSize, format_span};
use lovage_job::usage::{Day, Used};
use std::collections::BTreeMap;
use std::time::Duration;

/// The days that are shown where nobody says how many.
const DAYS: u32 = 7;

/// Show what a tenant has used, day by day in UTC, and what it stores now.
///
/// Workers bring what they count to the broker about each second; one that is killed loses at most that. Memory is the
/// peak of each attempt times its wall time.
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// Every tenant, the days together.
    #[arg(long)]
    all: bool,
    /// How many days, the present one included; they are kept for 400.
    #[arg(long, value_name = "N", default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=400))]
    days: u32,
}

pub(super) async fn main(args: UsageArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let client = connection.operators_client().await?;
    let since = Day::of(crate::clock::now()).back(args.days - 1);
    if args.all {
        all(&client.usage_of_all(since).await.or_exit(Exit::Broker)?, output)
    } else {
        one(connection.tenant(), &client.usage(since).await.or_exit(Exit::Broker)?, output)
    }
}

const HEADS: [&str; 7] = ["", "JOBS", "ATTEMPTS", "FUEL", "MEMORY", "TIME", "EGRESS"];

fn row(first: String, used: &Used) -> Vec<String> {
    vec![
        first,
        used.jobs.to_string(),
        used.attempts.to_string(),
        used.fuel.to_string(),
        format!("{} s", size(used.memory_byte_seconds)),
        format_span(Duration::from_millis(used.wall_ms)),
        size(used.egress_bytes),
    ]
}

/// A size for people, with one digit after the point.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, scale)| bytes >= *scale) {
        Some((unit, scale)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(scale);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => ByteSize(bytes).to_string(),
    }
}

fn one(tenant: &TenantName, usage: &TenantUsage, output: Output) -> Result<Exit, Failure> {
    if output.json {
        output.value(&serde_json::json!({
            "tenant": tenant, "days": usage.days, "total": usage.total, "stored": usage.stored,
            "stored_bytes": usage.stored.total(), "limits": usage.limits,
        }))?;
        return Ok(Exit::Done);
    }
    if usage.days.is_empty() {
        output.note("nothing was used on these days");
    } else {
        let mut rows: Vec<_> = usage.days.iter().map(|(day, used)| row(day.to_string(), used)).collect();
        rows.push(row("together".to_owned(), &usage.total));
        output.table(&HEADS, rows)?;
    }
    output.line(&format!("stored: {}", stored(&usage.stored)))?;
    for (what, bytes, most) in limited(usage) {
        output.line(&format!("of {what}: {} of {most}", size(bytes)))?;
    }
    Ok(Exit::Done)
}

fn stored(bytes: &StoredBytes) -> String {
    let StoredBytes { jobs, results, dead, logs, components, payloads, state, keyvalue, blobs } = *bytes;
    let parts = [
        ("jobs", jobs),
        ("results", results),
        ("dead letters", dead),
        ("logs", logs),
        ("components", components),
        ("payloads", payloads),
        ("keys, groups and checkpoints", state),
        ("key-value", keyvalue),
        ("blobs", blobs),
    ];
    let parts: Vec<_> =
        parts.iter().filter(|(_, bytes)| *bytes > 0).map(|(what, bytes)| format!("{what} {}", size(*bytes))).collect();
    match parts.is_empty() {
        true => "nothing".to_owned(),
        false => format!("{} ({})", size(bytes.total()), parts.join(", ")),
    }
}

/// What has a limit, how many bytes are stored of it, and the limit.
fn limited(usage: &TenantUsage) -> Vec<(&'static str, u64, ByteSize)> {
    let (stored, limits) = (&usage.stored, &usage.limits);
    [
        ("storage, all but components", stored.counted(), limits.storage),
        ("key-value", stored.keyvalue, limits.keyvalue),
        ("blobs", stored.blobs, limits.blobs),
    ]
    .into_iter()
    .filter_map(|(what, bytes, most)| most.map(|most| (what, bytes, most)))
    .collect()
}

fn all(usage: &BTreeMap<TenantName, TenantUsage>, output: Output) -> Result<Exit, Failure> {
    if output.json {
        for (tenant, usage) in usage {
            output.value(&serde_json::json!({
                "tenant": tenant, "total": usage.total, "stored": usage.stored,
                "stored_bytes": usage.stored.total(), "limits": usage.limits,
            }))?;
        }
        return Ok(Exit::Done);
    }
    let [_, rest @ ..] = HEADS;
    let heads: Vec<&str> = std::iter::once("TENANT").chain(rest).chain(std::iter::once("STORED")).collect();
    let rows = usage.iter().map(|(tenant, usage)| {
        let mut row = row(tenant.to_string(), &usage.total);
        row.push(size(usage.stored.total()));
        row
    });
    output.table(&heads, rows.collect())?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        for (bytes, text) in [(0, "0B"), (1_023, "1023B"), (1_536, "1.5 KiB"), (u64::MAX, "17179869183.9 GiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}

//! Tenants, and what each used and stores.

use super::super::answer::{Answer, page};
use super::super::shell::Shell;
use super::super::text::{self, filters};
use super::super::visit::Visit;
use crate::http::auth::Scope;
use crate::http::problem::Problem;
use crate::nats::records::Records;
use askama::Template;
use lovage_client::TenantUsage;
use lovage_job::limit::PauseScope;
use lovage_job::name::TenantName;
use lovage_job::tenant::TenantRecord;
use lovage_job::usage::Day;
use std::collections::BTreeMap;

/// The days whose usage is told.
const DAYS: u32 = 30;
/// Tenants that are shown, the busiest first.
const ROWS_MAX: usize = 500;
/// Tenants whose pauses are looked up.
const PAUSES_MAX: usize = 50;

#[derive(Template)]
#[template(path = "tenants.html")]
struct Page {
    shell: Shell,
    days: u32,
    rows: Vec<Row>,
}

struct Row {
    tenant: String,
    paused: bool,
    weight: u32,
    jobs: u64,
    attempts: u64,
    fuel: u64,
    memory: String,
    egress: u64,
    stored: u64,
    quotas: String,
}

/// `GET /tenants`
pub async fn show(visit: Visit) -> Answer {
    let since = Day::of(visit.now).back(DAYS - 1);
    let records = Records::open(&visit.site.js).await.map_err(Problem::broker)?;
    let client = visit.client(&visit.one_tenant());
    let (records, usage): (Vec<TenantRecord>, BTreeMap<TenantName, TenantUsage>) = match &visit.caller.scope {
        Scope::All => {
            let records = records.all().await.map_err(Problem::broker)?;
            (records, client.usage_of_all(since).await.map_err(Problem::broker)?)
        }
        Scope::Tenant(own) => {
            let record = records.get(own).await.map_err(Problem::broker)?.map(|(record, _)| record);
            let usage = client.usage(since).await.map_err(Problem::broker)?;
            (record.into_iter().collect(), [(own.clone(), usage)].into_iter().collect())
        }
    };
    let mut rows: Vec<Row> = records.iter().map(|record| row(record, usage.get(&record.tenant))).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.jobs, row.stored)));
    rows.truncate(ROWS_MAX);
    for row in rows.iter_mut().take(PAUSES_MAX) {
        let Ok(tenant) = row.tenant.parse() else { continue };
        let pauses = visit.client(&tenant).pauses().await.map_err(Problem::broker)?;
        row.paused = pauses.iter().any(|pause| pause.scope == PauseScope::Tenant);
    }
    page(&visit, &Page { shell: visit.shell("tenants", "Tenants"), days: DAYS, rows })
}

fn row(record: &TenantRecord, usage: Option<&TenantUsage>) -> Row {
    let total = usage.map(|usage| usage.total).unwrap_or_default();
    let mib_hours = total.memory_byte_seconds as f64 / f64::from(1 << 20) / 3_600.0;
    Row {
        tenant: record.tenant.to_string(),
        paused: false,
        weight: record.weight,
        jobs: total.jobs,
        attempts: total.attempts,
        fuel: total.fuel,
        memory: format!("{mib_hours:.1} MiB·h"),
        egress: total.egress_bytes,
        stored: usage.map_or(0, |usage| usage.stored.total()),
        quotas: quotas(record),
    }
}

fn quotas(record: &TenantRecord) -> String {
    let quota = &record.quota;
    let all = [
        quota.concurrency.map(|most| format!("{most} at once")),
        quota.queued.map(|most| format!("{} queued", text::count(most))),
        quota.fuel_per_day.map(|most| format!("{} fuel a day", text::fuel(most))),
        quota.storage.map(|most| format!("{most} stored")),
        quota.egress_per_day.map(|most| format!("{most} egress a day")),
        quota.components.map(|most| format!("{most} components")),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

//! The queues: what waits, since when, and pauses.

use super::super::answer::{Answer, done, page};
use super::super::chart::Chart;
use super::super::depths::Depth;
use super::super::shell::Shell;
use super::super::text::{self, filters};
use super::super::visit::Visit;
use super::charts::{self, Span};
use crate::http::act::control::{self, PauseBody};
use crate::http::problem::Problem;
use crate::telemetry::cluster::QueueState;
use askama::Template;
use axum::Form;
use axum::extract::Path;
use lovage_client::Pause;
use lovage_job::limit::PauseScope;
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::Lane;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Tenants whose queues are listed at once.
const TENANTS_MAX: usize = 100;

#[derive(Template)]
#[template(path = "queues.html")]
struct Page {
    shell: Shell,
    rows: Vec<Row>,
    charts: Vec<Chart>,
}

struct Row {
    queue: String,
    tenant: String,
    link: String,
    class: &'static str,
    state: &'static str,
    reason: String,
    paused: bool,
    waiting: u64,
    running: u64,
    oldest: String,
    lanes: String,
}

/// `GET /queues`
pub async fn show(visit: Visit) -> Answer {
    let picture = visit.state.picture().await;
    let shown: Vec<TenantName> = match &visit.tenant {
        Some(tenant) => vec![tenant.clone()],
        None => visit.tenants.iter().take(TENANTS_MAX).cloned().collect(),
    };
    let mut rows = Vec::new();
    for tenant in &shown {
        let state = picture.as_ref().and_then(|picture| picture.tenants.get(tenant));
        let mut queues: BTreeMap<QueueName, Vec<(Lane, QueueState)>> = BTreeMap::new();
        for ((queue, lane), state) in state.iter().flat_map(|state| state.queues.iter()) {
            queues.entry(queue.clone()).or_default().push((*lane, *state));
        }
        if visit.tenant.is_some() {
            for queue in picture.iter().flat_map(|picture| picture.workers.iter().flat_map(|worker| &worker.queues)) {
                queues.entry(queue.clone()).or_default();
            }
        }
        if queues.is_empty() {
            continue;
        }
        let pauses = visit.client(tenant).pauses().await.map_err(Problem::broker)?;
        rows.extend(queues.iter().map(|(queue, lanes)| row(&visit, (tenant, queue), lanes, &pauses)));
    }
    let span = Span::of(Some("1h"));
    let depths = visit.state.depths.of(visit.tenant.as_ref(), span.from(visit.now));
    let charts = charts::of_depths(&depths, span, visit.now);
    page(&visit, &Page { shell: visit.shell("queues", "Queues"), rows, charts })
}

fn row(
    visit: &Visit,
    (tenant, queue): (&TenantName, &QueueName),
    lanes: &[(Lane, QueueState)],
    pauses: &[Pause],
) -> Row {
    let depth = Depth::of(lanes.iter().map(|(_, state)| state), visit.now);
    let of = |scope: &PauseScope| *scope == PauseScope::Queue(queue.clone()) || *scope == PauseScope::Tenant;
    let pause = pauses.iter().find(|pause| of(&pause.scope));
    let lanes = lanes.iter().filter(|(_, state)| state.waiting > 0);
    let lanes: Vec<String> = lanes.map(|(lane, state)| format!("{lane} {}", text::count(state.waiting))).collect();
    Row {
        queue: queue.to_string(),
        tenant: tenant.to_string(),
        link: format!("/jobs?tenant={tenant}&queue={queue}"),
        class: if pause.is_some() { "warn" } else { "ok" },
        state: if pause.is_some() { "paused" } else { "open" },
        reason: pause.map(|pause| pause.reason.clone()).unwrap_or_default(),
        paused: pause.is_some_and(|pause| pause.scope != PauseScope::Tenant),
        waiting: depth.waiting,
        running: depth.running,
        oldest: match depth.waiting {
            0 => String::new(),
            _ => text::span(Duration::try_from_secs_f64(depth.oldest_seconds).unwrap_or_default()),
        },
        lanes: lanes.join(" · "),
    }
}

/// Whether something is to be paused.
#[derive(Deserialize)]
pub struct Paused {
    /// `yes` or `no`.
    pub paused: String,
}

/// `POST /queues/{tenant}/{queue}/pause`
pub async fn pause(visit: Visit, Path((tenant, queue)): Path<(String, String)>, Form(wanted): Form<Paused>) -> Answer {
    let (visit, tenant) = visit.into_tenant(&tenant)?;
    let queue: QueueName = queue.parse().map_err(|_| Problem::not_found("such queue"))?;
    let pause = wanted.paused == "yes";
    let result = set_paused(&visit, &tenant, &PauseScope::Queue(queue.clone()), pause).await;
    let place = format!("/queues?tenant={tenant}");
    done(result, &place, &place, |()| {
        if pause { format!("queue {queue} is paused; running jobs go on") } else { format!("queue {queue} goes on") }
    })
}

/// Pauses something, or resumes it.
pub async fn set_paused(visit: &Visit, tenant: &TenantName, scope: &PauseScope, paused: bool) -> Result<(), Problem> {
    let (site, caller) = (&visit.site, &visit.caller);
    match paused {
        true => control::pause(site, caller, tenant, (scope, &PauseBody::default())).await.map(drop),
        false => control::resume(site, caller, tenant, scope).await.map(drop),
    }
}

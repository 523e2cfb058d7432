//! The overview: how it is now, and how it went.

use super::super::answer::{Answer, page};
use super::super::chart::{Chart, Unit};
use super::super::depths::Depth;
use super::super::shell::Shell;
use super::super::text::{self, filters};
use super::super::visit::Visit;
use super::charts::{self, SPANS, Span};
use crate::http::problem::Problem;
use crate::telemetry::cluster::{Asset, Picture};
use askama::Template;
use lovage_history::{Bucket, Dimension, Histogram, SeriesFilter, Share, Store};
use lovage_job::outcome::OutcomeKind;
use std::time::Duration;

/// Rows of each table.
const ROWS_MAX: usize = 8;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    shell: Shell,
    spans: Vec<(&'static str, &'static str, bool)>,
    span_label: &'static str,
    tasks_none: bool,
    cards: Vec<Card>,
    history_off: Option<&'static str>,
    charts: Vec<Chart>,
    outcomes: Vec<Part>,
    busiest: Vec<Part>,
}

struct Card {
    class: &'static str,
    figure: String,
    label: &'static str,
    link: String,
}

struct Part {
    class: &'static str,
    name: String,
    count: u64,
    failed: u64,
    part: f64,
    link: String,
}

/// What the history says of the span.
#[derive(Default)]
struct Past {
    buckets: Vec<Bucket>,
    outcomes: Vec<Share>,
    tasks: Vec<Share>,
}

/// `GET /`
pub async fn show(visit: Visit) -> Answer {
    let span = Span::of(visit.asked("span"));
    let shell = visit.shell("overview", "Overview");
    let past = match visit.history().await {
        Some(store) => past(&visit, store, span).await,
        None => None,
    };
    let picture = visit.state.picture().await;
    let client = visit.client(&visit.one_tenant());
    let tasks_none = client.tasks().await.map_err(Problem::broker)?.is_empty();
    let depths = visit.state.depths.of(visit.tenant.as_ref(), span.from(visit.now));
    let known = past.as_ref();
    let mut all = known.map(|past| charts::of_history(&past.buckets, span, visit.now)).unwrap_or_default();
    all.extend(charts::of_depths(&depths, span, visit.now));
    let history_off = match (visit.site.past.is_kept(), known) {
        (false, _) => Some("There is no history: start the server with --history to see throughput and run times."),
        (true, None) => Some("The history does not answer now; queues and workers are up to date."),
        (true, Some(_)) => None,
    };
    let template = Page {
        cards: cards(&visit, &shell, picture.as_deref(), known.map(|past| (past, span))),
        spans: SPANS.iter().map(|one| (one.value, one.label, one.value == span.value)).collect(),
        span_label: span.label,
        tasks_none: tasks_none && visit.tenants.len() < 2,
        history_off,
        charts: all,
        outcomes: known.map(|past| parts(&shell, &past.outcomes, true)).unwrap_or_default(),
        busiest: known.map(|past| parts(&shell, &past.tasks, false)).unwrap_or_default(),
        shell,
    };
    page(&visit, &template)
}

async fn past(visit: &Visit, store: &Store, span: Span) -> Option<Past> {
    let (scope, all) = (visit.scope(), SeriesFilter::default());
    let range = (span.from(visit.now), visit.now);
    let step = Duration::from_secs(span.step * 60);
    let found = tokio::try_join!(
        store.series(&scope, &all, range, step),
        store.breakdown(&scope, &all, range, Dimension::Outcome),
        store.breakdown(&scope, &all, range, Dimension::Task),
    );
    match found {
        Ok((buckets, outcomes, tasks)) => Some(Past { buckets, outcomes, tasks }),
        Err(error) => {
            tracing::warn!(error = %error, "the history does not answer");
            None
        }
    }
}

fn cards(visit: &Visit, shell: &Shell, picture: Option<&Picture>, past: Option<(&Past, Span)>) -> Vec<Card> {
    let card = |label, figure, class, link| Card { class, figure, label, link };
    let mut cards = Vec::new();
    if let Some((past, span)) = past {
        // the step that goes on is only a part of one
        let last = past.buckets.iter().rev().nth(1).or(past.buckets.last());
        let jobs = last.map_or(0, |bucket| bucket.completed + bucket.failed + bucket.other);
        let rate = jobs as f64 / (span.step * 60) as f64;
        let (mut ended, mut failed, mut latency) = (0, 0, Histogram::default());
        for bucket in &past.buckets {
            ended += bucket.completed + bucket.failed + bucket.other;
            failed += bucket.failed;
            latency.add(&bucket.latency);
        }
        cards.push(card("jobs a second, lately", Unit::PerSecond.text(rate), "", String::new()));
        cards.push(card("jobs ended", text::count(ended), "", shell.link("/jobs")));
        let class = if failed * 20 > ended { "bad" } else { "" };
        cards.push(card("failed", text::share(failed, ended), class, String::new()));
        let p95 = latency.quantile(0.95).map_or_else(|| "–".to_owned(), text::span);
        cards.push(card("run time, p95", p95, "", String::new()));
    }
    let Some(picture) = picture else { return cards };
    let own = visit.tenant.as_ref().map(|tenant| picture.tenants.get(tenant));
    let depth = match own {
        Some(own) => Depth::of(own.iter().flat_map(|state| state.queues.values()), visit.now),
        None => Depth::of(picture.queues.values(), visit.now),
    };
    let dead = |states: &mut dyn Iterator<Item = &crate::telemetry::cluster::TenantState>| {
        states.map(|state| state.stored.get(&Asset::Dead).map_or(0, |(count, _)| *count)).sum::<u64>()
    };
    let dead = match own {
        Some(own) => dead(&mut own.into_iter()),
        None => dead(&mut picture.tenants.values()),
    };
    cards.push(card("waiting", text::count(depth.waiting), "", shell.link("/queues")));
    cards.push(card("with workers", text::count(depth.running), "", shell.link("/jobs")));
    let class = if depth.oldest_seconds > 300.0 { "warn" } else { "" };
    cards.push(card("oldest waits", Unit::Seconds.text(depth.oldest_seconds), class, shell.link("/queues")));
    cards.push(card("dead letters", text::count(dead), if dead > 0 { "warn" } else { "" }, shell.link("/dead")));
    let workers = picture.workers.len();
    let link = if shell.can_admin { "/workers".to_owned() } else { String::new() };
    cards.push(card("workers", workers.to_string(), if workers == 0 { "bad" } else { "" }, link));
    cards
}

fn parts(shell: &Shell, shares: &[Share], outcomes: bool) -> Vec<Part> {
    let all = |share: &Share| share.completed + share.failed + share.other;
    let sum: u64 = shares.iter().map(all).sum();
    let part = |share: &Share| {
        let link = shell.link("/jobs");
        let joint = if link.contains('?') { '&' } else { '?' };
        let name = if outcomes { "state" } else { "task" };
        let outcome = OutcomeKind::parse(&share.label);
        Part {
            class: outcome.map_or("plain", text::class_of),
            name: share.label.clone(),
            count: all(share),
            failed: share.failed,
            part: all(share) as f64 / sum.max(1) as f64,
            link: format!("{link}{joint}{name}={}", share.label),
        }
    };
    shares.iter().take(ROWS_MAX).map(part).collect()
}

//! What a worker does beside its jobs: tells events, extends leases, and follows what is changed from outside. Each of
//! these ends with its token.

use super::FLUSH_WITHIN;
use crate::intake::Intake;
use crate::lease::Leases;
use crate::nats::broker::NatsBroker;
use crate::nats::control::{Cancelled, Cancels, watch};
use crate::nats::deaths::{DeathNotes, PATTERN};
use crate::nats::permits::Permits;
use crate::nats::rules::{PATTERNS, Rules};
use crate::nats::settle::{RELEASED_TOGETHER, Settler};
use crate::nats::store::Catalog;
use crate::nats::topology::EXTEND_AFTER;
use crate::pipeline::{Heard, Running};
use crate::ports::Delivery;
use crate::registry::live::Live;
use anyhow::Context as _;
use async_nats::jetstream;
use futures::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often leases are looked at.
const LEASES_EVERY: Duration = Duration::from_secs(2);
/// Jobs that wait in the buffer for longer than this go back to their queue.
const BUFFERED_MAX: Duration = Duration::from_secs(2);

/// Runs a part of the worker, and says so where it ends by itself.
pub(super) async fn log_end<E: std::fmt::Display>(what: &'static str, task: impl Future<Output = Result<(), E>>) {
    if let Err(error) = task.await {
        tracing::error!(what, error = %error, "a part of the worker ended");
    }
}

/// Tells the events of attempts in the order in which they happened.
pub(super) async fn tell_events(broker: Arc<NatsBroker>, mut events: mpsc::Receiver<Heard>, stop: CancellationToken) {
    use crate::ports::Broker as _;
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.recv() => event,
        };
        match event {
            None => return,
            Some(Heard::Event(tenant, event)) => broker.tell(&tenant, &event).await,
            // whoever asked may be gone
            Some(Heard::Flush(flushed)) => drop(flushed.send(())),
        }
    }
}

/// Puts jobs back that never began here.
pub(super) async fn release_all(settler: Arc<Settler>, jobs: Vec<Delivery>) {
    let settler = &settler;
    let release = |job: Delivery| async move { settler.release(&job.lease, None).await };
    futures::stream::iter(jobs).for_each_concurrent(RELEASED_TOGETHER, release).await;
}

/// Extends the leases of what waits and runs here, and gives back what waits too long.
pub(super) async fn keep_leases(
    settler: Arc<Settler>,
    leases: Arc<Leases>,
    intake: Arc<Intake>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(LEASES_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let stale = intake.stale(BUFFERED_MAX);
        if !stale.is_empty() {
            // apart, so that no lease waits for it; ends by itself, since each answer of the broker is waited for in time
            tokio::spawn(release_all(settler.clone(), stale));
        }
        for address in leases.due(EXTEND_AFTER) {
            settler.extend(&address).await;
        }
    }
}

/// Follows limits and pauses; they were read once before, so nothing waits for this.
pub(super) async fn follow_rules(
    js: &jetstream::Context,
    rules: &Arc<Rules>,
    permits: &Arc<Permits>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> anyhow::Result<()> {
    let bucket = js.get_key_value(lovage_job::subject::asset::CONTROL).await?;
    for pattern in PATTERNS {
        let (bucket, rules, permits) = (bucket.clone(), rules.clone(), permits.clone());
        let (stop, waking) = (stop.clone(), tracker.clone());
        tracker.spawn(async move {
            let each = |change| {
                if let Some((tenant, change)) = rules.apply(&change) {
                    let permits = permits.clone();
                    waking.spawn(async move { permits.heed(&tenant, &change).await });
                }
                std::future::ready(())
            };
            watch(&bucket, pattern, &stop, None, each).await;
        });
    }
    Ok(())
}

/// Follows cancels, and stops the attempts of those that are cancelled. Returns once those there are now are known.
pub(super) async fn follow_cancels(
    js: &jetstream::Context,
    cancels: &Arc<Cancels>,
    running: &Arc<Running>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> anyhow::Result<()> {
    let bucket = js.get_key_value(lovage_job::subject::asset::CONTROL).await?;
    let (cancels, running, stop) = (cancels.clone(), running.clone(), stop.clone());
    let (caught_up, ready) = tokio::sync::oneshot::channel();
    tracker.spawn(async move {
        let each = |change| {
            if let Some(Cancelled { tenant, id, reason, grace }) = cancels.apply(&change) {
                running.cancel(&tenant, &id, &reason, grace);
            }
            std::future::ready(())
        };
        watch(&bucket, "*.cancel.*", &stop, Some(caught_up), each).await;
    });
    ready.await.context("the cancels cannot be read")
}

/// Follows which components are quarantined. Returns once those that are now are known.
pub(super) async fn follow_deaths(
    js: &jetstream::Context,
    deaths: &Arc<DeathNotes>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> anyhow::Result<()> {
    let bucket = js.get_key_value(lovage_job::subject::asset::CONTROL).await?;
    let (deaths, stop) = (deaths.clone(), stop.clone());
    let (caught_up, ready) = tokio::sync::oneshot::channel();
    tracker.spawn(async move {
        let each = |change| {
            deaths.apply(&change);
            std::future::ready(())
        };
        watch(&bucket, PATTERN, &stop, Some(caught_up), each).await;
    });
    ready.await.context("the notes on runners cannot be read")
}

/// Applies the catalogue as it changes. Each task is made ready on its own, so that a slow compilation holds up no
/// other task.
pub(super) async fn follow_catalog(
    catalog: &Catalog,
    live: &Arc<Live>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) {
    let (catalog, live, stop) = (catalog.clone(), live.clone(), stop.clone());
    let (caught_up, ready) = tokio::sync::oneshot::channel();
    tracker.spawn(async move {
        let mut appliers = crate::registry::live::Appliers::new(live);
        let each = |change: crate::nats::control::Change| {
            appliers.change(&change.key, change.value.as_deref());
            std::future::ready(())
        };
        watch(catalog.bucket(), "*.task.*", &stop, Some(caught_up), each).await;
    });
    // a catalogue that cannot be watched yet is asked for each job
    let _not_needed_to_begin = tokio::time::timeout(FLUSH_WITHIN, ready).await;
}

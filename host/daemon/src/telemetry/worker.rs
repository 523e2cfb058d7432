//! What a worker tells of itself: its counters, and what its parts hold at the moment of the scrape.

use super::names::{
    ATTEMPT_SECONDS, ATTEMPTS, ATTEMPTS_MAX, ATTEMPTS_RUNNING, BROKER_BYTES, BROKER_CONNECTED, BROKER_CONNECTS,
    BROKER_FAULTS, BROKER_MESSAGES, COMPILATIONS, COMPILE_SECONDS, DEAD_LETTERS, EGRESS_BYTES, ENDINGS_PENDING,
    FUEL_USED, JOBS, MEMORY_PEAK_BYTES, MESSAGES_HELD, PUT_BACK, RUNNER_DEATHS, RUNTIME_BEAT_AGE, TENANT_FUEL,
    TENANT_JOBS, TENANT_SECONDS, WAIT_SECONDS, WORKER_MODE,
};
use super::samples::as_number;
use super::{Samples, Source};
use crate::counters::{Counters, QueueCounters, TenantCounters};
use async_nats::Client;
use async_nats::connection::State;
use lovage_job::worker::WorkerMode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Stands in metrics for all queues that a worker does not serve.
pub const OTHER_QUEUES: &str = "(other)";
/// How often the runtime shows that it is alive.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A runtime that was not seen alive for this long hangs.
const BEAT_MISSED: Duration = Duration::from_secs(30);
const MICROS: f64 = 1e6;

/// Asked at each scrape how much there is of something.
pub type Asked = Box<dyn Fn() -> u64 + Send + Sync>;

/// What a worker's metrics are read from.
pub struct WorkerParts {
    /// What it has counted.
    pub counters: Arc<Counters>,
    /// Its connection.
    pub client: Client,
    /// Attempts at once.
    pub concurrency: Asked,
    /// Attempts that run.
    pub running: Asked,
    /// Messages that are held.
    pub held: Asked,
    /// Ends that are not confirmed.
    pub pending: Asked,
    /// Whether it takes jobs.
    pub mode: Box<dyn Fn() -> WorkerMode + Send + Sync>,
}

/// The metrics of a worker, and whether it is well.
pub struct WorkerMetrics {
    parts: WorkerParts,
    begun: Instant,
    /// When the runtime was last seen alive, in milliseconds since the beginning.
    beat_ms: AtomicU64,
}

impl std::fmt::Debug for WorkerMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerMetrics").field("counters", &self.parts.counters).finish_non_exhaustive()
    }
}

impl WorkerMetrics {
    /// The metrics of a worker that is made of these parts; [`Self::beat`] must run beside it.
    pub fn new(parts: WorkerParts) -> Arc<Self> {
        super::process::begin();
        Arc::new(Self { parts, begun: Instant::now(), beat_ms: AtomicU64::new(0) })
    }

    /// Shows that the runtime it runs on is alive, until `stop`.
    pub async fn beat(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(BEAT_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.beat_ms.store(since, Ordering::Relaxed);
        }
    }

    fn beat_age(&self) -> Duration {
        let beat = Duration::from_millis(self.beat_ms.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(beat)
    }

    fn connected(&self) -> bool {
        self.parts.client.connection_state() == State::Connected
    }

    /// Why the process should be started again; nothing while it is alive.
    pub fn dead(&self) -> Option<String> {
        let age = self.beat_age();
        (age > BEAT_MISSED).then(|| format!("the runtime was last seen alive {} s ago", age.as_secs()))
    }

    /// Why it takes no jobs; nothing while it does.
    pub fn unready(&self) -> Option<String> {
        let mode = (self.parts.mode)();
        match mode {
            WorkerMode::Quiet | WorkerMode::Draining => Some(format!("the worker is {}", mode.as_str())),
            WorkerMode::Running if !self.connected() => Some("there is no connection to the broker".to_owned()),
            WorkerMode::Running => self.dead(),
        }
    }

    fn tell_state(&self, samples: &mut Samples) {
        let parts = &self.parts;
        samples.count(&ATTEMPTS_RUNNING, [], (parts.running)());
        samples.count(&ATTEMPTS_MAX, [], (parts.concurrency)());
        samples.count(&MESSAGES_HELD, [], (parts.held)());
        samples.count(&ENDINGS_PENDING, [], (parts.pending)());
        let mode = (parts.mode)();
        for each in [WorkerMode::Running, WorkerMode::Quiet, WorkerMode::Draining] {
            samples.count(&WORKER_MODE, [each.as_str()], u64::from(each == mode));
        }
        samples.number(&RUNTIME_BEAT_AGE, [], self.beat_age().as_secs_f64());
    }

    fn tell_broker(&self, samples: &mut Samples) {
        samples.count(&BROKER_CONNECTED, [], u64::from(self.connected()));
        let statistics = self.parts.client.statistics();
        samples.count(&BROKER_CONNECTS, [], statistics.connects.load(Ordering::Relaxed));
        samples.count(&BROKER_BYTES, ["in"], statistics.in_bytes.load(Ordering::Relaxed));
        samples.count(&BROKER_BYTES, ["out"], statistics.out_bytes.load(Ordering::Relaxed));
        samples.count(&BROKER_MESSAGES, ["in"], statistics.in_messages.load(Ordering::Relaxed));
        samples.count(&BROKER_MESSAGES, ["out"], statistics.out_messages.load(Ordering::Relaxed));
        for (fault, count) in self.parts.counters.faults() {
            samples.count(&BROKER_FAULTS, [fault.as_str()], count);
        }
    }
}

impl Source for WorkerMetrics {
    fn tell(&self, samples: &mut Samples) {
        let counters = &self.parts.counters;
        for (name, queue) in counters.queues() {
            tell_queue(samples, name.map_or(OTHER_QUEUES, |name| name.as_str()), queue);
        }
        samples.count(&FUEL_USED, [], counters.fuel_used.get());
        samples.count(&EGRESS_BYTES, [], counters.egress_bytes.get());
        samples.histogram(&MEMORY_PEAK_BYTES, [], &counters.memory_peak_bytes.read(), 1.0);
        samples.count(&RUNNER_DEATHS, [], counters.runner_deaths.get());
        for (how, count) in counters.compilations() {
            samples.count(&COMPILATIONS, [how.as_str()], count);
        }
        samples.histogram(&COMPILE_SECONDS, [], &counters.compile_us.read(), MICROS);
        self.tell_state(samples);
        self.tell_broker(samples);
        if let Some(tenants) = counters.tenants() {
            tell_tenants(samples, tenants);
        }
    }
}

/// Every outcome is told from the beginning, at 0 where nothing ended so: a rate over a series that appears with its
/// first value misses that value.
fn tell_queue(samples: &mut Samples, name: &str, queue: &QueueCounters) {
    for (outcome, count) in queue.ended() {
        samples.count(&JOBS, [name, outcome.as_str()], count);
    }
    for (outcome, count) in queue.attempts() {
        samples.count(&ATTEMPTS, [name, outcome.as_str()], count);
    }
    for (why, count) in queue.gone_back() {
        samples.count(&PUT_BACK, [name, why.as_str()], count);
    }
    samples.count(&DEAD_LETTERS, [name], queue.buried.get());
    samples.histogram(&ATTEMPT_SECONDS, [name], &queue.attempt_us.read(), MICROS);
    for (lane, wait) in queue.waits() {
        samples.histogram(&WAIT_SECONDS, [name, lane.as_str()], &wait.read(), MICROS);
    }
}

/// Outcomes of tenants are told once there are some: there are many tenants, and most outcomes are rare.
fn tell_tenants(samples: &mut Samples, tenants: &TenantCounters) {
    for of in tenants.read() {
        for (outcome, count) in of.ended.into_iter().filter(|(_, count)| *count > 0) {
            samples.count(&TENANT_JOBS, [&of.tenant, outcome.as_str()], count);
        }
        samples.count(&TENANT_FUEL, [&of.tenant], of.fuel_used);
        samples.number(&TENANT_SECONDS, [&of.tenant], as_number(of.wall_us) / MICROS);
    }
}

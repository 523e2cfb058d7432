//! What a worker counts while it works: plain numbers that the pipeline and the broker's side add to and `telemetry`
//! reads. Nothing here knows how metrics are named or written.
//!
//! Adding takes no lock and allocates nothing: a job costs a few additions to numbers that are found by index. Only where
//! the operator asks for numbers of each tenant, a map is looked into.

mod histogram;
mod kinds;
mod tenants;

pub use histogram::{Buckets, Histogram, Reading};
pub use kinds::{BrokerFault, Compiled, PutBack};
pub use tenants::{OTHER_TENANTS, TenantCounters, TenantReading};

use lovage_job::name::{QueueName, TenantName};
use lovage_job::outcome::{Meter, OutcomeKind};
use lovage_job::subject::Lane;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many outcomes there are.
const OUTCOMES: usize = OutcomeKind::ALL.len();
/// Queues that are counted by themselves: three times what a worker serves, since its queues can be changed.
const QUEUES_MAX: usize = 48;

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds one.
    pub fn one(&self) {
        self.add(1);
    }

    /// Adds `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What was added up so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where the jobs of a queue are counted; nothing for all that have no place of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(Option<usize>);

/// What a worker counts.
#[derive(Debug)]
pub struct Counters {
    /// The queues that are or were served, in the order in which they came; the first empty place ends them.
    queues: [OnceLock<(QueueName, QueueCounters)>; QUEUES_MAX],
    /// All other queues.
    other: QueueCounters,
    /// Units of fuel that attempts used.
    pub fuel_used: Count,
    /// Bytes that attempts sent to other hosts and received from them.
    pub egress_bytes: Count,
    /// The most memory that each attempt held, in bytes.
    pub memory_peak_bytes: Histogram,
    /// Processes that died while they ran jobs.
    pub runner_deaths: Count,
    /// How long components took to compile, in microseconds.
    pub compile_us: Histogram,
    compiled: [Count; Compiled::ALL.len()],
    faults: [Count; BrokerFault::ALL.len()],
    tenants: Option<TenantCounters>,
}

/// What is counted of one queue.
#[derive(Debug)]
pub struct QueueCounters {
    ended: [Count; OUTCOMES],
    attempts: [Count; OUTCOMES],
    put_back: [Count; PutBack::ALL.len()],
    /// Jobs that became dead letters.
    pub buried: Count,
    /// How long attempts took, in microseconds.
    pub attempt_us: Histogram,
    wait_us: [Histogram; Lane::ALL.len()],
}

impl Default for QueueCounters {
    fn default() -> Self {
        Self {
            ended: Default::default(),
            attempts: Default::default(),
            put_back: Default::default(),
            buried: Count::default(),
            attempt_us: Histogram::new(Buckets::TIME_US),
            wait_us: std::array::from_fn(|_| Histogram::new(Buckets::TIME_US)),
        }
    }
}

impl Counters {
    /// Counts for a worker of these queues, and for each of at most so many tenants where that is given.
    pub fn new<'a>(queues: impl IntoIterator<Item = &'a QueueName>, tenants_max: Option<usize>) -> Self {
        let counters = Self {
            queues: std::array::from_fn(|_| OnceLock::new()),
            other: QueueCounters::default(),
            fuel_used: Count::default(),
            egress_bytes: Count::default(),
            memory_peak_bytes: Histogram::new(Buckets::MEMORY_BYTES),
            runner_deaths: Count::default(),
            compile_us: Histogram::new(Buckets::TIME_US),
            compiled: Default::default(),
            faults: Default::default(),
            tenants: tenants_max.map(TenantCounters::new),
        };
        queues.into_iter().for_each(|queue| counters.serve(queue));
        counters
    }

    /// Counts a queue by itself from now on, where there is room.
    pub fn serve(&self, queue: &QueueName) {
        for slot in &self.queues {
            let (name, _) = slot.get_or_init(|| (queue.clone(), QueueCounters::default()));
            if name == queue {
                return;
            }
        }
    }

    /// Where the jobs of a queue are counted; those of queues that this worker does not serve in one place. A worker has
    /// few queues.
    pub fn place(&self, queue: &str) -> Place {
        Place(self.named().position(|(name, _)| name.as_str() == queue))
    }

    fn named(&self) -> impl Iterator<Item = &(QueueName, QueueCounters)> {
        self.queues.iter().map_while(OnceLock::get)
    }

    fn queue(&self, place: Place) -> &QueueCounters {
        let slot = place.0.and_then(|place| self.queues.get(place)?.get());
        slot.map_or(&self.other, |(_, counters)| counters)
    }

    /// A job ended here.
    pub fn job_ended(&self, tenant: &TenantName, place: Place, outcome: OutcomeKind, dead: bool) {
        let queue = self.queue(place);
        count(&queue.ended, index(outcome));
        if dead {
            queue.buried.one();
        }
        if let Some(tenants) = &self.tenants {
            tenants.job_ended(tenant, outcome);
        }
    }

    /// An attempt ended, after so long a wait in its queue.
    pub fn attempt_ended(
        &self,
        tenant: &TenantName,
        (place, lane): (Place, Lane),
        outcome: OutcomeKind,
        (meter, waited): (&Meter, Duration),
    ) {
        let queue = self.queue(place);
        count(&queue.attempts, index(outcome));
        queue.attempt_us.observe(meter.wall_us);
        if let Some(wait) = Lane::ALL.iter().position(|known| *known == lane).and_then(|lane| queue.wait_us.get(lane)) {
            wait.observe(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
        }
        self.fuel_used.add(meter.fuel_used);
        self.egress_bytes.add(meter.egress_bytes);
        // a webhook is no guest and has no memory
        if meter.memory_peak_bytes > 0 {
            self.memory_peak_bytes.observe(meter.memory_peak_bytes);
        }
        if let Some(tenants) = &self.tenants {
            tenants.attempt_ended(tenant, meter);
        }
    }

    /// A job went back.
    pub fn put_back(&self, place: Place, why: PutBack) {
        count(&self.queue(place).put_back, why as usize);
    }

    /// A component was asked for, and this came of it.
    pub fn compiled(&self, how: Compiled, took: Duration) {
        count(&self.compiled, how as usize);
        if how != Compiled::Cached {
            self.compile_us.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// The broker did not do as it should.
    pub fn fault(&self, what: BrokerFault) {
        count(&self.faults, what as usize);
    }

    /// The queues with their numbers; nothing stands for all queues that are not served here.
    pub fn queues(&self) -> impl Iterator<Item = (Option<&QueueName>, &QueueCounters)> {
        self.named().map(|(name, counters)| (Some(name), counters)).chain([(None, &self.other)])
    }

    /// How often each came of a component that was asked for.
    pub fn compilations(&self) -> impl Iterator<Item = (Compiled, u64)> {
        Compiled::ALL.into_iter().zip(&self.compiled).map(|(how, count)| (how, count.get()))
    }

    /// How often the broker did not do as it should.
    pub fn faults(&self) -> impl Iterator<Item = (BrokerFault, u64)> {
        BrokerFault::ALL.into_iter().zip(&self.faults).map(|(what, count)| (what, count.get()))
    }

    /// The numbers of tenants, where the operator asks for them.
    pub fn tenants(&self) -> Option<&TenantCounters> {
        self.tenants.as_ref()
    }
}

impl QueueCounters {
    /// Jobs that ended, by outcome.
    pub fn ended(&self) -> impl Iterator<Item = (OutcomeKind, u64)> {
        OutcomeKind::ALL.into_iter().zip(&self.ended).map(|(kind, count)| (kind, count.get()))
    }

    /// Attempts that ended, by outcome.
    pub fn attempts(&self) -> impl Iterator<Item = (OutcomeKind, u64)> {
        OutcomeKind::ALL.into_iter().zip(&self.attempts).map(|(kind, count)| (kind, count.get()))
    }

    /// Jobs that went back, by why.
    pub fn gone_back(&self) -> impl Iterator<Item = (PutBack, u64)> {
        PutBack::ALL.into_iter().zip(&self.put_back).map(|(why, count)| (why, count.get()))
    }

    /// How long jobs waited in their queue, by lane, in microseconds.
    pub fn waits(&self) -> impl Iterator<Item = (Lane, &Histogram)> {
        Lane::ALL.into_iter().zip(&self.wait_us)
    }
}

/// The place of an outcome in [`OutcomeKind::ALL`], which has them in the order in which they are declared.
fn index(outcome: OutcomeKind) -> usize {
    outcome as usize
}

fn count(counts: &[Count], index: usize) {
    // a test holds every index below the length
    if let Some(count) = counts.get(index) {
        count.one();
    }
}

#[cfg(test)]
mod tests;

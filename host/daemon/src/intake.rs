//! The local buffer between the pulls and the guest threads: fair between tenants and between each one's sources,
//! small, and easy to empty.
//!
//! A source is one lane of one queue of one tenant. Guest threads take jobs when they have room. First the tenants share
//! the room by weight and by the time that their jobs hold it (`lovage_job::tenant::Shares`), whatever their backlogs,
//! queues and lanes. Then the sources of the tenant whose turn it is share by stride scheduling (`line`), or strictly by
//! rank. So a strict order holds within each tenant, and no tenant can starve another by it.
//!
//! Some threads take only jobs of tenants that have used less than their share ([`Intake::take_light`]): one tenant's
//! long jobs on all other threads do not keep such a tenant waiting. While one of them is free, the others leave such jobs to
//! it: among busy guests on a thread a job is soon begun and late at its end.
//!
//! How much a source may hold ahead follows how fast its jobs are taken, so that a slow task's jobs stay with the
//! broker, where other workers can have them.

mod line;
mod source;

pub use source::SourceHandle;

use crate::ports::Delivery;
use line::Line;
use lovage_job::name::TenantName;
use lovage_job::tenant::{Member, Shares};
use source::Source;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The most jobs of one source that are asked for ahead.
pub const WINDOW_MAX: usize = 512;
/// What an idle source asks for.
pub const WINDOW_IDLE: usize = 4;

/// The buffer of a worker.
#[derive(Debug)]
pub struct Intake {
    inner: Mutex<Inner>,
    arrived: Notify,
    /// Told of jobs for those who take only those of light tenants.
    light: Notify,
    /// Time is counted from here.
    began: Instant,
}

impl Default for Intake {
    fn default() -> Self {
        let (inner, arrived, light) = (Mutex::default(), Notify::new(), Notify::new());
        Self { inner, arrived, light, began: Instant::now() }
    }
}

#[derive(Debug, Default)]
struct Inner {
    shares: Shares,
    lines: BTreeMap<Member, Line>,
    names: HashMap<TenantName, Member>,
    settings: HashMap<TenantName, Share>,
    sources: BTreeMap<u64, Source>,
    next: u64,
    /// Guest threads that wait for jobs.
    hungry: usize,
    /// Threads that wait for jobs of light tenants.
    light_free: usize,
    /// Sources that were told to wait until a thread is hungry or their tenant may run more.
    held_back: Vec<u64>,
    closed: bool,
}

/// What a tenant may have of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its share beside other tenants'.
    pub weight: u32,
    /// The most of its jobs that run here at once; more are not even asked for.
    pub most: Option<u32>,
}

impl Default for Share {
    fn default() -> Self {
        Self { weight: 1, most: None }
    }
}

/// A job that was taken, and its tenant's hold on a place of this worker, which is counted until it is dropped.
#[derive(Debug)]
pub struct Taken {
    /// The job.
    pub job: Delivery,
    /// The tenant's hold.
    pub turn: Turn,
}

/// A tenant's hold on a place of this worker.
#[derive(Debug)]
pub struct Turn {
    intake: Arc<Intake>,
    member: Member,
    begun_us: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now_us = self.intake.now_us();
        self.intake.lock().end(self.member, self.begun_us, now_us);
    }
}

/// A thread that waits for jobs, for as long as it does: it may be told otherwise meanwhile.
struct Hungry<'a>(&'a Intake);

impl<'a> Hungry<'a> {
    fn new(intake: &'a Intake) -> Self {
        intake.lock().become_hungry();
        Self(intake)
    }
}

impl Drop for Hungry<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.hungry = inner.hungry.saturating_sub(1);
    }
}

/// Which jobs are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Any,
    Light,
}

impl Intake {
    /// Sets what a tenant may have, from now on; one of which nothing is said weighs 1.
    pub fn set_share(&self, tenant: &TenantName, share: Share) {
        let now_us = self.now_us();
        let mut inner = self.lock();
        inner.settings.insert(tenant.clone(), share);
        let Some(member) = inner.names.get(tenant).copied() else { return };
        inner.shares.set_weight(member, share.weight, now_us);
        if let Some(line) = inner.lines.get_mut(&member) {
            line.most = share.most;
        }
        inner.list(member);
        inner.release_held_back();
        drop(inner);
        self.arrived.notify_one();
    }

    /// Forgets what a tenant may have.
    pub fn forget_share(&self, tenant: &TenantName) {
        self.lock().settings.remove(tenant);
    }

    /// Adds a source of a tenant whose share is `weight` among those of its `rank`; its sources of earlier ranks go
    /// first.
    pub fn add_source(self: &Arc<Self>, tenant: &TenantName, weight: usize, rank: usize) -> SourceHandle {
        let taken = Arc::new(Notify::new());
        let mut inner = self.lock();
        let member = inner.member(tenant);
        let place = inner.next;
        inner.next += 1;
        inner.sources.insert(place, Source::new(member, weight, rank, taken.clone()));
        if let Some(line) = inner.lines.get_mut(&member) {
            line.sources += 1;
        }
        drop(inner);
        SourceHandle::new(self.clone(), place, taken)
    }

    /// Takes between 1 and `room` jobs; waits for the first. Nothing once the buffer is closed. May be dropped while it
    /// waits, and takes nothing then.
    pub async fn take(self: &Arc<Self>, room: usize) -> Option<Vec<Taken>> {
        loop {
            let arrived = self.arrived.notified();
            let (jobs, more) = self.take_now(room.max(1), Which::Any)?;
            if more {
                self.arrived.notify_one();
            }
            if !jobs.is_empty() {
                return Some(jobs);
            }
            let hungry = Hungry::new(self);
            arrived.await;
            drop(hungry);
        }
    }

    /// Takes a job of a tenant that has used less than its share while others hold places; waits for one. Nothing once
    /// the buffer is closed.
    pub async fn take_light(self: &Arc<Self>) -> Option<Taken> {
        loop {
            let arrived = self.light.notified();
            let (mut jobs, more) = self.take_now(1, Which::Light)?;
            if more {
                self.light.notify_one();
            }
            // what was left for this thread may be for all again
            self.arrived.notify_one();
            if let Some(taken) = jobs.pop() {
                return Some(taken);
            }
            self.lock().light_free += 1;
            arrived.await;
            self.lock().light_free -= 1;
        }
    }

    /// What there is now, and whether there is more; nothing once the buffer is closed.
    fn take_now(self: &Arc<Self>, room: usize, which: Which) -> Option<(Vec<Taken>, bool)> {
        let now = Instant::now();
        let begun_us = self.us_at(now);
        let mut inner = self.lock();
        if inner.closed {
            drop(inner);
            self.arrived.notify_one();
            self.light.notify_one();
            return None;
        }
        let jobs = inner.take(room, which, now, begun_us);
        let light = inner.shares.next_light(begun_us).is_some();
        let more = match which {
            Which::Any => inner.next(which, begun_us).is_some(),
            Which::Light => light && !jobs.is_empty(),
        };
        drop(inner);
        // it may have become light while it waited here, of which nobody was told
        if which == Which::Any && light {
            self.light.notify_one();
        }
        let taken = |(member, job)| Taken { job, turn: Turn { intake: self.clone(), member, begun_us } };
        Some((jobs.into_iter().map(taken).collect(), more))
    }

    /// Closes the buffer; whoever waits gets nothing. Returns what was waiting, to be released.
    pub fn close(&self) -> Vec<Delivery> {
        let mut inner = self.lock();
        inner.closed = true;
        let members: Vec<Member> = inner.lines.keys().copied().collect();
        members.into_iter().for_each(|member| inner.shares.rests(member));
        let left = inner.sources.values_mut().flat_map(|source| source.waiting.drain(..)).map(|(job, _)| job).collect();
        drop(inner);
        for told in [&self.arrived, &self.light] {
            told.notify_waiters();
            told.notify_one();
        }
        left
    }

    /// The jobs that have waited here for longer than `age`: no thread has room, another worker may have.
    pub fn stale(&self, age: Duration) -> Vec<Delivery> {
        let now = Instant::now();
        let mut stale = Vec::new();
        for source in self.lock().sources.values_mut() {
            while source.waiting.front().is_some_and(|(_, since)| now.duration_since(*since) > age) {
                stale.extend(source.waiting.pop_front().map(|(job, _)| job));
                source.window = 1;
            }
        }
        stale
    }

    fn now_us(&self) -> u64 {
        self.us_at(Instant::now())
    }

    fn us_at(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The member that stands for a tenant.
    fn member(&mut self, tenant: &TenantName) -> Member {
        if let Some(member) = self.names.get(tenant) {
            return *member;
        }
        let share = self.settings.get(tenant).copied().unwrap_or_default();
        let member = self.shares.add(share.weight);
        self.names.insert(tenant.clone(), member);
        self.lines.insert(member, Line::new(tenant.clone(), share.most));
        member
    }

    /// A thread has room: the sources of slow jobs may ask for one each.
    fn become_hungry(&mut self) {
        self.hungry += 1;
        self.release_held_back();
    }

    fn release_held_back(&mut self) {
        for place in std::mem::take(&mut self.held_back) {
            if let Some(source) = self.sources.get(&place) {
                source.taken.notify_one();
            }
        }
    }

    /// Whose turn it is. While a thread is free for light tenants, theirs are left to it.
    fn next(&mut self, which: Which, now_us: u64) -> Option<Member> {
        match which {
            Which::Light => self.shares.next_light(now_us),
            Which::Any if self.light_free > 0 => self.shares.next_but_light(now_us),
            Which::Any => self.shares.next(now_us),
        }
    }

    fn take(&mut self, room: usize, which: Which, now: Instant, now_us: u64) -> Vec<(Member, Delivery)> {
        let mut jobs = Vec::with_capacity(room.min(64));
        while jobs.len() < room {
            let Some(member) = self.next(which, now_us) else { break };
            let Some(line) = self.lines.get_mut(&member) else { break };
            // alone, a tenant gets all the room there is; beside others, a job at a time
            let count = if self.shares.is_alone(member) { room - jobs.len() } else { 1 };
            let before = jobs.len();
            let running = self.shares.running(member);
            line.take(&mut self.sources, count.min(line.may_start(running)), now, |job| jobs.push((member, job)));
            let took = u32::try_from(jobs.len() - before).unwrap_or(u32::MAX);
            self.shares.begins(member, took, now_us);
            // one whose jobs went back to the broker meanwhile takes no part any more
            self.list(member);
        }
        jobs
    }

    fn end(&mut self, member: Member, begun_us: u64, now_us: u64) {
        self.shares.ends(member, begun_us, now_us);
        let Some(line) = self.lines.get(&member) else { return };
        if line.most.is_some() {
            self.list(member);
            self.release_held_back();
        }
        self.forget_unused(member);
    }

    /// Lets a tenant take part in the turns where it has jobs and may run more.
    fn list(&mut self, member: Member) {
        let Some(line) = self.lines.get(&member) else { return };
        match line.has_jobs() && line.may_start(self.shares.running(member)) > 0 {
            true => self.shares.wants(member),
            false => self.shares.rests(member),
        }
    }

    /// Forgets a tenant without sources, once none of its jobs runs here.
    fn forget_unused(&mut self, member: Member) {
        let unused = self.lines.get(&member).is_some_and(|line| line.sources == 0);
        if unused && self.shares.running(member) == 0 {
            self.shares.remove(member);
            if let Some(line) = self.lines.remove(&member) {
                self.names.remove(&line.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests;

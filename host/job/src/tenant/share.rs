//! Who goes next: weighted fair shares between tenants, by the time that their jobs hold a place of the worker.
//!
//! Each tenant has a position, which moves on while its jobs run: by the time that each holds a place, divided by the
//! tenant's weight. The one that is furthest behind goes next, so that over time each has its share of the places,
//! whatever its backlog and however long its jobs are. What runs counts from its start, by a small advance, so that one
//! tenant does not get every place of a moment.
//!
//! A tenant that comes back from a rest starts a little behind the others, its credit: it goes first for a moment, and
//! one that had no job here for the time of a request to the broker does not lose its turn. Who still has most of the
//! credit is light: it has used less than its share, and may have what is kept free for such tenants.

use std::collections::{BTreeMap, BTreeSet};

/// What a microsecond of a place costs a tenant that weighs 1.
const SCALE: u128 = 1 << 20;
/// What a job that runs counts in advance, in microseconds.
const ADVANCE_US: u128 = 10_000;
/// The least credit, in microseconds at weight 1.
const CREDIT_MIN: u128 = 250_000 * SCALE;
/// The most.
const CREDIT_MAX: u128 = 10_000_000 * SCALE;
/// How often the positions of those that run are moved on, in microseconds.
const MOVED_EVERY_US: u64 = 1_000;

/// The number of a member among shares.
pub type Member = u64;

/// The shares of tenants that have jobs on one worker.
#[derive(Debug, Default)]
pub struct Shares {
    members: BTreeMap<Member, State>,
    /// Those that have jobs, by who goes first.
    turns: BTreeSet<(u128, Member)>,
    /// Those whose jobs run.
    running: BTreeSet<Member>,
    /// How far those are that are served: one that comes back starts here, less its credit.
    level: u128,
    /// The longest step of late; it fades.
    longest: u128,
    moved_us: u64,
    next: Member,
}

#[derive(Debug)]
struct State {
    step: u128,
    position: u128,
    /// Up to when its running jobs are counted.
    counted_us: u64,
    running: u32,
    /// The key under which it is among the turns.
    listed: Option<u128>,
}

impl State {
    fn count(&mut self, now_us: u64) {
        let span = now_us.saturating_sub(self.counted_us);
        self.counted_us = self.counted_us.max(now_us);
        let used = u128::from(span).saturating_mul(u128::from(self.running)).saturating_mul(self.step);
        self.position = self.position.saturating_add(used);
    }

    fn key(&self) -> u128 {
        self.position.saturating_add(u128::from(self.running).saturating_mul(ADVANCE_US).saturating_mul(self.step))
    }
}

fn step(weight: u32) -> u128 {
    SCALE / u128::from(weight.clamp(1, super::WEIGHT_MAX))
}

impl Shares {
    /// Adds a member of this weight; it has no jobs yet.
    pub fn add(&mut self, weight: u32) -> Member {
        let member = self.next;
        self.next += 1;
        let position = self.level;
        let state = State { step: step(weight), position, counted_us: self.moved_us, running: 0, listed: None };
        self.members.insert(member, state);
        member
    }

    /// Gives a member another weight, from now on.
    pub fn set_weight(&mut self, member: Member, weight: u32, now_us: u64) {
        if let Some(state) = self.members.get_mut(&member) {
            state.count(now_us);
            state.step = step(weight);
        }
        self.list_anew(member);
    }

    /// Removes a member; what it still runs counts no more.
    pub fn remove(&mut self, member: Member) {
        self.rests(member);
        self.members.remove(&member);
        self.running.remove(&member);
    }

    /// A member has jobs: it takes part in the turns. After a rest it starts where the others are, less its credit.
    pub fn wants(&mut self, member: Member) {
        let behind = self.level.saturating_sub(self.credit());
        let Some(state) = self.members.get_mut(&member).filter(|state| state.listed.is_none()) else { return };
        state.position = state.position.max(behind);
        let key = state.key();
        state.listed = Some(key);
        self.turns.insert((key, member));
    }

    /// A member has no jobs that may start.
    pub fn rests(&mut self, member: Member) {
        if let Some(key) = self.members.get_mut(&member).and_then(|state| state.listed.take()) {
            self.turns.remove(&(key, member));
        }
    }

    /// Who goes next.
    pub fn next(&mut self, now_us: u64) -> Option<Member> {
        self.move_on(now_us);
        self.turns.first().map(|(_, member)| *member)
    }

    /// Who goes next of those that have used less than their share, while others hold places.
    pub fn next_light(&mut self, now_us: u64) -> Option<Member> {
        self.next(now_us).filter(|member| self.is_light(*member))
    }

    /// Who goes next of the others.
    pub fn next_but_light(&mut self, now_us: u64) -> Option<Member> {
        self.move_on(now_us);
        self.turns.iter().map(|(_, member)| *member).find(|member| !self.is_light(*member))
    }

    /// Whether a member has used less than its share, while others hold places.
    pub fn is_light(&self, member: Member) -> bool {
        let others = self.running.len() > usize::from(self.running.contains(&member));
        let state = self.members.get(&member).filter(|_| others);
        state.is_some_and(|state| state.key().saturating_add(self.credit() / 2) <= self.level)
    }

    /// Whether a member is the only one that has jobs.
    pub fn is_alone(&self, member: Member) -> bool {
        self.turns.iter().take(2).all(|(_, other)| *other == member)
    }

    /// Whether another than this one has jobs.
    pub fn others_wait(&self, member: Member) -> bool {
        self.turns.iter().take(2).any(|(_, other)| *other != member)
    }

    /// How many jobs of a member run.
    pub fn running(&self, member: Member) -> u32 {
        self.members.get(&member).map_or(0, |state| state.running)
    }

    /// Jobs of a member start.
    pub fn begins(&mut self, member: Member, count: u32, now_us: u64) {
        let Some(state) = self.members.get_mut(&member) else { return };
        state.count(now_us);
        self.level = self.level.max(state.position);
        state.running = state.running.saturating_add(count);
        self.running.insert(member);
        self.list_anew(member);
    }

    /// A job of a member that began at `begun_us` is over.
    pub fn ends(&mut self, member: Member, begun_us: u64, now_us: u64) {
        let Some(state) = self.members.get_mut(&member) else { return };
        state.count(now_us);
        state.running = state.running.saturating_sub(1);
        let took = u128::from(now_us.saturating_sub(begun_us)).saturating_mul(state.step);
        self.longest = took.max(self.longest - self.longest / 64);
        if state.running == 0 {
            self.running.remove(&member);
        }
        self.list_anew(member);
    }

    fn credit(&self) -> u128 {
        self.longest.saturating_mul(2).clamp(CREDIT_MIN, CREDIT_MAX)
    }

    /// Moves on those that run, and the level with the one of them that is furthest behind.
    fn move_on(&mut self, now_us: u64) {
        if now_us < self.moved_us.saturating_add(MOVED_EVERY_US) {
            return;
        }
        self.moved_us = now_us;
        let mut last = None;
        for member in &self.running {
            let Some(state) = self.members.get_mut(member) else { continue };
            state.count(now_us);
            last = Some(last.map_or(state.position, |last: u128| last.min(state.position)));
            let key = state.key();
            if let Some(before) = state.listed
                && before != key
            {
                state.listed = Some(key);
                self.turns.remove(&(before, *member));
                self.turns.insert((key, *member));
            }
        }
        self.level = self.level.max(last.unwrap_or(0));
    }

    fn list_anew(&mut self, member: Member) {
        let Some(state) = self.members.get_mut(&member) else { return };
        let Some(before) = state.listed else { return };
        let key = state.key();
        if key != before {
            state.listed = Some(key);
            self.turns.remove(&(before, member));
            self.turns.insert((key, member));
        }
    }
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;

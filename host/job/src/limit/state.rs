//! The state of one limit, and its rules: who runs how many, for whom a place is kept, and the next start of a rate.
//!
//! The record is changed by compare-and-set, so its rules see one change after another. Permits are counted for each
//! worker instance and lapse unless renewed: a worker that died gives its permits back by its silence. What a worker
//! holds is told as a number that it knows itself, so that a change that is repeated, because its confirmation was
//! lost, changes nothing more.

use super::Rate;
use crate::name::JobId;
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long permits last without a renewal.
pub const LEASE: Duration = Duration::from_secs(60);
/// How long a place is kept for a job that was woken for it: it travels through its queue meanwhile.
pub const RESERVED_FOR: Duration = Duration::from_secs(20);
/// The most places that are handed over in one change.
pub const HANDED_AT_ONCE: u32 = 64;
/// For how long after a refusal those who give room back look for waiting jobs.
const WANTED_FOR: Duration = Duration::from_secs(150);
/// The note of a refusal is renewed when it is older than this, not at each refusal.
const WANTED_RENEWED: Duration = Duration::from_secs(60);
/// How much longer a record is kept than anything in it matters.
const KEPT_SPARE: Duration = Duration::from_secs(60);
/// The largest record that is read, in bytes.
const BYTES_MAX: usize = 512 << 10;

/// The state of one limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitState {
    holders: BTreeMap<String, Holder>,
    reserved: Vec<Reservation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted_until: Option<UnixMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pace: Option<Pace>,
}

/// The permits of one worker instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    count: u32,
    until: UnixMs,
}

/// A place that is kept for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reservation {
    job: JobId,
    until: UnixMs,
}

/// How far the places of a rate are given, in microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pace {
    rate: Rate,
    next_us: u64,
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the state of a limit cannot be read: {0}")]
pub struct StateError(pub String);

impl LimitState {
    /// Reads a record.
    pub fn from_json(bytes: &[u8]) -> Result<Self, StateError> {
        if bytes.len() > BYTES_MAX {
            return Err(StateError(format!("{} bytes are more than {BYTES_MAX}", bytes.len())));
        }
        serde_json::from_slice(bytes).map_err(|error| StateError(error.to_string()))
    }

    /// Forgets what has lapsed.
    pub fn expire(&mut self, now: UnixMs) {
        self.holders.retain(|_, holder| holder.until > now && holder.count > 0);
        self.reserved.retain(|reservation| reservation.until > now);
        self.wanted_until = self.wanted_until.filter(|until| *until > now);
        let ends = |pace: &Pace| pace.next_us > now.0.saturating_mul(1_000);
        self.pace = self.pace.take().filter(ends);
    }

    /// How many permits are held or kept.
    pub fn used(&self) -> u32 {
        let held = self.holders.values().fold(0u32, |sum, holder| sum.saturating_add(holder.count));
        held.saturating_add(u32::try_from(self.reserved.len()).unwrap_or(u32::MAX))
    }

    /// How many more may run, of `most`.
    pub fn room(&self, most: u32) -> u32 {
        most.saturating_sub(self.used())
    }

    /// Takes a permit for a job, or the place that is kept for it; false where there is none.
    pub fn acquire(&mut self, job: &JobId, instance: &str, most: u32, now: UnixMs) -> bool {
        self.expire(now);
        match self.reserved.iter().position(|reservation| reservation.job == *job) {
            Some(place) => {
                self.reserved.remove(place);
            }
            None if self.room(most) == 0 => return false,
            None => {}
        }
        let until = now.after(LEASE);
        let holder = self.holders.entry(instance.to_owned()).or_insert(Holder { count: 0, until });
        holder.count = holder.count.saturating_add(1);
        holder.until = until;
        true
    }

    /// Gives back what an instance holds beyond `held`. To repeat it changes nothing.
    pub fn trim(&mut self, instance: &str, held: u32) {
        if let Some(holder) = self.holders.get_mut(instance) {
            holder.count = holder.count.min(held);
        }
        self.holders.retain(|_, holder| holder.count > 0);
    }

    /// Renews the permits of an instance that holds `held`. Those that had lapsed are taken again, as far as there is
    /// room for them.
    pub fn renew(&mut self, instance: &str, held: u32, most: u32, now: UnixMs) {
        self.expire(now);
        self.trim(instance, held);
        let (room, until) = (self.room(most), now.after(LEASE));
        let had = self.holders.get(instance).map_or(0, |holder| holder.count);
        let count = held.min(had.saturating_add(room));
        if count > 0 {
            self.holders.insert(instance.to_owned(), Holder { count, until });
        }
    }

    /// Keeps a place for a waiting job; false where there is no room or it has one.
    pub fn reserve(&mut self, job: &JobId, most: u32, now: UnixMs) -> bool {
        if self.room(most) == 0 || self.has_place(job) {
            return false;
        }
        self.reserved.push(Reservation { job: job.clone(), until: now.after(RESERVED_FOR) });
        true
    }

    /// Whether a place is kept for a job.
    pub fn has_place(&self, job: &JobId) -> bool {
        self.reserved.iter().any(|reservation| reservation.job == *job)
    }

    /// How many places are kept.
    pub fn reserved(&self) -> u32 {
        u32::try_from(self.reserved.len()).unwrap_or(u32::MAX)
    }

    /// Notes that a job was refused, so that whoever gives room back looks for it.
    pub fn want(&mut self, now: UnixMs) {
        let until = now.after(WANTED_FOR);
        if self.wanted_until.is_none_or(|noted| until.since(noted) > WANTED_RENEWED) {
            self.wanted_until = Some(until);
        }
    }

    /// Whether a job was refused lately.
    pub fn is_wanted(&self) -> bool {
        self.wanted_until.is_some()
    }

    /// Gives the next place under a rate: when its job may start. A rate that was changed begins anew.
    pub fn place(&mut self, rate: &Rate, now: UnixMs) -> UnixMs {
        let now_us = now.0.saturating_mul(1_000);
        let next = self.pace.as_ref().filter(|pace| pace.rate == *rate).map_or(0, |pace| pace.next_us);
        let at = next.saturating_sub(rate.tolerance_us()).max(now_us);
        let next_us = next.max(now_us).saturating_add(rate.step_us());
        self.pace = Some(Pace { rate: rate.clone(), next_us });
        // up, so that no start is before its place
        UnixMs(at.div_ceil(1_000))
    }

    /// How long the record has to be kept from now on.
    pub fn kept_for(&self, now: UnixMs) -> Duration {
        let lasts = [
            self.holders.values().map(|holder| holder.until).max(),
            self.reserved.iter().map(|reservation| reservation.until).max(),
            self.wanted_until,
            self.pace.as_ref().map(|pace| UnixMs(pace.next_us / 1_000)),
        ];
        lasts.into_iter().flatten().max().map_or(Duration::ZERO, |last| last.since(now)) + KEPT_SPARE
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;

//! How deep the queues were and how long their oldest jobs waited, over the last hour: a ring in memory.

use crate::telemetry::cluster::{Picture, QueueState};
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How far back it goes, in milliseconds.
const SPAN_MS: u64 = 3_600_000;
/// Two points are at least so far apart.
const APART_MS: u64 = 4_000;
/// Tenants that have points of their own; others are part of the whole alone.
const TENANTS_MAX: usize = 200;

/// How it was at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Depth {
    /// Jobs that wait.
    pub waiting: u64,
    /// Jobs that are with workers.
    pub running: u64,
    /// How long the oldest of those that wait has, in seconds.
    pub oldest_seconds: f64,
}

impl Depth {
    /// Of these queues together, now.
    pub fn of<'a>(states: impl Iterator<Item = &'a QueueState>, now: UnixMs) -> Self {
        let add = |sum: Self, state: &QueueState| {
            let oldest = state.oldest.map(|stored| now.since(stored).as_secs_f64()).unwrap_or_default();
            Self {
                waiting: sum.waiting.saturating_add(state.waiting),
                running: sum.running.saturating_add(state.unsettled),
                oldest_seconds: sum.oldest_seconds.max(oldest),
            }
        };
        states.fold(Self::default(), add)
    }
}

/// The ring.
#[derive(Debug, Default)]
pub struct Depths {
    points: Mutex<VecDeque<Point>>,
}

#[derive(Debug)]
struct Point {
    at: UnixMs,
    all: Depth,
    tenants: HashMap<TenantName, Depth>,
}

impl Depths {
    /// Notes how it is.
    pub fn note(&self, now: UnixMs, picture: &Picture) {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        if points.back().is_some_and(|last| now.0.saturating_sub(last.at.0) < APART_MS) {
            return;
        }
        while points.front().is_some_and(|first| now.0.saturating_sub(first.at.0) > SPAN_MS) {
            points.pop_front();
        }
        let own = picture.tenants.iter().take(TENANTS_MAX);
        let tenants = own.map(|(tenant, state)| (tenant.clone(), Depth::of(state.queues.values(), now))).collect();
        points.push_back(Point { at: now, all: Depth::of(picture.queues.values(), now), tenants });
    }

    /// The points of a tenant, or of all together, from a time on.
    pub fn of(&self, tenant: Option<&TenantName>, from: UnixMs) -> Vec<(UnixMs, Depth)> {
        let points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let depth = |point: &Point| match tenant {
            Some(tenant) => point.tenants.get(tenant).copied().unwrap_or_default(),
            None => point.all,
        };
        points.iter().filter(|point| point.at >= from).map(|point| (point.at, depth(point))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::subject::Lane;

    #[test]
    fn ring_holds_an_hour() {
        let depths = Depths::default();
        let mut picture = Picture::default();
        let state = QueueState { waiting: 3, unsettled: 1, oldest: Some(UnixMs(0)) };
        picture.queues.insert(("mail".parse().unwrap(), Lane::Normal), state);
        for at in [0, 1_000, 5_000, SPAN_MS, SPAN_MS + 5_001] {
            depths.note(UnixMs(at), &picture);
        }
        let times: Vec<u64> = depths.of(None, UnixMs(0)).iter().map(|(at, _)| at.0).collect();
        assert_eq!(times, [SPAN_MS, SPAN_MS + 5_001]);
        let (_, last) = depths.of(None, UnixMs(0)).pop().unwrap();
        assert_eq!((last.waiting, last.running), (3, 1));
        assert!(last.oldest_seconds > 3_600.0);
        assert_eq!(depths.of(Some(&"acme".parse().unwrap()), UnixMs(0)).pop().unwrap().1, Depth::default());
    }
}

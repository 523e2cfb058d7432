//! The sources of one tenant: which of them goes next when it is the tenant's turn.
//!
//! Stride scheduling: each job moves its source on by a step that is the shorter the more the source weighs, and the
//! source that is furthest behind goes next. Ranks come before all else.

use super::source::{Source, adapted};
use crate::ports::Delivery;
use lovage_job::name::TenantName;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The sources of one tenant that have jobs.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) tenant: TenantName,
    /// The most jobs that run here at once.
    pub(super) most: Option<u32>,
    /// How many sources there are.
    pub(super) sources: usize,
    /// Those that have jobs, by rank and by how far each one is; the first goes next.
    turns: BTreeSet<(usize, u64, u64)>,
    /// How far the source was that went last in each rank: one that comes back from a rest starts here.
    reached: BTreeMap<usize, u64>,
}

impl Line {
    pub(super) fn new(tenant: TenantName, most: Option<u32>) -> Self {
        Self { tenant, most, sources: 0, turns: BTreeSet::new(), reached: BTreeMap::new() }
    }

    pub(super) fn has_jobs(&self) -> bool {
        !self.turns.is_empty()
    }

    /// How many more jobs may start, when `running` do.
    pub(super) fn may_start(&self, running: u32) -> usize {
        let left = self.most.map_or(u32::MAX, |most| most.saturating_sub(running));
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Takes up to `room` jobs, in turns.
    pub(super) fn take(
        &mut self,
        sources: &mut BTreeMap<u64, Source>,
        room: usize,
        now: Instant,
        mut give: impl FnMut(Delivery),
    ) {
        let mut left = room;
        while left > 0 {
            let Some((rank, position, place)) = self.turns.pop_first() else { break };
            let Some(source) = sources.get_mut(&place) else { continue };
            // alone in its rank, a source gets all the room there is; beside others, a job at a time
            let alone = self.turns.first().is_none_or(|(next, _, _)| *next != rank);
            let count = if alone { left } else { 1 }.min(source.waiting.len());
            let pace = source.take_pace(count, now);
            for (job, since) in source.waiting.drain(..count) {
                source.window = adapted(source.window, now.duration_since(since), pace);
                give(job);
            }
            left -= count;
            let steps = u64::try_from(count).unwrap_or(u64::MAX);
            source.position = position.saturating_add(source.step.saturating_mul(steps));
            self.reached.insert(rank, source.position.saturating_sub(source.step));
            source.taken.notify_one();
            source.listed = !source.waiting.is_empty();
            if source.listed {
                self.turns.insert((rank, source.position, place));
            }
        }
    }

    /// Lists a source that has jobs again. It does not catch up on what it missed while it had none.
    pub(super) fn list(&mut self, place: u64, source: &mut Source) {
        let reached = self.reached.get(&source.rank).copied().unwrap_or(0);
        if !std::mem::replace(&mut source.listed, true) {
            source.position = source.position.max(reached);
            self.turns.insert((source.rank, source.position, place));
        }
    }

    /// Takes a source out of the turns.
    pub(super) fn unlist(&mut self, place: u64, source: &mut Source) {
        source.listed = false;
        self.turns.remove(&(source.rank, source.position, place));
    }

    /// Whether a source other than `place` has jobs here: then the one that is to go next can only be told where each
    /// has one.
    pub(super) fn others_wait(&self, place: u64) -> bool {
        self.turns.iter().take(2).any(|(_, _, other)| *other != place)
    }
}

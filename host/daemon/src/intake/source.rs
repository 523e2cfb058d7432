//! One source and its end of the buffer: how far ahead it asks, and what waits of it.

use super::{Inner, Intake, WINDOW_IDLE, WINDOW_MAX};
use crate::ports::Delivery;
use lovage_job::tenant::Member;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The step of a source that weighs 1.
const STRIDE: u64 = 1 << 20;
/// Jobs that wait longer than this here were asked for too early.
const WAIT_LONG: Duration = Duration::from_millis(100);
/// Jobs that are taken in shorter steps than this are worth asking for ahead.
const PACE_FAST: Duration = Duration::from_millis(50);
/// A source that was taken from within this time has its tenant's next jobs ready beside other tenants'.
const TAKEN_LATELY: Duration = Duration::from_secs(1);
/// Such a source has the jobs of this time here, at the pace of late: so long may the broker take to send more, and
/// threads take several at once.
const AHEAD_BESIDE_OTHERS: Duration = Duration::from_millis(400);
/// The least and the most that such a source holds.
const WINDOW_BESIDE_OTHERS: (usize, usize) = (2, 64);

/// One lane of one queue of one tenant.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) member: Member,
    pub(super) waiting: VecDeque<(Delivery, Instant)>,
    pub(super) rank: usize,
    pub(super) step: u64,
    pub(super) position: u64,
    pub(super) window: usize,
    pub(super) taken_last: Option<Instant>,
    /// The time from one job that is taken to the next, of late.
    interval: Duration,
    /// Whether the source is among the turns of its tenant.
    pub(super) listed: bool,
    pub(super) taken: Arc<Notify>,
}

impl Source {
    pub(super) fn new(member: Member, weight: usize, rank: usize, taken: Arc<Notify>) -> Self {
        Self {
            member,
            waiting: VecDeque::new(),
            rank,
            step: STRIDE / u64::try_from(weight.max(1)).unwrap_or(STRIDE),
            position: 0,
            window: WINDOW_IDLE,
            taken_last: None,
            interval: PACE_FAST,
            listed: false,
            taken,
        }
    }

    /// So many jobs are taken, now.
    pub(super) fn take_pace(&mut self, count: usize, now: Instant) -> Option<Duration> {
        let pace = self.taken_last.replace(now).map(|last| now.duration_since(last))?;
        let each = pace / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        self.interval = (self.interval * 7 + each) / 8;
        Some(pace)
    }

    /// What the source holds at the least beside other tenants.
    fn window_beside_others(&self) -> usize {
        let ahead = AHEAD_BESIDE_OTHERS.as_micros() / self.interval.as_micros().max(1);
        let (least, most) = WINDOW_BESIDE_OTHERS;
        usize::try_from(ahead).unwrap_or(most).clamp(least, most)
    }
}

/// The window after a job that waited for `wait`, `pace` after the source was last taken from: grows while jobs are
/// taken at once and often, shrinks when they wait.
pub(super) fn adapted(window: usize, wait: Duration, pace: Option<Duration>) -> usize {
    if wait > WAIT_LONG {
        (window / 2).max(1)
    } else if pace.is_some_and(|pace| pace < PACE_FAST) {
        (window + 1).min(WINDOW_MAX)
    } else {
        window
    }
}

/// One source's end of the buffer.
#[derive(Debug, Clone)]
pub struct SourceHandle {
    intake: Arc<Intake>,
    place: u64,
    taken: Arc<Notify>,
}

impl SourceHandle {
    pub(super) fn new(intake: Arc<Intake>, place: u64, taken: Arc<Notify>) -> Self {
        Self { intake, place, taken }
    }

    /// Adds a job. One that comes after the buffer was closed or the source removed is given back, to be released.
    pub fn put(&self, job: Delivery) -> Option<Delivery> {
        let mut inner = self.intake.lock();
        let light = match inner.put(self.place, job) {
            Ok(light) => light,
            Err(job) => return Some(job),
        };
        let left_to_light = light && inner.light_free > 0;
        drop(inner);
        if light {
            self.intake.light.notify_one();
        }
        if !left_to_light {
            self.intake.arrived.notify_one();
        }
        None
    }

    /// How many more jobs to ask for, when `asked` are on their way; asks in halves of the window, so that requests
    /// stay few.
    pub fn appetite(&self, asked: usize) -> usize {
        self.intake.lock().appetite(self.place, asked)
    }

    /// Takes back every job of this source, to be released.
    pub fn recall(&self) -> Vec<Delivery> {
        self.intake.lock().recall(self.place)
    }

    /// Removes the source. Returns what was waiting, to be released.
    pub fn remove(&self) -> Vec<Delivery> {
        let mut inner = self.intake.lock();
        let recalled = inner.recall(self.place);
        if let Some(source) = inner.sources.remove(&self.place) {
            if let Some(line) = inner.lines.get_mut(&source.member) {
                line.sources = line.sources.saturating_sub(1);
            }
            inner.forget_unused(source.member);
        }
        recalled
    }

    /// Nothing came for a while: the next jobs may be of another kind, so the window begins anew.
    pub fn rested(&self) {
        if let Some(source) = self.intake.lock().sources.get_mut(&self.place) {
            source.window = source.window.min(WINDOW_IDLE);
        }
    }

    /// Waits until jobs of this source were taken.
    pub async fn taken(&self) {
        self.taken.notified().await;
    }

    #[cfg(test)]
    pub(super) fn set_window(&self, window: usize) {
        if let Some(source) = self.intake.lock().sources.get_mut(&self.place) {
            source.window = window;
        }
    }
}

impl Inner {
    /// Adds a job; tells whether its tenant is one that has used less than its share.
    #[allow(clippy::result_large_err, reason = "a job that comes too late is given back whole, to be released")]
    fn put(&mut self, place: u64, job: Delivery) -> Result<bool, Delivery> {
        if self.closed {
            return Err(job);
        }
        let Some(source) = self.sources.get_mut(&place) else { return Err(job) };
        let member = source.member;
        source.waiting.push_back((job, Instant::now()));
        if let Some(line) = self.lines.get_mut(&member) {
            line.list(place, source);
        }
        self.list(member);
        self.release_held_back();
        Ok(self.shares.is_light(member))
    }

    fn appetite(&mut self, place: u64, asked: usize) -> usize {
        let Some(source) = self.sources.get(&place).filter(|_| !self.closed) else { return 0 };
        let Some(line) = self.lines.get(&source.member) else { return 0 };
        let others = self.shares.others_wait(source.member);
        let running = self.shares.running(source.member);
        let rests = running == 0 && !line.has_jobs();
        // beside other tenants a tenant has its next jobs ready; one that has nothing here always asks
        let lately = source.taken_last.is_some_and(|last| last.elapsed() < TAKEN_LATELY);
        let window = if others && lately { source.window.max(source.window_beside_others()) } else { source.window };
        let wanted = self.hungry > 0 || others || rests || line.others_wait(place);
        let ahead = asked + source.waiting.len();
        let appetite = if ahead <= window / 2 { window - ahead } else { 0 };
        // a source of slow jobs asks for nothing that would only wait here: capacity first, then work; nor does one
        // of a tenant that may not run more here
        let may = line.may_start(running).saturating_sub(ahead);
        if appetite > 0 && (may == 0 || (window == 1 && !wanted)) {
            self.held_back.push(place);
            return 0;
        }
        appetite.min(may)
    }

    fn recall(&mut self, place: u64) -> Vec<Delivery> {
        let Some(source) = self.sources.get_mut(&place) else { return Vec::new() };
        let (member, recalled) = (source.member, source.waiting.drain(..).map(|(job, _)| job).collect());
        if let Some(line) = self.lines.get_mut(&member) {
            line.unlist(place, source);
        }
        self.list(member);
        recalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_others_a_source_has_the_jobs_of_a_moment_ready() {
        let mut source = Source::new(0, 1, 0, Arc::default());
        let begun = Instant::now();
        for number in 0..100 {
            source.take_pace(1, begun + number * Duration::from_millis(10));
        }
        assert!((36..=40).contains(&source.window_beside_others()), "{}", source.window_beside_others());
        source.take_pace(1, begun + Duration::from_secs(60));
        assert_eq!(source.window_beside_others(), 2);
    }

    #[test]
    fn the_window_follows_how_fast_jobs_are_taken() {
        let (at_once, second) = (Duration::ZERO, Duration::from_secs(1));
        assert_eq!(adapted(4, at_once, Some(at_once)), 5);
        assert_eq!(adapted(4, at_once, Some(second)), 4);
        assert_eq!(adapted(4, at_once, None), 4);
        assert_eq!(adapted(WINDOW_MAX, at_once, Some(at_once)), WINDOW_MAX);
        assert_eq!(adapted(512, second, Some(at_once)), 256);
        assert_eq!(adapted(1, second, None), 1);
        let intake = Arc::new(Intake::default());
        let source = intake.add_source(&"t".parse().unwrap(), 1, 0);
        assert_eq!(source.appetite(0), WINDOW_IDLE);
        assert_eq!(source.appetite(WINDOW_IDLE), 0);
        assert_eq!(source.appetite(1), WINDOW_IDLE - 1);
    }
}

//! The local buffer between the pulls and the guest threads: fair between sources, small, and easy to empty.
//!
//! A source is one lane of one queue of one tenant. Guest threads take jobs when they have room; the sources share
//! by stride scheduling: each job moves its source on by a step that is the shorter the more the source weighs, and the
//! source that is furthest behind goes next. How much a source may hold ahead follows how fast
//! its jobs are taken, so that a slow task's jobs stay with the broker, where other workers can have them.

use crate::ports::Delivery;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The step of a source that weighs 1.
const STRIDE: u64 = 1 << 20;
/// The most jobs of one source that are asked for ahead.
pub const WINDOW_MAX: usize = 512;
/// What an idle source asks for.
pub const WINDOW_IDLE: usize = 4;
/// Jobs that wait longer than this here were asked for too early.
const WAIT_LONG: Duration = Duration::from_millis(100);
/// Jobs that are taken in shorter steps than this are worth asking for ahead.
const PACE_FAST: Duration = Duration::from_millis(50);

/// The buffer of a worker.
#[derive(Debug, Default)]
pub struct Intake {
    inner: Mutex<Inner>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    sources: Vec<Source>,
    /// Sources that have jobs, by how far each one is; the first goes next.
    /// Ranks come before all else: a source goes only when none of an earlier rank has jobs.
    turns: BTreeSet<(usize, u64, usize)>,
    /// How far the source was that went last in each rank: one that comes back from a rest starts here.
    reached: BTreeMap<usize, u64>,
    /// Guest threads that wait for jobs.
    hungry: usize,
    /// Sources of slow jobs that were told to wait until a thread is hungry.
    held_back: Vec<usize>,
    closed: bool,
}

#[derive(Debug)]
struct Source {
    waiting: VecDeque<(Delivery, Instant)>,
    rank: usize,
    step: u64,
    position: u64,
    window: usize,
    taken_last: Option<Instant>,
    /// Whether the source is among the turns.
    listed: bool,
    taken: Arc<Notify>,
}

/// One source's end of the buffer.
#[derive(Debug, Clone)]
pub struct SourceHandle {
    intake: Arc<Intake>,
    place: usize,
    taken: Arc<Notify>,
}

impl Intake {
    /// Adds a source whose share is `weight` among those of its `rank`; sources of earlier ranks go first.
    pub fn add_source(self: &Arc<Self>, weight: usize, rank: usize) -> SourceHandle {
        let taken = Arc::new(Notify::new());
        let mut inner = self.lock();
        inner.sources.push(Source {
            waiting: VecDeque::new(),
            rank,
            step: STRIDE / u64::try_from(weight.max(1)).unwrap_or(STRIDE),
            position: 0,
            window: WINDOW_IDLE,
            taken_last: None,
            listed: false,
            taken: taken.clone(),
        });
        SourceHandle { intake: self.clone(), place: inner.sources.len() - 1, taken }
    }

    /// Takes between 1 and `room` jobs; waits for the first. Nothing once the buffer is closed.
    pub async fn take(&self, room: usize) -> Option<Vec<Delivery>> {
        loop {
            let arrived = self.arrived.notified();
            let (jobs, more) = {
                let mut inner = self.lock();
                if inner.closed {
                    drop(inner);
                    self.arrived.notify_one();
                    return None;
                }
                let jobs = inner.take(room.max(1), Instant::now());
                (jobs, !inner.turns.is_empty())
            };
            if more {
                self.arrived.notify_one();
            }
            if !jobs.is_empty() {
                return Some(jobs);
            }
            self.lock().become_hungry();
            arrived.await;
            let mut inner = self.lock();
            inner.hungry = inner.hungry.saturating_sub(1);
        }
    }

    /// Closes the buffer; whoever waits gets nothing. Returns what was waiting, to be released.
    pub fn close(&self) -> Vec<Delivery> {
        let mut inner = self.lock();
        inner.closed = true;
        inner.turns.clear();
        let left = inner.sources.iter_mut().flat_map(|source| source.waiting.drain(..)).map(|(job, _)| job).collect();
        drop(inner);
        self.arrived.notify_waiters();
        self.arrived.notify_one();
        left
    }

    /// The jobs that have waited here for longer than `age`: no thread has room, another worker may have.
    pub fn stale(&self, age: Duration) -> Vec<Delivery> {
        let now = Instant::now();
        let mut stale = Vec::new();
        for source in &mut self.lock().sources {
            while source.waiting.front().is_some_and(|(_, since)| now.duration_since(*since) > age) {
                stale.extend(source.waiting.pop_front().map(|(job, _)| job));
                source.window = 1;
            }
        }
        stale
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A thread has room: the sources of slow jobs may ask for one each.
    fn become_hungry(&mut self) {
        self.hungry += 1;
        self.release_held_back();
    }

    fn release_held_back(&mut self) {
        for place in std::mem::take(&mut self.held_back) {
            if let Some(source) = self.sources.get(place) {
                source.taken.notify_one();
            }
        }
    }

    fn take(&mut self, room: usize, now: Instant) -> Vec<Delivery> {
        let mut jobs = Vec::with_capacity(room.min(64));
        while jobs.len() < room {
            let Some((rank, position, place)) = self.turns.pop_first() else { break };
            let Some(source) = self.sources.get_mut(place) else { continue };
            // alone in its rank, a source gets all the room there is; beside others, a job at a time
            let alone = self.turns.first().is_none_or(|(next, _, _)| *next != rank);
            let count = if alone { room - jobs.len() } else { 1 }.min(source.waiting.len());
            let pace = source.taken_last.replace(now).map(|last| now.duration_since(last));
            for (job, since) in source.waiting.drain(..count) {
                source.window = adapted(source.window, now.duration_since(since), pace);
                jobs.push(job);
            }
            let steps = u64::try_from(count).unwrap_or(u64::MAX);
            source.position = position.saturating_add(source.step.saturating_mul(steps));
            self.reached.insert(rank, source.position.saturating_sub(source.step));
            source.taken.notify_one();
            source.listed = !source.waiting.is_empty();
            if source.listed {
                self.turns.insert((rank, source.position, place));
            }
        }
        jobs
    }

    /// Lists a source that has jobs again. It does not catch up on what it missed while it had none.
    fn list(&mut self, place: usize) {
        let Some(source) = self.sources.get_mut(place) else { return };
        let reached = self.reached.get(&source.rank).copied().unwrap_or(0);
        if !std::mem::replace(&mut source.listed, true) {
            source.position = source.position.max(reached);
            self.turns.insert((source.rank, source.position, place));
        }
    }

    /// Whether a source other than `place` has jobs here: then the one that is to go next can only be told where each
    /// has one.
    fn others_wait(&self, place: usize) -> bool {
        self.turns.iter().take(2).any(|(_, _, other)| *other != place)
    }
}

/// The window after a job that waited for `wait`, `pace` after the source was last taken from: grows while jobs are
/// taken at once and often, shrinks when they wait.
fn adapted(window: usize, wait: Duration, pace: Option<Duration>) -> usize {
    if wait > WAIT_LONG {
        (window / 2).max(1)
    } else if pace.is_some_and(|pace| pace < PACE_FAST) {
        (window + 1).min(WINDOW_MAX)
    } else {
        window
    }
}

impl SourceHandle {
    /// Adds a job. One that comes after the buffer was closed is given back, to be released.
    pub fn put(&self, job: Delivery) -> Option<Delivery> {
        let mut inner = self.intake.lock();
        if inner.closed {
            return Some(job);
        }
        let Some(source) = inner.sources.get_mut(self.place) else { return Some(job) };
        source.waiting.push_back((job, Instant::now()));
        inner.list(self.place);
        inner.release_held_back();
        drop(inner);
        self.intake.arrived.notify_one();
        None
    }

    /// How many more jobs to ask for, when `asked` are on their way; asks in halves of the window, so that requests
    /// stay few.
    pub fn appetite(&self, asked: usize) -> usize {
        let mut inner = self.intake.lock();
        let wanted = inner.hungry > 0 || inner.others_wait(self.place);
        let Some(source) = inner.sources.get(self.place).filter(|_| !inner.closed) else { return 0 };
        let ahead = asked + source.waiting.len();
        let appetite = if ahead <= source.window / 2 { source.window - ahead } else { 0 };
        // a source of slow jobs asks for nothing that would only wait here: capacity first, then work
        if appetite > 0 && source.window == 1 && !wanted {
            inner.held_back.push(self.place);
            return 0;
        }
        appetite
    }

    /// Takes back every job of this source, to be released.
    pub fn recall(&self) -> Vec<Delivery> {
        let mut inner = self.intake.lock();
        let Some(source) = inner.sources.get_mut(self.place) else { return Vec::new() };
        source.listed = false;
        let turn = (source.rank, source.position, self.place);
        let recalled = source.waiting.drain(..).map(|(job, _)| job).collect();
        inner.turns.remove(&turn);
        recalled
    }

    /// Nothing came for a while: the next jobs may be of another kind, so the window begins anew.
    pub fn rested(&self) {
        if let Some(source) = self.intake.lock().sources.get_mut(self.place) {
            source.window = source.window.min(WINDOW_IDLE);
        }
    }

    /// Waits until jobs of this source were taken.
    pub async fn taken(&self) {
        self.taken.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Leases;
    use lovage_job::decode::Origin;
    use lovage_job::header::Headers;
    use lovage_job::unit::UnixMs;

    fn job(subject: &str) -> Delivery {
        Delivery {
            tenant: "t".parse().unwrap(),
            subject: subject.into(),
            headers: Headers::new(),
            payload: bytes::Bytes::new(),
            origin: Origin { stream_created_ms: 0, sequence: 0, stored: UnixMs(0) },
            delivered: 1,
            lease: Arc::new(Leases::default()).hold("a"),
        }
    }

    #[tokio::test]
    async fn a_heavy_source_does_not_starve_a_light_one() {
        let intake = Arc::new(Intake::default());
        let (heavy, light) = (intake.add_source(4, 0), intake.add_source(1, 0));
        for _ in 0..100 {
            assert!(heavy.put(job("heavy")).is_none());
        }
        for _ in 0..10 {
            assert!(light.put(job("light")).is_none());
        }
        let mut taken = Vec::new();
        for room in [3, 1, 7, 14] {
            taken.extend(intake.take(room).await.unwrap());
        }
        let light = taken.iter().filter(|job| job.subject == "light").count();
        assert_eq!((taken.len(), light), (25, 5));
    }

    #[tokio::test]
    async fn a_closed_buffer_gives_back_what_waited_and_takes_no_more() {
        let intake = Arc::new(Intake::default());
        let source = intake.add_source(1, 0);
        assert!(source.put(job("a")).is_none());
        assert_eq!(intake.close().len(), 1);
        assert!(intake.take(1).await.is_none());
        assert!(intake.take(1).await.is_none());
        assert!(source.put(job("b")).is_some());
        assert_eq!(source.appetite(0), 0);
    }

    #[tokio::test]
    async fn a_waiting_thread_wakes_for_a_job_and_for_the_end() {
        let intake = Arc::new(Intake::default());
        let source = intake.add_source(1, 0);
        let (jobs, ()) = tokio::join!(intake.take(8), async {
            assert!(source.put(job("a")).is_none());
        });
        assert_eq!(jobs.unwrap().len(), 1);
        let (jobs, _) = tokio::join!(intake.take(8), async { intake.close() });
        assert!(jobs.is_none());
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
        let source = intake.add_source(1, 0);
        assert_eq!(source.appetite(0), WINDOW_IDLE);
        assert_eq!(source.appetite(WINDOW_IDLE), 0);
        assert_eq!(source.appetite(1), WINDOW_IDLE - 1);
    }

    #[tokio::test]
    async fn beside_others_a_source_of_slow_jobs_keeps_one_ready() {
        let intake = Arc::new(Intake::default());
        let (slow, other) = (intake.add_source(1, 0), intake.add_source(1, 0));
        intake.lock().sources[0].window = 1;
        assert_eq!(slow.appetite(0), 0);
        assert!(other.put(job("other")).is_none());
        slow.taken().await;
        assert_eq!(slow.appetite(0), 1);
        assert_eq!(slow.appetite(1), 0);
    }

    #[tokio::test]
    async fn a_source_that_rested_does_not_catch_up() {
        let intake = Arc::new(Intake::default());
        let (busy, rested) = (intake.add_source(1, 0), intake.add_source(1, 0));
        for _ in 0..50 {
            assert!(busy.put(job("busy")).is_none());
        }
        assert_eq!(intake.take(20).await.unwrap().len(), 20);
        for _ in 0..20 {
            assert!(rested.put(job("rested")).is_none());
        }
        let taken = intake.take(20).await.unwrap();
        let of_rested = taken.iter().filter(|job| job.subject == "rested").count();
        assert!((9..=11).contains(&of_rested), "{of_rested}");
    }

    #[tokio::test]
    async fn slow_jobs_are_asked_for_only_when_a_thread_has_room() {
        let intake = Arc::new(Intake::default());
        let source = intake.add_source(1, 0);
        intake.lock().sources[0].window = 1;
        assert_eq!(source.appetite(0), 0);
        let (jobs, ()) = tokio::join!(intake.take(1), async {
            source.taken().await;
            assert_eq!(source.appetite(0), 1);
            assert!(source.put(job("slow")).is_none());
        });
        assert_eq!(jobs.unwrap().len(), 1);
        assert_eq!(source.appetite(0), 0);
    }

    #[tokio::test]
    async fn a_later_rank_goes_only_when_no_earlier_one_has_jobs() {
        let intake = Arc::new(Intake::default());
        let (low, urgent, calm) = (intake.add_source(9, 2), intake.add_source(3, 0), intake.add_source(1, 0));
        let middle = intake.add_source(1, 1);
        for _ in 0..8 {
            for (source, subject) in [(&low, "low"), (&middle, "middle"), (&urgent, "urgent"), (&calm, "calm")] {
                assert!(source.put(job(subject)).is_none());
            }
        }
        let subjects = |jobs: Vec<Delivery>| jobs.into_iter().map(|job| job.subject).collect::<Vec<_>>();
        let first = subjects(intake.take(8).await.unwrap());
        assert_eq!(
            first.iter().filter(|subject| *subject == "urgent").count(),
            6,
            "shares hold inside a rank: {first:?}"
        );
        assert_eq!(first.iter().filter(|subject| *subject == "calm").count(), 2, "{first:?}");
        let mut rest = subjects(intake.take(9).await.unwrap());
        assert_eq!(rest.split_off(8), ["middle"], "and one room at the end is the next rank's");
        assert!(rest.iter().all(|subject| ["urgent", "calm"].contains(&subject.as_str())), "{rest:?}");
        // one that comes late to an earlier rank still goes before all that wait
        assert!(urgent.put(job("late")).is_none());
        assert_eq!(subjects(intake.take(2).await.unwrap()), ["late", "middle"]);
        assert_eq!(subjects(intake.take(20).await.unwrap()), [vec!["middle"; 6], vec!["low"; 8]].concat());
    }

    #[tokio::test]
    async fn a_recalled_source_has_nothing_left_and_others_keep_theirs() {
        let intake = Arc::new(Intake::default());
        let (paused, open) = (intake.add_source(1, 0), intake.add_source(1, 0));
        for _ in 0..3 {
            assert!(paused.put(job("paused")).is_none() && open.put(job("open")).is_none());
        }
        assert_eq!(paused.recall().len(), 3);
        assert!(paused.recall().is_empty());
        let taken = intake.take(10).await.unwrap();
        assert!(taken.len() == 3 && taken.iter().all(|job| job.subject == "open"));
        assert!(paused.put(job("resumed")).is_none());
        assert_eq!(intake.take(10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn stale_jobs_are_handed_back() {
        let intake = Arc::new(Intake::default());
        let source = intake.add_source(1, 0);
        assert!(source.put(job("a")).is_none());
        assert!(intake.stale(Duration::from_secs(60)).is_empty());
        assert_eq!(intake.stale(Duration::ZERO).len(), 1);
    }
}

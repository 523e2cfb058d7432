//! How many attempts at once there are, while the worker runs: fewer than it was started with where someone says so.
//!
//! Each thread keeps back the permits that it may not give out now. What runs already goes on, so a smaller number
//! holds from the next attempts on.

use super::GuestsConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The part of `all` attempts that thread `number` of `count` runs; the first threads take what does not divide evenly.
pub(super) fn part(all: usize, number: usize, count: usize) -> usize {
    all / count + usize::from(number < all % count)
}

/// How many attempts a worker runs at once; may be changed while it runs.
#[derive(Debug, Clone)]
pub struct Room {
    wanted: watch::Sender<usize>,
    most: usize,
}

impl Room {
    pub(super) fn new(config: GuestsConfig) -> Self {
        Self { wanted: watch::Sender::new(config.concurrency), most: config.concurrency }
    }

    /// Attempts at once.
    pub fn now(&self) -> usize {
        *self.wanted.borrow()
    }

    /// The most that can be set.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Sets how many attempts run at once, up to what the worker was started with.
    pub fn set(&self, wanted: usize) {
        self.wanted.send_replace(wanted.clamp(1, self.most));
    }

    /// Gives every place out again, so that the threads see that they are to end.
    pub(super) fn open(&self) {
        self.wanted.send_replace(self.most);
    }

    /// The part of thread `number` of `count`.
    pub(super) fn part(&self, number: usize, count: usize) -> Part {
        let size = part(self.most, number, count).max(1);
        let (permits, kept) = (Arc::new(Semaphore::new(size)), Arc::default());
        Part { all: self.clone(), permits, size, place: (number, count), kept }
    }
}

/// The places of one thread.
#[derive(Debug, Clone)]
pub(super) struct Part {
    all: Room,
    /// One for each place that may be given out.
    pub(super) permits: Arc<Semaphore>,
    /// How many there are.
    pub(super) size: usize,
    place: (usize, usize),
    /// How many are kept back.
    kept: Arc<AtomicUsize>,
}

impl Part {
    fn back(&self, wanted: usize) -> usize {
        let (number, count) = self.place;
        self.size.saturating_sub(part(wanted, number, count))
    }

    /// Whether more is to be kept back than is: whoever holds a place and has not begun with it gives it up.
    pub(super) fn owes(&self) -> bool {
        self.kept.load(Ordering::Acquire) < self.back(self.all.now())
    }

    /// Tells of every change.
    pub(super) fn changes(&self) -> watch::Receiver<usize> {
        self.all.wanted.subscribe()
    }

    /// Keeps back what may not be given out. Ends with the thread.
    pub(super) async fn keep(self) {
        let mut wants = self.changes();
        let mut kept: Vec<OwnedSemaphorePermit> = Vec::new();
        loop {
            let back = self.back(*wants.borrow_and_update());
            kept.truncate(back);
            self.kept.store(kept.len(), Ordering::Release);
            tokio::select! {
                // in its turn, before the attempts that are yet to come
                permit = self.permits.clone().acquire_owned(), if kept.len() < back => match permit {
                    Ok(permit) => kept.push(permit),
                    Err(_) => return,
                },
                changed = wants.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_all_places() {
        for (all, count) in [(1, 3), (3, 3), (7, 3), (16, 2)] {
            assert_eq!((0..count).map(|number| part(all, number, count)).sum::<usize>(), all);
        }
    }

    #[tokio::test]
    async fn places_are_kept_back_as_they_come_free_and_given_out_again() {
        let room = Room::new(GuestsConfig { concurrency: 4, threads: 1 });
        let part = room.part(0, 1);
        let permits = part.permits.clone();
        let busy: Vec<_> = (0..3).map(|_| permits.clone().try_acquire_owned().unwrap()).collect();
        let keeping = tokio::spawn(part.clone().keep());
        room.set(2);
        assert!(part.owes());
        while permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        drop(busy);
        while permits.available_permits() != 2 || part.owes() {
            tokio::task::yield_now().await;
        }
        room.set(9);
        assert_eq!((room.now(), room.most()), (4, 4));
        while permits.available_permits() != 4 {
            tokio::task::yield_now().await;
        }
        keeping.abort();
    }
}

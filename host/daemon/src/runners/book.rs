//! Who is aboard of which runner, and who is to blame for a death. Pure: it starts nothing and knows no clock.
//!
//! A runner serves one tenant. Where it dies with jobs of one component aboard, that component did it. Where there were
//! several, each becomes a suspect: its jobs run in a runner of its own from then on, so that the next death has one
//! culprit. A suspect whose attempt ends there is cleared.

use lovage_job::name::{Digest, TenantName};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Which runner: a tenant's, or that of one of its components alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Berth {
    pub(super) tenant: TenantName,
    pub(super) alone: Option<Digest>,
}

/// A component whose jobs were the only ones aboard of a runner that died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// Whose component it is.
    pub tenant: TenantName,
    /// The component.
    pub digest: Digest,
    /// What happened to the runner.
    pub how: String,
}

/// A runner that runs or is being started.
#[derive(Debug)]
struct Aboard<R> {
    /// Which of the runners that this berth had.
    generation: u64,
    runner: R,
    /// Attempts, by number.
    attempts: HashMap<u64, Digest>,
    /// When the last attempt came or left, on the book's own clock.
    used: u64,
}

/// An attempt's place.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) berth: Berth,
    generation: u64,
    attempt: u64,
}

/// Who is aboard of which runner.
#[derive(Debug)]
pub(super) struct Book<R> {
    runners: HashMap<Berth, Aboard<R>>,
    suspects: HashSet<(TenantName, Digest)>,
    count: u64,
}

impl<R> Default for Book<R> {
    fn default() -> Self {
        Self { runners: HashMap::new(), suspects: HashSet::new(), count: 0 }
    }
}

impl<R: Clone> Book<R> {
    fn tick(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Takes a place aboard of the runner that a component's jobs belong to.
    pub(super) fn board(&mut self, tenant: &TenantName, digest: &Digest, fresh: impl FnOnce() -> R) -> (Seat, R) {
        let is_suspect = !self.suspects.is_empty() && self.suspects.contains(&(tenant.clone(), digest.clone()));
        let berth = Berth { tenant: tenant.clone(), alone: is_suspect.then(|| digest.clone()) };
        let (attempt, used) = (self.tick(), self.count);
        let new = || Aboard { generation: attempt, runner: fresh(), attempts: HashMap::new(), used };
        let aboard = self.runners.entry(berth.clone()).or_insert_with(new);
        aboard.attempts.insert(attempt, digest.clone());
        aboard.used = used;
        (Seat { berth, generation: aboard.generation, attempt }, aboard.runner.clone())
    }

    /// An attempt has ended and its runner lives. A suspect that ran alone is cleared.
    pub(super) fn leave(&mut self, seat: &Seat, in_order: bool) {
        let used = self.tick();
        if let Some(aboard) = self.runners.get_mut(&seat.berth).filter(|it| it.generation == seat.generation) {
            aboard.attempts.remove(&seat.attempt);
            aboard.used = used;
        }
        if let Some(digest) = seat.berth.alone.clone().filter(|_| in_order) {
            self.suspects.remove(&(seat.berth.tenant.clone(), digest));
        }
    }

    /// The runner of a seat has died. Whoever says so first hears who is to blame, where that is certain.
    pub(super) fn died(&mut self, seat: &Seat, how: &str) -> Option<Blame> {
        let aboard = self.take(seat)?;
        let digests: BTreeSet<Digest> = aboard.attempts.into_values().collect();
        let tenant = seat.berth.tenant.clone();
        let mut digests = digests.into_iter();
        match (digests.next(), digests.next()) {
            (None, _) => None,
            (Some(digest), None) => Some(Blame { tenant, digest, how: how.to_owned() }),
            (Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(digests);
                self.suspects.extend(all.map(|digest| (tenant.clone(), digest)));
                None
            }
        }
    }

    /// No further attempt goes aboard of the runner of a seat.
    pub(super) fn retire(&mut self, seat: &Seat) {
        drop(self.take(seat));
    }

    fn take(&mut self, seat: &Seat) -> Option<Aboard<R>> {
        let here = self.runners.get(&seat.berth).is_some_and(|it| it.generation == seat.generation);
        if here { self.runners.remove(&seat.berth) } else { None }
    }

    /// Takes out the runners with nobody aboard, but for the `keep` that were used last.
    pub(super) fn take_idle(&mut self, keep: usize) -> Vec<R> {
        let idle = self.runners.iter().filter(|(_, aboard)| aboard.attempts.is_empty());
        let mut idle: Vec<(u64, Berth)> = idle.map(|(berth, aboard)| (aboard.used, berth.clone())).collect();
        idle.sort_unstable_by_key(|(used, _)| std::cmp::Reverse(*used));
        let taken = idle.into_iter().skip(keep).filter_map(|(_, berth)| self.runners.remove(&berth));
        taken.map(|aboard| aboard.runner).collect()
    }

    /// Every runner, with how many are aboard.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Berth, usize, &R)> {
        self.runners.iter().map(|(berth, aboard)| (berth, aboard.attempts.len(), &aboard.runner))
    }

    /// What idle runners were last used at or before `count` are ended; returns the present count for the next time.
    pub(super) fn take_unused_since(&mut self, count: u64) -> (Vec<R>, u64) {
        let unused = |aboard: &Aboard<R>| aboard.attempts.is_empty() && aboard.used <= count;
        let berths: Vec<Berth> =
            self.runners.iter().filter(|(_, aboard)| unused(aboard)).map(|(berth, _)| berth.clone()).collect();
        let taken = berths.into_iter().filter_map(|berth| self.runners.remove(&berth));
        (taken.map(|aboard| aboard.runner).collect(), self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn acme() -> TenantName {
        "acme".parse().unwrap()
    }

    /// A book of numbered runners.
    #[derive(Default)]
    struct Fleet {
        book: Book<u32>,
        started: u32,
    }

    impl Fleet {
        fn board(&mut self, component: &str) -> (Seat, u32) {
            let started = &mut self.started;
            self.book.board(&acme(), &digest(component), || {
                *started += 1;
                *started
            })
        }
    }

    #[test]
    fn who_is_alone_aboard_is_to_blame_once() {
        let mut fleet = Fleet::default();
        let (one, runner) = fleet.board("a");
        let (two, same) = fleet.board("a");
        assert_eq!(runner, same);
        let blame = fleet.book.died(&one, "x").unwrap();
        assert_eq!((blame.tenant, blame.digest, blame.how.as_str()), (acme(), digest("a"), "x"));
        assert_eq!(fleet.book.died(&two, "x"), None, "the same death");
        assert_ne!(fleet.board("a").1, runner, "a new one is started");
    }

    #[test]
    fn suspects_run_apart_until_one_is_found_and_the_others_are_cleared() {
        let mut fleet = Fleet::default();
        let (killer, _) = fleet.board("killer");
        fleet.board("innocent");
        assert_eq!(fleet.book.died(&killer, "x"), None, "nobody knows who it was");
        let (killer, first) = fleet.board("killer");
        let (innocent, second) = fleet.board("innocent");
        let (_other, third) = fleet.board("other");
        assert!(first != second && second != third && third != first);
        fleet.book.leave(&innocent, true);
        assert_eq!(fleet.book.died(&killer, "x").map(|blame| blame.digest), Some(digest("killer")));
        assert_eq!(fleet.board("innocent").1, third, "cleared, it shares a runner again");
        assert_ne!(fleet.board("killer").1, third, "still suspect");
    }

    #[test]
    fn an_attempt_that_is_given_up_clears_nobody() {
        let mut fleet = Fleet::default();
        let (killer, _) = fleet.board("killer");
        fleet.board("innocent");
        fleet.book.died(&killer, "x");
        let (killer, alone) = fleet.board("killer");
        fleet.book.leave(&killer, false);
        assert_eq!(fleet.board("killer").1, alone);
    }

    #[test]
    fn tenants_never_share() {
        let mut fleet = Fleet::default();
        let (_, ours) = fleet.board("a");
        let (_, theirs) = fleet.book.board(&"other".parse().unwrap(), &digest("a"), || 99);
        assert!(ours != 99 && theirs == 99);
    }

    #[test]
    fn of_idle_runners_those_used_last_are_kept() {
        let mut fleet = Fleet::default();
        let seats: Vec<Seat> = (0..3)
            .map(|number| fleet.book.board(&format!("t{number}").parse().unwrap(), &digest("a"), || number).0)
            .collect();
        assert_eq!(fleet.book.take_idle(0), [0u32; 0], "busy ones stay");
        for number in [1, 0, 2] {
            fleet.book.leave(&seats[number], true);
        }
        assert_eq!(fleet.book.take_idle(2), [1]);
        let (taken, count) = fleet.book.take_unused_since(0);
        assert_eq!(taken, [0u32; 0]);
        assert_eq!(fleet.book.take_unused_since(count).0.len(), 2);
    }
}

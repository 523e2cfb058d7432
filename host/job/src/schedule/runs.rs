//! The runs of a schedule: which tick a job is, who may run it, and what becomes of it while an earlier run has not
//! ended.

use super::Overlap;
use crate::name::{JobId, ScheduleName};
use crate::subject::Lot;
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};

/// Which run of a schedule a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRun {
    /// The schedule.
    pub schedule: ScheduleName,
    /// The tick; nothing where the run was asked for by hand.
    pub slot: Option<UnixMs>,
}

impl ScheduledRun {
    /// Where runs of the schedule wait for an earlier one.
    pub fn lot(&self) -> Lot {
        Lot::new("schedule", self.schedule.as_str(), None)
    }
}

/// Who may run a tick: one message, in the latest of the rounds that it made. The same tick may have been planned by
/// two workers, one of which was late: the message that claims the tick first is the one that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The message's place in the stream of jobs.
    pub sequence: u64,
    /// How often its job had been put back when it got there.
    pub round: u32,
}

impl Claim {
    /// Whether `self` may take over what `held` claims: the job was put back since, and is a new message now.
    pub fn succeeds(&self, held: &Self) -> bool {
        self.round > held.round
    }
}

/// A run that is under way or waits, with what it takes to look for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunJob {
    /// The job.
    pub id: JobId,
    /// Its subject.
    pub subject: String,
}

/// The runs of a schedule that does not let them overlap. Jobs that are named here may have ended since.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// The run that is under way: queued, running, or waiting for another attempt.
    #[serde(default)]
    pub active: Option<RunJob>,
    /// The run that waits for its end.
    #[serde(default)]
    pub waiting: Option<RunJob>,
}

/// Which of the runs that a record names have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupied {
    /// The active one.
    pub active: bool,
    /// The waiting one.
    pub waiting: bool,
}

/// What becomes of a run that wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It begins, once the record is as this says.
    Begin(Runs),
    /// It waits, once the record is as this says.
    Wait(Runs),
    /// It does not run, for this one is under way.
    Skip(JobId),
}

/// Judges the run `job`, where `runs` are known and those of `occupied` have not ended.
pub fn judge(policy: Overlap, runs: &Runs, occupied: Occupied, job: &RunJob) -> Entry {
    let is = |run: &Option<RunJob>| run.as_ref().is_some_and(|run| run.id == job.id);
    let active = runs.active.as_ref().filter(|_| occupied.active);
    let waiting = runs.waiting.as_ref().filter(|waiting| occupied.waiting && waiting.id != job.id);
    let begin = |waiting: Option<&RunJob>| Entry::Begin(Runs { active: Some(job.clone()), waiting: waiting.cloned() });
    if is(&runs.active) {
        return begin(waiting);
    }
    match (policy, active, waiting) {
        (Overlap::Allow, _, _) | (_, None, None) => begin(None),
        (Overlap::Skip, Some(active), _) => Entry::Skip(active.id.clone()),
        (Overlap::Skip, None, Some(_)) => begin(None),
        (Overlap::Queue, Some(active), None) => {
            Entry::Wait(Runs { active: Some(active.clone()), waiting: Some(job.clone()) })
        }
        (Overlap::Queue, Some(active), Some(_)) => Entry::Skip(active.id.clone()),
        // the one that waits was first: it is next, and this one waits in its place
        (Overlap::Queue, None, Some(_)) if is(&runs.waiting) => begin(None),
        (Overlap::Queue, None, Some(waiting)) => {
            Entry::Wait(Runs { active: Some(waiting.clone()), waiting: Some(job.clone()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(id: &str) -> RunJob {
        RunJob { id: id.parse().unwrap(), subject: format!("lovage.a.job.q.t.{id}") }
    }

    fn runs(active: Option<&str>, waiting: Option<&str>) -> Runs {
        Runs { active: active.map(run), waiting: waiting.map(run) }
    }

    const BOTH: Occupied = Occupied { active: true, waiting: true };

    #[test]
    fn a_second_run_is_skipped_or_waits_as_the_policy_says() {
        let (one, two) = (runs(Some("a"), None), runs(Some("a"), Some("b")));
        let occupied = Occupied { active: true, waiting: false };
        assert_eq!(judge(Overlap::Skip, &one, occupied, &run("b")), Entry::Skip("a".parse().unwrap()));
        assert_eq!(judge(Overlap::Queue, &one, occupied, &run("b")), Entry::Wait(two.clone()));
        assert_eq!(judge(Overlap::Queue, &two, BOTH, &run("c")), Entry::Skip("a".parse().unwrap()));
        assert_eq!(judge(Overlap::Queue, &two, BOTH, &run("b")), Entry::Wait(two.clone()));
        assert!(matches!(judge(Overlap::Allow, &two, BOTH, &run("c")), Entry::Begin(_)));
    }

    #[test]
    fn the_one_that_waits_is_next_and_a_vanished_run_holds_up_nobody() {
        let two = runs(Some("a"), Some("b"));
        let ended = Occupied { active: false, waiting: true };
        assert_eq!(judge(Overlap::Queue, &two, ended, &run("b")), Entry::Begin(runs(Some("b"), None)));
        assert_eq!(judge(Overlap::Queue, &two, ended, &run("c")), Entry::Wait(runs(Some("b"), Some("c"))));
        let gone = Occupied { active: false, waiting: false };
        assert_eq!(judge(Overlap::Queue, &two, gone, &run("c")), Entry::Begin(runs(Some("c"), None)));
        assert_eq!(judge(Overlap::Skip, &two, gone, &run("c")), Entry::Begin(runs(Some("c"), None)));
    }

    proptest! {
        #[test]
        fn one_that_began_begins_again_and_no_two_are_active(
            policy in 1usize..3, active in 0usize..4, waiting in 0usize..4, me in 0usize..4, a: bool, w: bool,
        ) {
            let policy = [Overlap::Allow, Overlap::Skip, Overlap::Queue][policy];
            let name = |n: usize| (n > 0).then(|| format!("j{n}"));
            let record = runs(name(active).as_deref(), name(waiting).as_deref());
            let me = run(&format!("j{me}"));
            let occupied = Occupied { active: a && active > 0, waiting: w && waiting > 0 };
            match judge(policy, &record, occupied, &me) {
                Entry::Begin(after) => {
                    prop_assert_eq!(after.active.as_ref().map(|run| &run.id), Some(&me.id));
                    let other = record.active.as_ref().is_some_and(|run| run.id != me.id);
                    prop_assert!(!(other && occupied.active), "another run is active");
                    let again = judge(policy, &after, occupied, &me);
                    prop_assert!(matches!(again, Entry::Begin(_)));
                }
                Entry::Wait(after) => {
                    prop_assert!(policy == Overlap::Queue);
                    prop_assert_eq!(after.waiting.as_ref().map(|run| &run.id), Some(&me.id));
                    prop_assert!(after.active.is_some());
                }
                Entry::Skip(by) => prop_assert!(by != me.id),
            }
        }
    }
}

//! Schedules on real workers: each tick once, missed and overlapping runs as the policies say, and steering by hand.

mod crash;
mod manifest;
mod options;
mod steering;

use std::time::{Duration, SystemTime};

use lovage_client::{ListFilter, ListState};
use lovage_job::{outcome::OutcomeKind, result::JobResult, unit::UnixMs};
use lovage_tests::{Jobs, WITHIN, eventually};

/// How long a number of ticks may take on a machine that is busy with other tests.
const TICKS_WITHIN: Duration = Duration::from_secs(90);

fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UnixMs(u64::try_from(since.as_millis()).unwrap())
}

/// Waits until the clock is there.
async fn clock_reaches(time: UnixMs) {
    let there = async || if now() >= time { Ok(()) } else { Err(time.to_rfc3339()) };
    eventually("the clock", TICKS_WITHIN, there).await;
}

/// The ends of the runs with a tag, by their ids; the tag is the schedule's name.
pub(crate) async fn runs(jobs: &Jobs, tag: &str) -> Vec<JobResult> {
    let (tag, state) = (Some(tag.to_owned()), Some(ListState::Done));
    let filter = ListFilter { tag, state, limit: Some(1000), ..ListFilter::default() };
    let mut ended = Vec::new();
    // a broker that has just come back may not answer at once
    let page = eventually("the list of runs", WITHIN, async || jobs.client.list(&filter).await).await;
    for job in page.jobs {
        ended.extend(eventually("a run", WITHIN, async || jobs.client.result(&job.id).await).await);
    }
    ended.sort_by(|a, b| a.record.id.cmp(&b.record.id));
    ended
}

/// Waits until the ended runs are as wanted.
async fn runs_until(jobs: &Jobs, tag: &str, what: &str, wanted: impl Fn(&[JobResult]) -> bool) -> Vec<JobResult> {
    let probe = async || {
        let ended = runs(jobs, tag).await;
        if wanted(&ended) { Ok(ended) } else { Err(format!("{:?}", told(&ended))) }
    };
    eventually(what, TICKS_WITHIN, probe).await
}

fn told(ended: &[JobResult]) -> Vec<(&str, OutcomeKind)> {
    ended.iter().map(|result| (result.record.id.as_str(), result.record.outcome)).collect()
}

fn of_kind(ended: &[JobResult], kind: OutcomeKind) -> Vec<&JobResult> {
    ended.iter().filter(|result| result.record.outcome == kind).collect()
}

/// The slot of a tick, from its id.
pub(crate) fn slot(result: &JobResult) -> u64 {
    result.record.id.as_str().rsplit('-').next().unwrap().parse().unwrap()
}

/// Checks that ticks of every second are all there, each once.
pub(crate) fn assert_each_second_once(ended: &[JobResult]) {
    let slots: Vec<u64> = ended.iter().map(slot).collect();
    assert!(slots.windows(2).all(|pair| pair[1] == pair[0] + 1_000), "{slots:?}");
    assert!(ended.iter().all(|result| result.record.outcome == OutcomeKind::Completed), "{:?}", told(ended));
}

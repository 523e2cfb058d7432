//! Results and dead letters for tests.

use crate::entry::{Buried, Ended, Entry};
use lovage_job::dead::DeadLetter;
use lovage_job::name::Digest;
use lovage_job::outcome::{JobError, Meter, OutcomeKind};
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::subject::Lane;
use lovage_job::trail::{AttemptRecord, Trail};
use lovage_job::unit::UnixMs;

/// A result that the broker stored at `at`.
pub(crate) fn ended(tenant: &str, id: &str, at: u64, outcome: OutcomeKind) -> Entry {
    let error = (outcome != OutcomeKind::Completed).then(|| JobError::new(outcome, "did not work"));
    let trail = if error.is_some() { trail(at, outcome) } else { Trail::default() };
    let record = ResultRecord {
        id: id.parse().unwrap(),
        task: Some("add".parse().unwrap()),
        queue: Some("default".parse().unwrap()),
        lane: Some(Lane::Normal),
        outcome,
        digest: Some(Digest::of(b"add")),
        version: Some("1".parse().unwrap()),
        attempt: 2,
        published: UnixMs(at - 10),
        started: UnixMs(at - 5),
        finished: UnixMs(at - 1),
        meter: Meter { fuel_used: 100, memory_peak_bytes: 65_536, wall_us: 4_000, egress_bytes: 7 },
        worker: "w".to_owned(),
        tags: vec!["red".to_owned()],
        payload: None,
        trace_id: None,
    };
    let result = JobResult { record, error, trail, content_type: None, body: Vec::new() };
    Entry::Ended(Box::new(Ended { tenant: tenant.parse().unwrap(), at: UnixMs(at), result }))
}

/// A dead letter that the broker stored at `at`.
pub(crate) fn letter(tenant: &str, id: &str, at: u64) -> Entry {
    let letter = DeadLetter {
        id: id.parse().unwrap(),
        subject: format!("lovage.{tenant}.job.default.add.{id}"),
        error: JobError::new(OutcomeKind::Failed, "did not work"),
        trail: trail(at, OutcomeKind::Failed),
        buried: UnixMs(at - 1),
        headers: [("Lovage-Tag", "red")].into_iter().collect(),
        payload: Vec::new(),
    };
    Entry::Buried(Box::new(Buried { tenant: tenant.parse().unwrap(), at: UnixMs(at), letter }))
}

fn trail(at: u64, outcome: OutcomeKind) -> Trail {
    let attempt = |attempt: u32| AttemptRecord {
        attempt,
        outcome,
        started: UnixMs(at - 10 + u64::from(attempt)),
        digest: Some(Digest::of(b"add")),
        worker: "w".to_owned(),
        meter: Meter { fuel_used: 100, memory_peak_bytes: 65_536, wall_us: 4_000, egress_bytes: 0 },
        error: Some(JobError::new(outcome, "did not work")),
    };
    Trail(vec![attempt(1), attempt(2)])
}

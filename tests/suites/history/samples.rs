//! Results and dead letters made by hand: for engines as entries, for the broker as messages.

use async_nats::jetstream::Context;
use futures::{StreamExt, stream};
use lovage_client::wire;
use lovage_history::{Buried, Ended, Entry};
use lovage_job::{
    dead::DeadLetter,
    name::Digest,
    outcome::{JobError, Meter, OutcomeKind},
    result::{JobResult, ResultRecord},
    subject::{Lane, asset},
    trail::{AttemptRecord, Trail},
    unit::UnixMs,
};

/// A result of a job that ended at `finished`.
pub fn result(id: &str, finished: u64, outcome: OutcomeKind) -> JobResult {
    let error = (outcome != OutcomeKind::Completed).then(|| JobError::new(outcome, "it did not work: é \u{1f980}"));
    let trail = if error.is_some() { trail(finished, outcome) } else { Trail::default() };
    let record = ResultRecord {
        id: id.parse().unwrap(),
        task: Some("add".parse().unwrap()),
        queue: Some("default".parse().unwrap()),
        lane: Some(Lane::High),
        outcome,
        digest: Some(Digest::of(b"add")),
        version: Some("1.2".parse().unwrap()),
        attempt: if error.is_some() { 2 } else { 1 },
        published: UnixMs(finished.saturating_sub(100)),
        started: UnixMs(finished.saturating_sub(10)),
        finished: UnixMs(finished),
        meter: Meter { fuel_used: 1 << 40, memory_peak_bytes: 1 << 20, wall_us: 9_000, egress_bytes: 5 },
        worker: "wörker".to_owned(),
        tags: vec!["red".to_owned(), "Größe ".to_owned()],
        payload: None,
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
    };
    JobResult { record, error, trail, content_type: None, body: Vec::new() }
}

/// The dead letter of a job that was buried at `buried`.
pub fn letter(tenant: &str, id: &str, buried: u64) -> DeadLetter {
    DeadLetter {
        id: id.parse().unwrap(),
        subject: format!("lovage.{tenant}.job.default.add.{id}"),
        error: JobError::new(OutcomeKind::Failed, "it did not work"),
        trail: trail(buried, OutcomeKind::Failed),
        buried: UnixMs(buried),
        headers: [("Lovage-Tag", "red")].into_iter().collect(),
        payload: b"{}".to_vec(),
    }
}

fn trail(at: u64, outcome: OutcomeKind) -> Trail {
    let attempt = |attempt: u32| AttemptRecord {
        attempt,
        outcome,
        started: UnixMs(at.saturating_sub(50) + u64::from(attempt)),
        digest: Some(Digest::of(b"add")),
        worker: "wörker".to_owned(),
        meter: Meter::default(),
        error: Some(JobError::new(outcome, "it did not work")),
    };
    Trail(vec![attempt(1), attempt(2)])
}

/// A result as the history takes it, stored when the job ended.
pub fn ended(tenant: &str, id: &str, finished: u64, outcome: OutcomeKind) -> Entry {
    let (tenant, result) = (tenant.parse().unwrap(), result(id, finished, outcome));
    Entry::Ended(Box::new(Ended { tenant, at: UnixMs(finished + 1), result }))
}

/// A dead letter as the history takes it.
pub fn buried(tenant: &str, id: &str, buried: u64) -> Entry {
    let (tenant, letter) = (tenant.parse().unwrap(), letter(tenant, id, buried));
    Entry::Buried(Box::new(Buried { tenant, at: UnixMs(buried + 1), letter }))
}

/// Stores results on the broker as a worker does.
pub async fn store(js: &Context, tenant: &str, results: impl IntoIterator<Item = JobResult>) {
    let tenant = tenant.parse().unwrap();
    let publish = |result: JobResult| {
        let subject = asset::result_subject(&tenant, &result.record.id);
        async move {
            let sent = js.publish_with_headers(subject, wire::to_nats(&result.to_headers()), "output".into()).await;
            sent.unwrap().await.unwrap();
        }
    };
    stream::iter(results).map(publish).buffer_unordered(64).collect::<Vec<()>>().await;
}

/// `count` results of jobs that complete or fail now.
pub fn many(prefix: &str, count: u64) -> impl Iterator<Item = JobResult> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let now = u64::try_from(now).unwrap();
    (0..count).map(move |n| {
        let outcome = if n % 5 == 0 { OutcomeKind::Failed } else { OutcomeKind::Completed };
        result(&format!("{prefix}-{n}"), now - n, outcome)
    })
}

//! Crashes: a job whose workers died while they ran it is quarantined after the third time.
//!
//! The rule is in `lovage_job::crash`. A first delivery passes at once and writes nothing; a later one is noted, and the
//! note confirmed, before the job goes on. What came before this message is in a header of the job.

use super::super::decode::{Decoded, End};
use super::super::{Shared, Step};
use super::release;
use crate::clock::now;
use crate::ports::Broker;
use lovage_job::crash::{Begun, CRASHES_MAX, CrashRecord};
use lovage_job::outcome::{JobError, OutcomeKind};
use serde_json::json;

/// Lets a job pass that has not killed too many workers.
pub(super) async fn check<B: Broker, T>(shared: &Shared<B, T>, decoded: Decoded) -> Step<Decoded> {
    let Decoded { mut job, message } = decoded;
    let record = if message.delivered > 1 {
        let (me, worker) = (shared.broker.instance(), &shared.worker);
        let crashed = job.crashes;
        let runs_here = shared.running.has(&message.tenant, &job.id);
        let begin = |record: &mut CrashRecord| {
            let passes = crashed.saturating_add(record.crashes(me)) < CRASHES_MAX;
            if passes {
                let begun = Begun { worker: worker.to_string(), instance: me.to_owned(), at: now() };
                record.begin(begun, runs_here);
            }
            passes
        };
        match shared.broker.note_crashes(&message, begin).await {
            Ok(record) => record,
            Err(error) => {
                tracing::debug!(job.id = %job.id, error = %error, "a delivery is not noted, job released");
                return Step::End(release(message));
            }
        }
    } else {
        CrashRecord { first: lovage_job::crash::First::Released, begun: Vec::new() }
    };
    job.crashes = job.crashes.saturating_add(record.crashes(shared.broker.instance()));
    if job.crashes < CRASHES_MAX {
        return Step::Next(Decoded { job, message });
    }
    tracing::warn!(job.id = %job.id, task = %job.subject.task, crashes = job.crashes, "job quarantined");
    let error = quarantined(job.crashes, &record);
    Step::End(End::of(&job, error).settle(shared, message, true))
}

fn quarantined(crashes: u32, record: &CrashRecord) -> JobError {
    let known: Vec<&str> = record.begun.iter().map(|begun| begun.worker.as_str()).collect();
    let last = if known.is_empty() { String::new() } else { format!(", last {}", known.join(" and ")) };
    let message = format!("{crashes} workers died while they ran it{last}; it is not tried again by itself");
    let details = Some(json!({ "crashes": crashes, "begun": record.begun }));
    JobError { details, ..JobError::new(OutcomeKind::Quarantined, message) }
}

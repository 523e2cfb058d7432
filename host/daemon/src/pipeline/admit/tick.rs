//! Runs of schedules: each tick runs once, and what was missed or overlaps follows the schedule's policy.
//!
//! A tick may come in two messages, since every worker plans every schedule. Before its first attempt a message claims
//! the tick by a conditional write: the same message passes again after a crash, and so does the message that it
//! becomes when it is put back; any other is dropped, and nothing is written for it. Then come the rules of the
//! schedule as it is now. A second attempt is of a run that began, so it passes.

use super::super::decode::{Decoded, End};
use super::super::execute::event_of;
use super::super::judge::put_back;
use super::super::{Shared, Step};
use super::{due_or_expired, release};
use crate::clock::now;
use crate::ports::{Broker, BrokerError, Delivery, Ending, Settlement};
use lovage_job::event::Happening;
use lovage_job::job::Job;
use lovage_job::name::JobId;
use lovage_job::outcome::{JobError, OutcomeKind};
use lovage_job::schedule::{
    Claim, Entry, Late, Occupied, Overlap, RunJob, Runs, ScheduleRecord, ScheduledRun, judge_overlap, late,
};
use lovage_job::subject::{JobSubject, Lot};
use lovage_job::unit::{UnixMs, format_span};
use std::time::Duration;

/// A run that waits for an earlier one is woken at its end; where nobody was left to do that, it looks by itself.
const WAIT: Duration = Duration::from_secs(30);
/// How often a change of the runs is tried where others change them at the same moment.
const TRIES: usize = 20;

/// What becomes of a run of a schedule.
enum Gate {
    Pass,
    /// Another message is this tick, or the tick is none any more.
    Drop,
    Skip(String),
    Wait(JobId),
}

/// Where runs of a schedule wait for an earlier one.
pub(in super::super) fn lot_of(run: &ScheduledRun) -> Lot {
    run.lot()
}

/// Lets a job pass that is no run of a schedule, or one that should be run now.
pub(super) async fn check<B: Broker, T>(shared: &Shared<B, T>, decoded: Decoded) -> Step<Decoded> {
    let Decoded { job, message } = decoded;
    let Some(run) = job.run.as_ref().filter(|_| job.attempt == 1) else {
        return Step::Next(Decoded { job, message });
    };
    match gate(shared.broker.as_ref(), &job, run, &message).await {
        Ok(Gate::Pass) => Step::Next(Decoded { job, message }),
        Ok(Gate::Drop) => {
            let Delivery { lease, tenant, .. } = message;
            Step::End(Settlement { lease, tenant, ending: Ending::Settled(None) })
        }
        Ok(Gate::Skip(reason)) => {
            let error = JobError::new(OutcomeKind::Skipped, reason);
            Step::End(End { wakes: None, ..End::of(&job, error) }.settle(shared, message, false))
        }
        Ok(Gate::Wait(active)) => {
            let (at, lot) = (now(), lot_of(run));
            let (due, reason) =
                (due_or_expired(&job, at.after(WAIT), at), format!("run {active} of the schedule has not ended"));
            let what = Happening::Waiting { lot: lot.to_string(), message: reason, due };
            let (headers, event) = (job.put_back(&message.headers), event_of(shared, &job, at, what));
            Step::End(put_back(message, &job, Some(lot), due, headers, event))
        }
        Err(_) => Step::End(release(message)),
    }
}

async fn gate<B: Broker>(broker: &B, job: &Job, run: &ScheduledRun, message: &Delivery) -> Result<Gate, BrokerError> {
    let record = broker.schedule(&message.tenant, &run.schedule).await?;
    if let Some(slot) = run.slot {
        if record.as_ref().is_some_and(|record| is_of_an_old_plan(record, job, slot, message)) {
            return Ok(Gate::Drop);
        }
        let claim = Claim { sequence: message.origin.sequence, round: job.round };
        if !broker.claim(&message.tenant, &run.schedule, &job.id, claim).await? {
            return Ok(Gate::Drop);
        }
        // one that was put back is late because it had to wait
        if let Some(reason) = missed(run, record.as_ref(), slot, job.round == 0) {
            return Ok(Gate::Skip(reason));
        }
    }
    match record {
        Some(record) if record.overlap != Overlap::Allow => overlap(broker, job, &record, message).await,
        Some(_) | None => Ok(Gate::Pass),
    }
}

/// Whether a tick was planned by a definition that has been replaced before the tick was due. The new one has planned
/// its own ticks, so this message must not take their place.
fn is_of_an_old_plan(record: &ScheduleRecord, job: &Job, slot: UnixMs, message: &Delivery) -> bool {
    if slot <= record.since || record.paused {
        return false;
    }
    let is_tick = record.check().is_ok_and(|timing| timing.ticks_at(slot));
    let subject = record.subject(&message.tenant, &job.id);
    let same_job = subject == job.subject && record.definition.input.bytes().as_deref() == Some(&*message.payload);
    // a payload that outgrew its message lies elsewhere
    !is_tick || !(same_job || job.wishes.payload.is_some())
}

/// Why a tick is not run, apart from other runs.
fn missed(run: &ScheduledRun, record: Option<&ScheduleRecord>, slot: UnixMs, in_time: bool) -> Option<String> {
    let name = &run.schedule;
    let Some(record) = record else { return Some(format!("schedule {name} was removed before this run began")) };
    if record.paused {
        return Some(format!("schedule {name} is paused"));
    }
    let (timing, at) = (record.check().ok()?, now());
    if !in_time || late(&timing, record.missed, record.deadline, slot, at) == Late::Run {
        return None;
    }
    let (by, deadline) = (format_span(at.since(slot)), format_span(record.deadline));
    let policy = record.missed;
    Some(format!("the run comes {by} late, beyond {deadline}, and missed ticks of schedule {name} follow {policy}"))
}

/// Finds out whether the run may begin while others are known. The record is changed by compare-and-set before the run
/// begins or is put back: a crash in between leaves a record that names this run, which finds itself there again.
async fn overlap<B: Broker>(
    broker: &B,
    job: &Job,
    record: &ScheduleRecord,
    message: &Delivery,
) -> Result<Gate, BrokerError> {
    // where it is to be looked for: in its own queue, whatever the schedule says now
    let subject = JobSubject { id: Some(job.id.clone()), ..job.subject.clone() };
    let me = RunJob { id: job.id.clone(), subject: subject.to_string() };
    for _ in 0..TRIES {
        let (runs, revision) = broker.runs(&message.tenant, &record.name).await?;
        let occupied = occupied(broker, &runs, &me, message).await?;
        let (after, gate) = match judge_overlap(record.overlap, &runs, occupied, &me) {
            Entry::Skip(active) => {
                let name = &record.name;
                return Ok(Gate::Skip(format!(
                    "run {active} of schedule {name} has not ended, and runs of it do not overlap"
                )));
            }
            Entry::Begin(after) => (after, Gate::Pass),
            Entry::Wait(after) => {
                let active = after.active.as_ref().map_or_else(|| me.id.clone(), |run| run.id.clone());
                (after, Gate::Wait(active))
            }
        };
        if after == runs || broker.set_runs(&message.tenant, &record.name, &after, revision).await? {
            return Ok(gate);
        }
    }
    Err(BrokerError(format!("the runs of schedule {} are changed by others all the time", record.name)))
}

/// Looks whether the runs on record have not ended. A record may name a job that is gone, so it is never trusted.
async fn occupied<B: Broker>(
    broker: &B,
    runs: &Runs,
    me: &RunJob,
    message: &Delivery,
) -> Result<Occupied, BrokerError> {
    let under_way = async |run: &Option<RunJob>| match run {
        Some(run) if run.id != me.id => broker.is_under_way(&message.tenant, run).await,
        Some(_) => Ok(true),
        None => Ok(false),
    };
    Ok(Occupied { active: under_way(&runs.active).await?, waiting: under_way(&runs.waiting).await? })
}

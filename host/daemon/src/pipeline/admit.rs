//! admit: Decoded -> Admitted. Cancelled and expired jobs end here, and so do jobs that are done already; what may not
//! run yet is put back; a payload that was too large for its message is fetched.

mod hold;
mod poison;
mod tick;

pub(super) use tick::lot_of;

use super::decode::{Decoded, End};
use super::{Shared, Step};
use crate::clock::now;
use crate::ports::{Again, Broker, Delivery, Ending, Holds, Settlement};
use bytes::Bytes;
use lovage_job::flow::Led;
use lovage_job::job::Job;
use lovage_job::name::Digest;
use lovage_job::outcome::{JobError, OutcomeKind};
use lovage_job::result::JobResult;
use lovage_job::unit::{UnixMs, format_span};
use std::time::Duration;

/// How long a message rests in its queue when the broker failed in the middle of its job.
pub(super) const REST: Duration = Duration::from_secs(1);

/// A job that may run.
pub(super) struct Admitted {
    pub(super) job: Job,
    pub(super) input: Bytes,
    pub(super) message: Delivery,
    pub(super) holds: Holds,
}

pub(super) async fn admit<B: Broker, T>(shared: &Shared<B, T>, decoded: Decoded) -> Step<Admitted> {
    let Decoded { job, message } = decoded;
    // a second delivery may be of a job that is done: its worker died between the result and the acknowledgement
    if message.delivered > 1 || hold::has_waited(&message) {
        match shared.broker.result(&message.tenant, &job.id).await {
            Ok(None) => {}
            Ok(Some(result)) => return Step::End(done_already(&job, message, result)),
            Err(_) => return Step::End(release(message)),
        }
    }
    let Decoded { job, message } = match poison::check(shared, Decoded { job, message }).await {
        Step::Next(decoded) => decoded,
        Step::End(settlement) => return Step::End(settlement),
    };
    if let Some(reason) = shared.broker.cancelled(&message.tenant, &job.id) {
        let error = JobError::new(OutcomeKind::Cancelled, reason);
        return Step::End(End::of(&job, error).settle(shared, message, false));
    }
    if let Some(expires) = job.wishes.expires.filter(|expires| *expires <= now()) {
        let error = JobError::new(OutcomeKind::Expired, expired(&job, expires, now()));
        return Step::End(End::of(&job, error).settle(shared, message, true));
    }
    let decoded = match tick::check(shared, Decoded { job, message }).await {
        Step::Next(decoded) => decoded,
        Step::End(settlement) => return Step::End(settlement),
    };
    let (Decoded { job, message }, holds) = match hold::check(shared, decoded).await {
        Step::Next(held) => held,
        Step::End(settlement) => return Step::End(settlement),
    };
    match job.wishes.payload.clone() {
        None => {
            let input = message.payload.clone();
            Step::Next(Admitted { job, input, message, holds })
        }
        Some(digest) => claim(shared, job, message, holds, &digest).await,
    }
}

/// The shortest time that a job waits elsewhere: where the broker's clock is ahead of this one, a job that expires comes
/// back a little too soon, and is not to go round in haste.
const WAIT_MIN: Duration = Duration::from_millis(250);

/// When a job that is put back comes by itself: at `due`, or when it expires, if that is sooner. It ends then, instead
/// of being found expired long after.
fn due_or_expired(job: &Job, due: UnixMs, now: UnixMs) -> UnixMs {
    let soonest = now.after(WAIT_MIN);
    job.wishes.expires.map_or(due, |expires| due.min(expires.max(soonest)))
}

/// Names both times: a job that came late is told from one that was published too late.
fn expired(job: &Job, expires: UnixMs, now: UnixMs) -> String {
    let what = if job.attempt > 1 { format!("attempt {} was not", job.attempt) } else { "not".to_owned() };
    let late = format_span(Duration::from_millis(now.0.saturating_sub(expires.0)));
    format!(
        "{what} started before it expired at {}: its turn came at {}, {late} late",
        expires.to_rfc3339(),
        now.to_rfc3339()
    )
}

async fn claim<B: Broker, T>(
    shared: &Shared<B, T>,
    job: Job,
    message: Delivery,
    holds: Holds,
    digest: &Digest,
) -> Step<Admitted> {
    let fault = match shared.broker.payload(&message.tenant, digest).await {
        Ok(Some(input)) if Digest::of(&input) == *digest => return Step::Next(Admitted { job, input, message, holds }),
        Ok(Some(_)) => format!("the object {digest} does not have that digest"),
        Ok(None) => format!("there is no object {digest}; it may have expired"),
        Err(_) => return Step::End(release(message)),
    };
    let error = JobError::new(OutcomeKind::BadInput, format!("the payload cannot be had: {fault}"));
    Step::End(End::of(&job, error).settle(shared, message, true))
}

/// Puts a message back for a moment: the broker failed, which is nobody's attempt.
pub(super) fn release(message: Delivery) -> Settlement {
    Settlement { lease: message.lease, tenant: message.tenant, ending: Ending::Release(Some(REST)) }
}

/// Nothing is left to do but the dead letter and what follows, which may not have been written.
fn done_already(job: &Job, message: Delivery, result: JobResult) -> Settlement {
    let record = &result.record;
    let dead = match (record.outcome, &result.error) {
        (OutcomeKind::Completed | OutcomeKind::Cancelled, _) | (_, None) => None,
        (_, Some(error)) => {
            Some(message.dead_letter(record.id.clone(), error.clone(), result.trail.clone(), record.finished))
        }
    };
    let ending = match Led::of(job, &message.payload) {
        None => Ending::Settled(dead.map(Box::new)),
        Some(follow) => Ending::Again(Box::new(Again { result, dead, follow })),
    };
    Settlement { lease: message.lease, tenant: message.tenant, ending }
}

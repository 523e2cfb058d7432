//! Limits and pauses: a job that may not run yet is put back into a lot and woken when it may.
//!
//! All that a job needs it gets at once or not at all, so two jobs never wait for what the other holds. A job that has
//! to wait holds nothing and costs no attempt. Places under rates come first and are written into the job's headers:
//! to wait for a permit afterwards does not cost them.

use super::super::decode::Decoded;
use super::super::execute::event_of;
use super::super::judge::put_back;
use super::super::{Shared, Step};
use super::{due_or_expired, release};
use crate::clock::now;
use crate::ports::{Broker, BrokerError, Delivery, GiveBack, Holds};
use lovage_job::event::Happening;
use lovage_job::header;
use lovage_job::job::Job;
use lovage_job::limit::{Applied, Places, Stopped, about_lot, safety_net};
use lovage_job::subject::Lot;
use lovage_job::unit::UnixMs;

/// The broker's header that names the schedule which a message comes from.
const SCHEDULER: &str = "Nats-Scheduler";

/// Where a job waits, and until when at most.
struct Wait {
    lot: Lot,
    due: UnixMs,
}

/// Whether a message comes from a lot. It is a new message then, so it does not tell that it was delivered before; its
/// job may have been run by whoever had it when it was put back.
pub(super) fn has_waited(message: &Delivery) -> bool {
    message.headers.get(SCHEDULER).is_some_and(|subject| subject.split('.').nth(3) == Some("wait"))
}

/// Lets a job pass with what it holds while it runs.
pub(super) async fn check<B: Broker, T>(shared: &Shared<B, T>, decoded: Decoded) -> Step<(Decoded, Holds)> {
    let Some(rules) = shared.broker.rules_of(&decoded.job) else {
        return Step::Next((decoded, Holds::default()));
    };
    let Decoded { job, message } = decoded;
    let net = safety_net(job.round, rand::random());
    match rules.stopped {
        // it was on its way here when the queue was paused
        Some(Stopped::InQueue) => return Step::End(release(message)),
        Some(Stopped::InLot(lot)) => {
            let places = Places::from_header(message.headers.get(header::RESERVED).unwrap_or_default());
            return wait(shared, job, message, &places, Wait { lot, due: now().after(net) });
        }
        None => {}
    }
    let mut places = Places::from_header(message.headers.get(header::RESERVED).unwrap_or_default());
    let held = match take_places(shared, &job, &rules.limits, &mut places).await {
        Ok(None) => take_permits(shared, &job, &rules.limits).await,
        Ok(Some(waits)) => return wait(shared, job, message, &places, waits),
        Err(error) => Err(error),
    };
    match held {
        Ok(Ok(holds)) => Step::Next((Decoded { job, message }, holds)),
        Ok(Err(lot)) => wait(shared, job, message, &places, Wait { lot, due: now().after(net) }),
        Err(error) => {
            tracing::debug!(job.id = %job.id, error = %error, "a limit was not told, job released");
            Step::End(release(message))
        }
    }
}

/// Sees that the job has a place under each rate that counts it; returns the latest one where it is yet to come.
async fn take_places<B: Broker, T>(
    shared: &Shared<B, T>,
    job: &Job,
    limits: &[Applied],
    places: &mut Places,
) -> Result<Option<Wait>, BrokerError> {
    let mut latest: Option<Wait> = None;
    for applied in limits {
        let Some(rate) = applied.limit.rate() else { continue };
        let due = match places.at(&applied.lot, rate) {
            Some(due) => due,
            None => {
                let due = shared.broker.place(job, applied, rate).await?;
                places.add(&applied.lot, rate, due);
                due
            }
        };
        if latest.as_ref().is_none_or(|wait| wait.due < due) {
            latest = Some(Wait { lot: applied.lot.of_rate(), due });
        }
    }
    Ok(latest.filter(|wait| wait.due > now()))
}

/// Takes a permit under each limit of jobs at once; where one has no room, gives back the others and tells its lot.
async fn take_permits<B: Broker, T>(
    shared: &Shared<B, T>,
    job: &Job,
    limits: &[Applied],
) -> Result<Result<Holds, Lot>, BrokerError> {
    let mut holds = Holds::default();
    for applied in limits.iter().filter(|applied| applied.limit.concurrency().is_some()) {
        let give_back: Option<GiveBack> = shared.broker.permit(job, applied).await?;
        match give_back {
            Some(give_back) => holds.on_end(give_back),
            // what is held so far goes back as it is dropped
            None => return Ok(Err(applied.lot.clone())),
        }
    }
    Ok(Ok(holds))
}

fn wait<B, T>(
    shared: &Shared<B, T>,
    job: Job,
    message: Delivery,
    places: &Places,
    waits: Wait,
) -> Step<(Decoded, Holds)> {
    let (at, lot) = (now(), waits.lot);
    let due = due_or_expired(&job, waits.due, at);
    let reason = format!("waits for {}", about_lot(lot.as_str()));
    let what = Happening::Waiting { lot: lot.to_string(), message: reason, due };
    let event = event_of(shared, &job, at, what);
    let mut headers = job.put_back(&message.headers);
    match places.is_empty() {
        true => headers.remove(header::RESERVED),
        false => headers.set(header::RESERVED, places.to_header()),
    };
    Step::End(put_back(message, &job, Some(lot), due, headers, event))
}

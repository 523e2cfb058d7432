//! The life of a job on a worker, as a pipe: each step takes the type that the step before it gives, so that skipping
//! one does not compile.
//!
//! ```text
//! Delivery -> decode -> Decoded -> admit -> Admitted -> resolve -> Ready -> execute -> Executed -> judge -> Settlement
//! ```
//!
//! A step that finds that the job ends here gives the settlement at once. Nothing here knows NATS.

mod admit;
mod decode;
mod execute;
mod guests;
mod judge;
mod resolve;
mod running;
mod services;
mod telling;
mod traced;
mod webhook;

pub use guests::{Guests, GuestsConfig, Room};
pub use running::{Running, StopReason};
pub use telling::Heard;

use crate::counters::{Counters, Place, PutBack};
use crate::ports::{Broker, Courier, Delivery, Ending, Later, Settlement, Tasks, Tracer};
use lovage_job::event::Happening;
use lovage_job::outcome::OutcomeKind;
use lovage_job::usage::Used;
use std::sync::Arc;
use std::time::Duration;

/// What every attempt on this worker shares.
#[derive(Debug)]
pub struct Shared<B, T> {
    /// Where jobs come from and results go.
    pub broker: Arc<B>,
    /// What jobs run.
    pub tasks: Arc<T>,
    /// The attempts that run now.
    pub running: Arc<Running>,
    /// This worker's name.
    pub worker: Arc<str>,
    /// The operator's ceiling.
    pub ceiling: lovage_job::limits::Limits,
    /// Where events of guests go, to be told to watchers; bounded, and lost where full.
    pub heard: tokio::sync::mpsc::Sender<Heard>,
    /// Who delivers webhooks.
    pub courier: Arc<dyn Courier>,
    /// What the broker does for guests that run.
    pub errands: Arc<dyn crate::errands::Errands>,
    /// Who traces attempts, where anyone does.
    pub tracer: Option<Arc<dyn Tracer>>,
    /// What this worker counts.
    pub counters: Arc<Counters>,
    /// What tenants use.
    pub usage: Arc<crate::usage::Usage>,
    /// What requests to other hosts go through.
    pub egress: Arc<crate::egress::Egress>,
    /// Where refusals are noted.
    pub auditor: Arc<dyn crate::audit::Auditor>,
    /// What tasks keep.
    pub storage: Arc<dyn crate::storage::Storage>,
    /// The most children of one job.
    pub fanout: u32,
    /// How long results are kept where the task does not say.
    pub result_keep: Duration,
}

/// Whether a job goes on to the next step.
enum Step<N> {
    Next(N),
    End(Settlement),
}

/// Runs one held message to its settlement.
async fn attempt<B: Broker, T: Tasks>(shared: &Shared<B, T>, delivery: Delivery) -> Settlement {
    // the fourth token of a job's subject is its queue
    let place = shared.counters.place(delivery.subject.split('.').nth(3).unwrap_or_default());
    let (Step::Next(settlement) | Step::End(settlement)) = pass(shared, delivery).await;
    count(shared, place, &settlement);
    settlement
}

/// Counts what became of a message.
fn count<B, T>(shared: &Shared<B, T>, place: Place, settlement: &Settlement) {
    let (tenant, counters) = (&settlement.tenant, &shared.counters);
    match &settlement.ending {
        Ending::Finish(finish) => {
            shared.usage.add(tenant, Used::job());
            counters.job_ended(tenant, place, finish.result.record.outcome, finish.dead.is_some());
        }
        Ending::Later(later) => counters.put_back(place, why_later(later)),
        Ending::Release(_) => counters.put_back(place, PutBack::Released),
        // it was counted when it ended
        Ending::Settled(_) | Ending::Again(_) => {}
    }
}

fn why_later(later: &Later) -> PutBack {
    match &later.event.what {
        Happening::Retrying { outcome: OutcomeKind::Snoozed, .. } => PutBack::Snoozed,
        Happening::Retrying { .. } => PutBack::Retry,
        Happening::Waiting { .. }
        | Happening::Started { .. }
        | Happening::Progress { .. }
        | Happening::Log { .. }
        | Happening::Released { .. }
        | Happening::Finished { .. } => PutBack::Held,
    }
}

async fn pass<B: Broker, T: Tasks>(shared: &Shared<B, T>, delivery: Delivery) -> Step<Settlement> {
    let decoded = match decode::decode(shared, delivery) {
        Step::Next(decoded) => decoded,
        Step::End(settlement) => return Step::End(settlement),
    };
    let admitted = match admit::admit(shared, decoded).await {
        Step::Next(admitted) => admitted,
        Step::End(settlement) => return Step::End(settlement),
    };
    if lovage_job::flow::is_webhook(&admitted.job.subject.task) {
        return Step::End(webhook::deliver(shared, admitted).await);
    }
    let ready = match resolve::resolve(shared, admitted).await {
        Step::Next(ready) => ready,
        Step::End(settlement) => return Step::End(settlement),
    };
    let executed = match execute::execute(shared, ready).await {
        Step::Next(executed) => executed,
        Step::End(settlement) => return Step::End(settlement),
    };
    Step::Next(judge::judge(shared, executed).await)
}

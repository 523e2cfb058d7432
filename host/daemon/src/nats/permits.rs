//! What this worker's jobs hold under limits, and the desks where they ask: one desk for each limit in use.
//!
//! A desk works on one record at a time. All that is asked, given back and renewed while it does is put together into
//! its next write, so a limit costs one write for many jobs. What a desk holds is counted here; the record is told that
//! number, so a write that is repeated, because nobody knows whether the first was stored, does no harm. A worker that
//! dies gives its permits back by not renewing them.

use super::limit_store::Known;
use super::rules::Rules;
use crate::ports::{BrokerError, GiveBack};
use async_nats::Client;
use lovage_job::job::Job;
use lovage_job::limit::{Applied, LEASE, LimitScope, Rate};
use lovage_job::name::{JobId, TenantName};
use lovage_job::subject::Lot;
use lovage_job::unit::UnixMs;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How often desks are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Permits are renewed when a third of their time is over.
const RENEWED_AFTER: Duration = Duration::from_secs(LEASE.as_secs() / 3);
/// For how long after a refusal its desk looks after the jobs that wait: longer than any of them waits at most.
const LOOKED_AFTER_FOR: Duration = Duration::from_secs(160);
/// Desks that look after waiting jobs in one tick.
const LOOKS_AT_ONCE: usize = 64;
/// How long giving everything back may take at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The permits of this worker.
#[derive(Debug)]
pub struct Permits {
    pub(super) client: Client,
    pub(super) rules: Arc<Rules>,
    /// Names this process among the holders: a worker that is started again under its name is another one.
    pub(super) instance: String,
    runtime: tokio::runtime::Handle,
    desks: Mutex<HashMap<DeskName, Desk>>,
}

/// Which limit a desk is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct DeskName {
    pub(super) tenant: TenantName,
    pub(super) lot: Lot,
}

/// What is known and asked of one limit.
#[derive(Debug)]
struct Desk {
    scope: LimitScope,
    known: Option<Known>,
    held: u32,
    asks: Vec<Ask>,
    freed: bool,
    renew: bool,
    look: bool,
    busy: bool,
    renewed: Instant,
    looked: Instant,
    refused: Option<Instant>,
}

/// What a job asks of a limit.
#[derive(Debug)]
pub(super) enum Ask {
    /// A permit to run.
    Permit { job: JobId, answer: oneshot::Sender<bool> },
    /// A place under the rate.
    Place { rate: Rate, answer: oneshot::Sender<UnixMs> },
}

/// What a desk works on at once.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) scope: LimitScope,
    pub(super) known: Option<Known>,
    pub(super) held: u32,
    pub(super) asks: Vec<Ask>,
    pub(super) freed: bool,
    pub(super) renew: bool,
    pub(super) look: bool,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) known: Option<Known>,
    pub(super) refused: bool,
    /// What was given back has to be told again.
    pub(super) freed: bool,
    pub(super) renewed: bool,
    /// Nobody waits in the lot.
    pub(super) nobody_waits: bool,
}

impl Permits {
    /// Permits on a connection; [`Permits::run`] must run beside them.
    pub fn new(client: Client, rules: Arc<Rules>, runtime: tokio::runtime::Handle) -> Arc<Self> {
        let instance = uuid::Uuid::now_v7().simple().to_string();
        Arc::new(Self { client, rules, instance, runtime, desks: Mutex::default() })
    }

    /// Takes a permit, without waiting for room.
    pub async fn permit(self: &Arc<Self>, job: &Job, limit: &Applied) -> Result<Option<GiveBack>, BrokerError> {
        let name = DeskName { tenant: job.subject.tenant.clone(), lot: limit.lot.clone() };
        let (answer, answered) = oneshot::channel();
        self.ask(&name, &limit.scope, Ask::Permit { job: job.id.clone(), answer });
        match answered.await {
            Ok(true) => {
                let permits = self.clone();
                Ok(Some(Box::new(move || permits.give_back(&name))))
            }
            Ok(false) => Ok(None),
            Err(_) => Err(no_answer(&name)),
        }
    }

    /// Takes a place under a rate.
    pub async fn place(self: &Arc<Self>, job: &Job, limit: &Applied, rate: &Rate) -> Result<UnixMs, BrokerError> {
        let name = DeskName { tenant: job.subject.tenant.clone(), lot: limit.lot.clone() };
        let (answer, answered) = oneshot::channel();
        self.ask(&name, &limit.scope, Ask::Place { rate: rate.clone(), answer });
        answered.await.map_err(|_| no_answer(&name))
    }

    /// Renews permits and looks after those who wait, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        for (tenant, scope) in self.rules.scopes() {
            // a worker that died may have left jobs that nobody looks after
            self.look_at(&tenant, &scope, scope.lot());
        }
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => self.tick(),
            }
        }
    }

    /// Gives everything back, once no job runs here any more.
    pub async fn close(self: &Arc<Self>) {
        let names: Vec<DeskName> = self.lock().keys().cloned().collect();
        for name in &names {
            if let Some(desk) = self.lock().get_mut(name) {
                (desk.freed, desk.held, desk.refused) = (desk.freed || desk.held > 0, 0, None);
            }
            self.attend(name);
        }
        let idle = async {
            while self.lock().values().any(|desk| desk.busy) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(CLOSE_WITHIN, idle).await.is_err() {
            tracing::warn!("not every permit was given back; they lapse within a minute");
        }
    }

    /// Looks whether there is room for someone who waits.
    pub(super) fn look_at(self: &Arc<Self>, tenant: &TenantName, scope: &LimitScope, lot: Option<Lot>) {
        let Some(lot) = lot else { return };
        let name = DeskName { tenant: tenant.clone(), lot };
        {
            let mut desks = self.lock();
            let desk = desks.entry(name.clone()).or_insert_with(|| Desk::new(scope));
            (desk.look, desk.refused) = (true, Some(Instant::now()));
        }
        self.attend(&name);
    }

    fn ask(self: &Arc<Self>, name: &DeskName, scope: &LimitScope, ask: Ask) {
        self.lock().entry(name.clone()).or_insert_with(|| Desk::new(scope)).asks.push(ask);
        self.attend(name);
    }

    fn give_back(self: &Arc<Self>, name: &DeskName) {
        if let Some(desk) = self.lock().get_mut(name) {
            desk.held = desk.held.saturating_sub(1);
            desk.freed = true;
        }
        self.attend(name);
    }

    fn tick(self: &Arc<Self>) {
        let mut look = Vec::new();
        let mut attend = Vec::new();
        self.lock().retain(|name, desk| {
            desk.refused = desk.refused.filter(|refused| refused.elapsed() < LOOKED_AFTER_FOR);
            desk.renew |= desk.held > 0 && desk.renewed.elapsed() >= RENEWED_AFTER;
            if desk.refused.is_some() {
                look.push((desk.looked, name.clone()));
            }
            if desk.has_work() {
                attend.push(name.clone());
            }
            desk.busy || desk.held > 0 || desk.refused.is_some() || desk.has_work()
        });
        // those that were not looked at for longest go first
        look.sort_by_key(|(looked, _)| *looked);
        for (_, name) in look.into_iter().take(LOOKS_AT_ONCE) {
            if let Some(desk) = self.lock().get_mut(&name) {
                desk.look = true;
            }
            attend.push(name);
        }
        attend.iter().for_each(|name| self.attend(name));
    }

    /// Sees that someone works at a desk that has work. Ends when it has none; what hangs is bounded by its tries.
    fn attend(self: &Arc<Self>, name: &DeskName) {
        let begun =
            self.lock().get_mut(name).is_some_and(|desk| desk.has_work() && !std::mem::replace(&mut desk.busy, true));
        if begun {
            let (permits, name) = (self.clone(), name.clone());
            self.runtime.spawn(async move {
                while let Some(batch) = permits.next_batch(&name) {
                    let done = permits.work(&name, batch).await;
                    permits.note(&name, done);
                }
            });
        }
    }

    fn next_batch(&self, name: &DeskName) -> Option<Batch> {
        let mut desks = self.lock();
        let desk = desks.get_mut(name)?;
        if !desk.has_work() {
            desk.busy = false;
            return None;
        }
        if desk.look {
            desk.looked = Instant::now();
        }
        Some(Batch {
            scope: desk.scope.clone(),
            known: desk.known.take().filter(|_| !desk.look),
            held: desk.held,
            asks: std::mem::take(&mut desk.asks),
            freed: std::mem::take(&mut desk.freed),
            renew: std::mem::take(&mut desk.renew),
            look: std::mem::take(&mut desk.look),
        })
    }

    fn note(&self, name: &DeskName, done: Done) {
        let mut desks = self.lock();
        let Some(desk) = desks.get_mut(name) else { return };
        desk.known = done.known;
        desk.freed |= done.freed;
        if done.renewed {
            desk.renewed = Instant::now();
        }
        if done.refused {
            desk.refused = Some(Instant::now());
        } else if done.nobody_waits {
            // one that was refused a moment ago may still be on its way into the lot
            desk.refused = desk.refused.filter(|refused| refused.elapsed() < 5 * TICK);
        }
    }

    /// Counts a permit, before its job hears of it.
    pub(super) fn count(&self, name: &DeskName, granted: u32) {
        if let Some(desk) = self.lock().get_mut(name) {
            desk.held = desk.held.saturating_add(granted);
        }
    }

    /// Takes back what was counted for jobs that are gone.
    pub(super) fn uncount(&self, name: &DeskName, gone: u32) {
        if let Some(desk) = self.lock().get_mut(name) {
            desk.held = desk.held.saturating_sub(gone);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeskName, Desk>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_answer(name: &DeskName) -> BrokerError {
    BrokerError(format!("the limit {} of tenant {} does not answer", name.lot, name.tenant))
}

impl Desk {
    fn new(scope: &LimitScope) -> Self {
        let now = Instant::now();
        Self {
            scope: scope.clone(),
            known: None,
            held: 0,
            asks: Vec::new(),
            freed: false,
            renew: false,
            look: false,
            busy: false,
            renewed: now,
            looked: now,
            refused: None,
        }
    }

    fn has_work(&self) -> bool {
        !self.asks.is_empty() || self.freed || self.renew || self.look
    }
}

//! Settles messages: the result, the retry or the dead letter is confirmed by the broker before the message is
//! acknowledged, so that a crash in between repeats work and never loses it.
//!
//! Results go out pipelined: one subscription hears all confirmations, and each one releases its acknowledgement.
//! The rare endings (retries, dead letters, conflicts) each wait for their own confirmation; see `confirm`.

use super::api::{PublishReply, WRONG_LAST_SEQUENCE};
use super::crashes::Crashes;
use super::follow::Following;
use super::store::Payloads;
use crate::counters::{BrokerFault, Counters};
use crate::lease::Lease;
use crate::ports::{Ending, Finish, Settlement};
use async_nats::{Client, HeaderMap, Message};
use bytes::Bytes;
use futures::StreamExt;
use lovage_client::wire;
use lovage_job::event::Event;
use lovage_job::header::Headers;
use lovage_job::name::TenantName;
use lovage_job::outcome::OutcomeKind;
use lovage_job::subject::{self, asset};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A confirmation that takes longer than this is asked for again.
pub(super) const CONFIRM_WITHIN: Duration = Duration::from_secs(3);
/// How often the unconfirmed ones are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Releases that are noted and sent at once, at most.
pub const RELEASED_TOGETHER: usize = 64;
/// The pause before a refused write is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// Settles messages.
#[derive(Debug)]
pub struct Settler {
    pub(super) client: Client,
    pub(super) payloads: Payloads,
    pub(super) crashes: Crashes,
    pub(super) following: Following,
    pub(super) counters: Arc<Counters>,
    inbox: String,
    pending: Mutex<HashMap<u64, Pending>>,
    next: AtomicU64,
    /// Has a clone for each ending that is settled on a task of its own.
    apart: Arc<()>,
    /// Tenants that were removed: nothing is written for them any more.
    departed: Mutex<HashSet<TenantName>>,
    /// The largest message of a schedule, of tenants for whom it is limited, in bytes.
    schedule_bytes: Mutex<HashMap<TenantName, usize>>,
}

#[derive(Debug)]
struct Pending {
    lease: Lease,
    tenant: TenantName,
    finish: Box<Finish>,
    sent: Instant,
}

impl Settler {
    /// A settler on a connection; [`Settler::run`] must run beside it.
    pub fn new(client: Client, payloads: Payloads, counters: Arc<Counters>) -> Arc<Self> {
        let inbox = client.new_inbox();
        let (crashes, following) = (Crashes::new(client.clone()), Following::default());
        let (pending, next, apart) = (Mutex::default(), AtomicU64::new(0), Arc::default());
        let (departed, schedule_bytes) = (Mutex::default(), Mutex::default());
        Arc::new(Self {
            client,
            payloads,
            crashes,
            following,
            counters,
            inbox,
            pending,
            next,
            apart,
            departed,
            schedule_bytes,
        })
    }

    /// Writes nothing more for a tenant that was removed: its streams are gone, or are about to be.
    pub fn depart(&self, tenant: &TenantName) {
        self.departed.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
        self.lock().retain(|_, pending| pending.tenant != *tenant);
    }

    /// Writes for a tenant, whose schedules are messages of so many bytes at most.
    pub fn welcome(&self, tenant: &TenantName, schedule_bytes: Option<u64>) {
        let mut limits = self.schedule_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        match schedule_bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(bytes) => drop(limits.insert(tenant.clone(), bytes)),
            None => drop(limits.remove(tenant)),
        }
        drop(limits);
        self.departed.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    /// What a message of a schedule may have, in bytes.
    pub(super) fn schedule_max(&self, tenant: &TenantName) -> usize {
        let limits = self.schedule_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        limits.get(tenant).copied().unwrap_or(usize::MAX)
    }

    pub(super) fn has_departed(&self, tenant: &TenantName) -> bool {
        self.departed.lock().unwrap_or_else(PoisonError::into_inner).contains(tenant)
    }

    /// How many endings are under way: results that wait for their confirmation or for what follows them, and what is
    /// settled apart.
    pub fn pending(&self) -> usize {
        self.lock().len() + self.following.count() + Arc::strong_count(&self.apart) - 1
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to settle a message. `rare` endings are confirmed on tasks of `runtime`.
    pub async fn settle(self: &Arc<Self>, settlement: Settlement, runtime: &tokio::runtime::Handle) {
        let Settlement { lease, tenant, ending } = settlement;
        if self.has_departed(&tenant) {
            return;
        }
        match ending {
            Ending::Finish(finish) => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let message = result_message(&finish);
                let subject = asset::result_subject(&tenant, &finish.result.record.id);
                let body = finish.body.clone();
                self.lock().insert(number, Pending { lease, tenant, finish, sent: Instant::now() });
                self.send(number, subject, message, body).await;
            }
            Ending::Release(delay) => {
                let (settler, apart) = (self.clone(), self.apart.clone());
                runtime.spawn(async move {
                    settler.release(&lease, delay).await;
                    drop(apart);
                });
            }
            Ending::Later(later) => {
                let (settler, apart) = (self.clone(), self.apart.clone());
                runtime.spawn(async move {
                    settler.put_back(lease, tenant, *later).await;
                    drop(apart);
                });
            }
            Ending::Again(again) => {
                let settler = self.clone();
                runtime.spawn(async move { settler.again(lease, tenant, *again).await });
            }
            Ending::Settled(dead) => {
                let (settler, apart) = (self.clone(), self.apart.clone());
                runtime.spawn(async move {
                    if let Some(dead) = dead {
                        settler.bury(&tenant, &dead).await;
                    }
                    settler.acknowledge(&lease).await;
                    drop(apart);
                });
            }
        }
    }

    async fn send(&self, number: u64, subject: String, headers: HeaderMap, body: Bytes) {
        let reply = format!("{}.{number}", self.inbox);
        // a message that cannot be sent now is sent again by `look`
        if let Err(error) = self.client.publish_with_reply_and_headers(subject, reply, headers, body).await {
            tracing::debug!(error = %error, "result not sent yet");
        }
    }

    /// Hears confirmations until `stop`, which must come after the last settlement.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), async_nats::SubscribeError> {
        let mut replies = self.client.subscribe(format!("{}.*", self.inbox)).await?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                reply = replies.next() => match reply {
                    Some(reply) => self.confirmed(reply).await,
                    None => return Ok(()),
                },
                _ = look.tick() => self.look().await,
            }
        }
    }

    /// Sends again what was not confirmed in time. The condition on the write makes that harmless.
    async fn look(&self) {
        let now = Instant::now();
        let mut late = Vec::new();
        for (number, pending) in self.lock().iter_mut() {
            if now.duration_since(pending.sent) >= CONFIRM_WITHIN {
                pending.sent = now;
                let subject = asset::result_subject(&pending.tenant, &pending.finish.result.record.id);
                late.push((*number, subject, result_message(&pending.finish), pending.finish.body.clone()));
            }
        }
        for (number, subject, headers, body) in late {
            self.counters.fault(BrokerFault::ResultLate);
            self.send(number, subject, headers, body).await;
        }
    }

    async fn confirmed(self: &Arc<Self>, reply: Message) {
        let Some(number) = reply.subject.rsplit('.').next().and_then(|text| text.parse().ok()) else { return };
        let parsed = serde_json::from_slice::<PublishReply>(&reply.payload);
        let refused = match parsed {
            Ok(PublishReply { error: None, .. }) if reply.status.is_none() => None,
            Ok(PublishReply { error: Some(error), .. }) => Some((error.err_code, error.description)),
            _ => Some((0, reply.description.unwrap_or_default())),
        };
        match refused {
            None => {
                let Some(pending) = self.lock().remove(&number) else { return };
                self.stored(pending).await;
            }
            Some((WRONG_LAST_SEQUENCE, _)) => {
                let Some(pending) = self.lock().remove(&number) else { return };
                let settler = self.clone();
                tokio::spawn(async move { settler.lost_the_race(pending).await });
            }
            Some((code, said)) => {
                // sent again after a pause; the lease is extended meanwhile
                self.counters.fault(BrokerFault::ResultRefused);
                match code {
                    // no answer from the stream: it is being restarted or moved
                    0 => tracing::debug!("a result was not taken by the broker yet and is sent again"),
                    _ => tracing::warn!(code, said, "a result was refused by the broker and is sent again"),
                }
                if let Some(pending) = self.lock().get_mut(&number) {
                    pending.sent = Instant::now().checked_sub(CONFIRM_WITHIN - PAUSE).unwrap_or(pending.sent);
                }
            }
        }
    }

    /// The result is stored: tell who waits, bury what failed for good, and acknowledge.
    async fn stored(self: &Arc<Self>, pending: Pending) {
        let Pending { lease, tenant, finish, .. } = pending;
        if let Some(reply) = &finish.reply {
            let headers = wire::to_nats(&finish.result.to_headers());
            let _core_nats_may_lose_it =
                self.client.publish_with_headers(reply.clone(), headers, finish.body.clone()).await;
        }
        tell(&self.client, &tenant, &finish.event).await;
        if let Some(lot) = finish.wakes.clone() {
            // the result comes first: the run that is woken looks for it; one that is not woken is due by itself
            let (client, tenant) = (self.client.clone(), tenant.clone());
            tokio::spawn(async move { super::lots::wake(&client, &tenant, &lot, 1).await });
        }
        if finish.follow.is_some() {
            let settler = self.clone();
            tokio::spawn(async move { settler.followed(lease, tenant, *finish).await });
            return;
        }
        match finish.dead {
            None => self.acknowledge_soon(&lease).await,
            Some(dead) => {
                let settler = self.clone();
                tokio::spawn(async move {
                    settler.bury(&tenant, &dead).await;
                    settler.acknowledge(&lease).await;
                });
            }
        }
    }

    /// Another attempt ended the job first. Its end stands; a dead letter may still be missing.
    async fn lost_the_race(self: &Arc<Self>, pending: Pending) {
        let Pending { lease, tenant, finish, .. } = pending;
        if let Some(follow) = finish.follow {
            return self.follow_another(lease, tenant, &finish.result.record.id, finish.dead, follow).await;
        }
        if let Some(dead) = finish.dead {
            let store = super::store::Results::new(self.client.clone());
            match store.get(&tenant, &dead.id).await {
                Ok(Some(result))
                    if !matches!(result.record.outcome, OutcomeKind::Completed | OutcomeKind::Cancelled) =>
                {
                    self.bury(&tenant, &dead).await;
                }
                Ok(_) => {}
                // not acknowledged: the message comes again and finds the result
                Err(_) => return,
            }
        }
        self.acknowledge(&lease).await;
    }

    /// Acknowledges without waiting: the result is stored, so a second delivery finds it.
    async fn acknowledge_soon(&self, lease: &Lease) {
        let _second_delivery_finds_the_result = self.client.publish(lease.address().to_owned(), "+ACK".into()).await;
        self.crashes.forget(lease.address()).await;
    }

    /// Acknowledges and waits for the broker's word.
    pub(super) async fn acknowledge(&self, lease: &Lease) {
        for _ in 0..3 {
            let request = async_nats::Request::new().payload("+ACK".into()).timeout(Some(CONFIRM_WITHIN));
            match self.client.send_request(lease.address().to_owned(), request).await {
                Ok(reply) if reply.status.is_none() => return self.crashes.forget(lease.address()).await,
                Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        self.counters.fault(BrokerFault::AckUnconfirmed);
        tracing::debug!(address = lease.address(), "acknowledgement not confirmed; the message may come again");
    }

    /// Tells the broker that the job of a message goes on; an extension that is lost is made up for by the next.
    pub async fn extend(&self, address: &str) {
        let _tried_again_next_time = self.client.publish(address.to_owned(), "+WPI".into()).await;
    }

    /// Puts a message back into its queue, at once or after a delay.
    pub async fn release(&self, lease: &Lease, delay: Option<Duration>) {
        self.release_at(lease.address(), delay).await;
    }

    /// As [`Self::release`], of a message that is acknowledged at `address`. That it is released is noted first.
    pub(super) async fn release_at(&self, address: &str, delay: Option<Duration>) {
        self.crashes.before_release(address).await;
        let word = match delay {
            None => "-NAK".to_owned(),
            Some(delay) => format!("-NAK {{\"delay\":{}}}", delay.as_nanos()),
        };
        let _lease_runs_out_otherwise = self.client.publish(address.to_owned(), word.into()).await;
    }
}

/// The headers of a result: what is stored, how long, and only where the job has no result yet.
fn result_message(finish: &Finish) -> HeaderMap {
    let mut headers: Headers = finish.result.to_headers();
    headers.push("Nats-Expected-Last-Subject-Sequence", "0");
    headers.push("Nats-TTL", format!("{}s", finish.keep.as_secs().max(1)));
    wire::to_nats(&headers)
}

/// Tells watchers by core NATS.
pub(super) async fn tell(client: &Client, tenant: &TenantName, event: &Event) {
    let subject = subject::event(tenant, &event.task, &event.id, event.what.token());
    let body = serde_json::to_vec(event).unwrap_or_default();
    let _may_be_lost = client.publish(subject, body.into()).await;
}

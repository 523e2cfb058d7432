//! Pulls the jobs of one source: long polls, asked for in small numbers while idle and in large ones under load.
//!
//! This is not the client library's message stream, which leaks credit at small batches and then idles until its
//! request expires. Here a request's credit is counted down by what arrives and cleared by the broker's own word; a
//! broker that says nothing for two heartbeats is asked again.

use super::api::{DeliveryInfo, PullRequest};
use super::rules::Rules;
use super::settle::{RELEASED_TOGETHER, Settler};
use crate::counters::BrokerFault;
use crate::intake::SourceHandle;
use crate::lease::Leases;
use crate::ports::Delivery;
use async_nats::{Client, Message, StatusCode, Subscriber};
use futures::StreamExt;
use lovage_client::wire;
use lovage_job::decode::Origin;
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::{Lane, asset};
use lovage_job::unit::UnixMs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The broker gives a sign of life this often while a request waits, where there are few requests.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Sources for which it is that often; for more of them it is less often, so that idle ones cost little.
const SOURCES_FEW: usize = 60;
/// The longest time between two signs of life, as a multiple of the shortest.
const SLOWER_MAX: u32 = 12;
/// How many signs of life one request waits at the broker.
const HEARTBEATS_OF_REQUEST: u32 = 6;
/// The pause after an error, so that a missing consumer is not asked for in a hot loop.
const PAUSE: Duration = Duration::from_millis(500);

/// One lane of one queue of one tenant.
#[derive(Debug, Clone)]
pub struct SourceName {
    /// Whose jobs.
    pub tenant: TenantName,
    /// Which queue.
    pub queue: QueueName,
    /// Which lane.
    pub lane: Lane,
}

/// What a puller works with.
pub struct Puller {
    /// The connection.
    pub client: Client,
    /// What it pulls.
    pub name: SourceName,
    /// When the stream of jobs was created, in Unix milliseconds.
    pub stream_created: Arc<AtomicU64>,
    /// Where jobs go.
    pub source: SourceHandle,
    /// Where leases are kept.
    pub leases: Arc<Leases>,
    /// Releases what comes too late.
    pub settler: Arc<Settler>,
    /// Changes whenever the connection was made anew: what was asked before is forgotten.
    pub connections: watch::Receiver<u64>,
    /// Whether jobs may be asked for: the queue may be paused, or the worker quiet.
    pub rules: Arc<Rules>,
    /// Told when the consumer is missing.
    pub missing: tokio::sync::mpsc::Sender<SourceName>,
    /// How many sources this worker pulls.
    pub crowd: Arc<AtomicUsize>,
}

/// What is asked for and has not come yet.
struct Asked {
    credit: usize,
    heard: Instant,
    /// How often a sign of life is to come.
    heartbeat: Duration,
}

impl Asked {
    fn nothing() -> Self {
        Self { credit: 0, heard: Instant::now(), heartbeat: HEARTBEAT }
    }

    /// After this silence the request is taken for lost.
    fn lost_at(&self) -> Instant {
        self.heard + self.heartbeat * 2 + HEARTBEAT / 2
    }
}

/// The time between two signs of life, for so many sources.
fn heartbeat(sources: usize) -> Duration {
    let slower = u32::try_from(sources / SOURCES_FEW).unwrap_or(SLOWER_MAX);
    HEARTBEAT * slower.clamp(1, SLOWER_MAX)
}

impl Puller {
    /// Pulls until `stop`. Messages that wait here or arrive afterwards are released, and the source is removed.
    pub async fn run(mut self, stop: CancellationToken) {
        self.crowd.fetch_add(1, Ordering::Relaxed);
        self.pull_while_open(&stop).await;
        self.crowd.fetch_sub(1, Ordering::Relaxed);
        let settler = &self.settler;
        let release = |job: Delivery| async move { settler.release(&job.lease, None).await };
        futures::stream::iter(self.source.remove()).for_each_concurrent(RELEASED_TOGETHER, release).await;
    }

    async fn pull_while_open(&mut self, stop: &CancellationToken) {
        let mut changes = self.rules.changes();
        while !stop.is_cancelled() {
            changes.mark_unchanged();
            if !self.rules.is_open(&self.name.tenant, &self.name.queue) {
                self.put_back().await;
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = changes.changed() => if changed.is_err() { return },
                }
                continue;
            }
            // an inbox of its own each time: what was asked for before a pause must not come after it
            let inbox = self.client.new_inbox();
            match self.client.subscribe(inbox.clone()).await {
                Ok(mut messages) => self.pull(&inbox, &mut messages, (stop, &mut changes)).await,
                Err(error) => {
                    tracing::debug!(error = %error, "subscription refused, trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Gives back what waits here of a queue that was closed, so that it stays with the broker.
    async fn put_back(&self) {
        for job in self.source.recall() {
            let address = job.lease.address().to_owned();
            let _lease_runs_out_otherwise = self.client.publish(address, "-NAK".into()).await;
        }
    }

    /// Pulls until `stop`, or until the queue is closed.
    async fn pull(
        &mut self,
        inbox: &str,
        messages: &mut Subscriber,
        (stop, changes): (&CancellationToken, &mut watch::Receiver<u64>),
    ) {
        let mut asked = Asked::nothing();
        loop {
            self.ask(inbox, &mut asked).await;
            // every arm is safe to drop: a message is only taken from the subscription when its arm wins
            tokio::select! {
                () = stop.cancelled() => break,
                _ = changes.changed() => {
                    if !self.rules.is_open(&self.name.tenant, &self.name.queue) {
                        break;
                    }
                }
                message = messages.next() => match message {
                    Some(message) => self.receive(message, &mut asked).await,
                    None => return,
                },
                () = self.source.taken() => {}
                _ = self.connections.changed() => asked = Asked::nothing(),
                () = tokio::time::sleep_until(asked.lost_at()) => {
                    // one without credit has nothing that could be lost
                    if asked.credit > 0 {
                        self.settler.counters.fault(BrokerFault::PullLost);
                    }
                    asked = Asked::nothing();
                }
            }
        }
        // what is on its way already goes back at once instead of when its lease runs out
        let _best_effort = messages.unsubscribe().await;
        let mut late = Vec::new();
        while let Ok(Some(message)) = tokio::time::timeout(PAUSE, messages.next()).await {
            late.extend(message.reply.filter(|_| message.status.is_none()));
        }
        let settler = &self.settler;
        let release = |address: async_nats::Subject| async move { settler.release_at(&address, None).await };
        futures::stream::iter(late).for_each_concurrent(RELEASED_TOGETHER, release).await;
    }

    async fn ask(&self, inbox: &str, asked: &mut Asked) {
        let batch = self.source.appetite(asked.credit);
        if batch == 0 {
            return;
        }
        let (stream, consumer) = (asset::jobs(&self.name.tenant), asset::consumer(self.name.lane, &self.name.queue));
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let heartbeat = heartbeat(self.crowd.load(Ordering::Relaxed));
        let expires = nanos(heartbeat * HEARTBEATS_OF_REQUEST);
        let request = PullRequest { batch, expires, idle_heartbeat: nanos(heartbeat) };
        let body = serde_json::to_vec(&request).unwrap_or_default();
        if asked.credit == 0 {
            asked.heard = Instant::now();
        }
        asked.heartbeat = heartbeat.max(if asked.credit > 0 { asked.heartbeat } else { HEARTBEAT });
        match self.client.publish_with_reply(subject, inbox.to_owned(), body.into()).await {
            Ok(()) => asked.credit += batch,
            Err(error) => {
                tracing::debug!(error = %error, "pull not sent");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn receive(&self, message: Message, asked: &mut Asked) {
        asked.heard = Instant::now();
        // a publisher can write a status into its headers: what must be acknowledged is a job all the same
        let job = message.reply.as_ref().is_some_and(|reply| reply.starts_with("$JS.ACK."));
        match message.status.filter(|_| !job) {
            None => {
                asked.credit = asked.credit.saturating_sub(1);
                self.deliver(message).await;
            }
            Some(StatusCode::IDLE_HEARTBEAT) => {}
            Some(status) => self.status(status, &message, asked).await,
        }
    }

    /// The broker ends a request: its time is up, or something is wrong.
    async fn status(&self, status: StatusCode, message: &Message, asked: &mut Asked) {
        let left = message.headers.as_ref().and_then(|headers| headers.get("Nats-Pending-Messages"));
        let left = left.and_then(|left| left.as_str().parse().ok());
        asked.credit = left.map_or(0, |left: usize| asked.credit.saturating_sub(left));
        if status == StatusCode::TIMEOUT || status == StatusCode::NOT_FOUND {
            self.source.rested();
            return;
        }
        let said = message.description.as_deref().unwrap_or_default();
        tracing::debug!(status = status.as_u16(), said, tenant = %self.name.tenant, queue = %self.name.queue, "pull ended");
        self.settler.counters.fault(BrokerFault::PullLost);
        let gone = status == StatusCode::NO_RESPONDERS || said.contains("Deleted");
        if gone {
            // full means that it was told already
            let _told = self.missing.try_send(self.name.clone());
        }
        tokio::time::sleep(PAUSE).await;
    }

    async fn deliver(&self, message: Message) {
        let Some(address) = message.reply.as_ref() else { return };
        let Some(info) = DeliveryInfo::parse(address) else {
            tracing::warn!(address = %address, "a delivery without a readable address is left to its lease");
            return;
        };
        let headers = message.headers.as_ref().map(wire::from_nats).unwrap_or_default();
        let origin = Origin {
            stream_created_ms: self.stream_created.load(Ordering::Relaxed),
            sequence: info.sequence,
            stored: UnixMs(info.stored_ns / 1_000_000),
        };
        let delivery = Delivery {
            tenant: self.name.tenant.clone(),
            subject: message.subject.to_string(),
            headers,
            lease: self.leases.hold(address),
            payload: message.payload,
            origin,
            delivered: info.delivered,
        };
        if let Some(late) = self.source.put(delivery) {
            self.settler.release(&late.lease, None).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_sources_are_heard_of_less_often() {
        assert_eq!([heartbeat(3), heartbeat(119)], [HEARTBEAT; 2]);
        assert_eq!(heartbeat(600), HEARTBEAT * 10);
        assert_eq!([heartbeat(3_000), heartbeat(usize::MAX)], [HEARTBEAT * SLOWER_MAX; 2]);
    }
}

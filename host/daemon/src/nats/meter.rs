//! Brings what tenants use to the broker's counters, about each second, and hears what they have used elsewhere.
//!
//! An addition is sent again under the same message id until it is confirmed, so it counts once. A worker that is
//! killed loses what it has not brought: at most the last second and what was under way.

use super::api::PublishReply;
use crate::clock::now;
use crate::tenant_book::TenantBook;
use crate::usage::Usage;
use async_nats::{Client, HeaderMap, Request};
use futures::StreamExt;
use lovage_job::name::TenantName;
use lovage_job::usage::{self, Day, METERS, Metric, Used};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often usage is brought to the broker.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How often totals are read that no addition of this worker has told, in flushes.
const READ_EVERY: u32 = 5;
/// Additions on their way at once.
const TOGETHER: usize = 64;
/// One try.
const TRY: Duration = Duration::from_secs(2);
/// The pause before an addition is sent again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often an addition is sent at the end of a worker.
const LAST_TRIES: u32 = 3;

/// Brings usage to the broker.
pub struct Meters {
    /// The connection.
    pub client: Client,
    /// What is brought.
    pub usage: Arc<Usage>,
    /// Which tenants have quotas of a day.
    pub book: Arc<TenantBook>,
    /// This run of this worker: message ids are made from it.
    pub instance: String,
}

/// The value of a counter.
#[derive(Deserialize)]
struct Count {
    val: String,
}

impl Meters {
    /// Works until `stop`, then brings what is left.
    pub async fn run(self, stop: CancellationToken) {
        let mut round: u64 = 0;
        let mut unread: u32 = READ_EVERY;
        let mut tick = tokio::time::interval(FLUSH_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => {}
            }
            round += 1;
            self.flush(round, Some(&stop)).await;
            unread += 1;
            if unread > READ_EVERY {
                unread = 0;
                self.read_totals().await;
            }
        }
        if !self.usage.is_empty() {
            self.flush(round + 1, None).await;
        }
    }

    /// Brings what was used since the last time; tries until it is there, or, at the end, a few times.
    async fn flush(&self, round: u64, stop: Option<&CancellationToken>) {
        let day = Day::of(now());
        let additions: Vec<(TenantName, Metric, u64)> = self.usage.take().iter().flat_map(split).collect();
        if additions.is_empty() {
            return;
        }
        let bring = |(tenant, metric, amount)| self.bring((tenant, day, metric), amount, round, stop);
        futures::stream::iter(additions).for_each_concurrent(TOGETHER, bring).await;
        self.usage.arrived();
    }

    async fn bring(
        &self,
        (tenant, day, metric): (TenantName, Day, Metric),
        amount: u64,
        round: u64,
        stop: Option<&CancellationToken>,
    ) {
        let subject = usage::subject(&tenant, day, metric);
        let id = format!("{}:{round}:{tenant}:{}", self.instance, metric.token());
        let mut tries: u32 = 0;
        loop {
            tries += 1;
            match self.try_bring(&subject, &id, amount).await {
                // a duplicate does not tell the sum
                Ok(sum) => return sum.into_iter().for_each(|sum| self.usage.counted(&tenant, day, metric, sum)),
                Err(error) => tracing::debug!(subject, error, "usage not counted yet"),
            }
            let ends = stop.is_none_or(CancellationToken::is_cancelled);
            if ends && tries >= LAST_TRIES {
                tracing::warn!(tenant = %tenant, metric = metric.token(), amount, "usage is not counted: the broker does not answer");
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_bring(&self, subject: &str, id: &str, amount: u64) -> Result<Option<u64>, String> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Incr", format!("+{amount}"));
        headers.insert("Nats-Msg-Id", id);
        let request = Request::new().headers(headers).timeout(Some(TRY));
        let reply = self.client.send_request(subject.to_owned(), request).await.map_err(|error| error.to_string())?;
        let answer = serde_json::from_slice::<PublishReply>(&reply.payload).map_err(|error| error.to_string())?;
        match answer.error {
            Some(error) => Err(error.description),
            None => Ok(serde_json::from_slice::<Count>(&reply.payload).ok().and_then(|count| count.val.parse().ok())),
        }
    }

    /// Reads what tenants with a quota of a day have used on all workers, which may be others than this one.
    async fn read_totals(&self) {
        let day = Day::of(now());
        let limited = self.book.all().into_iter().filter(|record| {
            let quota = &record.quota;
            quota.fuel_per_day.is_some() || quota.egress_per_day.is_some()
        });
        let reads = limited.flat_map(|record| [Metric::Fuel, Metric::EgressBytes].map(|m| (record.tenant.clone(), m)));
        let read = |(tenant, metric): (TenantName, Metric)| async move {
            let subject = format!("$JS.API.DIRECT.GET.{METERS}.{}", usage::subject(&tenant, day, metric));
            let request = Request::new().timeout(Some(TRY));
            let Ok(reply) = self.client.send_request(subject, request).await else { return };
            // a counter that was never added to is not there
            let count = serde_json::from_slice::<Count>(&reply.payload).ok().and_then(|count| count.val.parse().ok());
            count.into_iter().for_each(|count| self.usage.counted(&tenant, day, metric, count));
        };
        let reads: Vec<_> = reads.collect();
        if !reads.is_empty() {
            futures::stream::iter(reads).for_each_concurrent(TOGETHER, read).await;
            self.usage.arrived_elsewhere();
        }
    }
}

/// The additions to the counters of one tenant.
fn split((tenant, used): (&TenantName, &Used)) -> Vec<(TenantName, Metric, u64)> {
    let of = |metric: Metric| (tenant.clone(), metric, used.get(metric));
    Metric::ALL.into_iter().map(of).filter(|(_, _, amount)| *amount > 0).collect()
}

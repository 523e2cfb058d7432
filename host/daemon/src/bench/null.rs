//! The null worker: pull, publish a result, wait for its confirmation, acknowledge. No sandbox, no rules.

use crate::nats::api::PullRequest;
use async_nats::{Client, HeaderMap, Subscriber};
use futures::StreamExt;
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::{Lane, asset};
use std::collections::HashMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Jobs of one request.
const BATCH: usize = 500;
/// How long one request waits.
const EXPIRES: Duration = Duration::from_secs(30);

/// Serves the normal lane of the default queue until `stop`.
pub(super) async fn serve(client: Client, stop: CancellationToken) -> anyhow::Result<()> {
    let (jobs_inbox, acks_inbox) = (client.new_inbox(), client.new_inbox());
    let mut jobs = client.subscribe(jobs_inbox.clone()).await?;
    let mut acks: Subscriber = client.subscribe(format!("{acks_inbox}.*")).await?;
    let mut waiting: HashMap<u64, String> = HashMap::new();
    let (mut credit, mut next) = (0usize, 0u64);
    loop {
        if credit <= BATCH / 2 {
            pull(&client, &jobs_inbox, BATCH).await?;
            credit += BATCH;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            job = jobs.next() => {
                let Some(job) = job else { return Ok(()) };
                if job.status.is_some() {
                    credit = 0;
                    continue;
                }
                credit = credit.saturating_sub(1);
                let id = job.subject.rsplit('.').next().unwrap_or_default();
                let subject = format!("$KV.results-default.{id}");
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
                headers.insert("Nats-TTL", "86400s");
                client.publish_with_reply_and_headers(subject, format!("{acks_inbox}.{next}"), headers, "42".into()).await?;
                waiting.insert(next, job.reply.map(|reply| reply.to_string()).unwrap_or_default());
                next += 1;
            }
            ack = acks.next() => {
                let Some(ack) = ack else { return Ok(()) };
                let number = ack.subject.rsplit('.').next().and_then(|text| text.parse().ok());
                if let Some(address) = number.and_then(|number: u64| waiting.remove(&number)) {
                    client.publish(address, "+ACK".into()).await?;
                }
            }
        }
    }
}

async fn pull(client: &Client, inbox: &str, batch: usize) -> anyhow::Result<()> {
    let stream = asset::jobs(&TenantName::default_tenant());
    let consumer = asset::consumer(Lane::Normal, &QueueName::default_queue());
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let request = PullRequest { batch, expires: nanos(EXPIRES), idle_heartbeat: nanos(EXPIRES / 6) };
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
    client.publish_with_reply(subject, inbox.to_owned(), serde_json::to_vec(&request)?.into()).await?;
    Ok(())
}

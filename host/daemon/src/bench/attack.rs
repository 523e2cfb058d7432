//! Hostile jobs that are sent without end: another follows each that ends.

use super::fill::confirmed;
use super::inputs::Input;
use anyhow::{Context as _, ensure};
use async_nats::{Client, HeaderMap};
use futures::StreamExt;
use lovage_job::header;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long it may take until the first of them has ended.
const BEGINS_WITHIN: Duration = Duration::from_secs(60);

/// How many jobs ended in which way, by the outcome's name.
pub(super) type Outcomes = BTreeMap<String, u64>;

/// Jobs of one input while they are sent.
pub(super) struct Attack {
    stop: CancellationToken,
    sending: JoinHandle<anyhow::Result<Outcomes>>,
}

impl Attack {
    /// Sends so many jobs, and returns once the first has ended. From then on as many wait or run.
    pub(super) async fn begin(client: &Client, tenant: &str, input: &Input, at_once: usize) -> anyhow::Result<Self> {
        let inbox = client.new_inbox();
        let mut ends = client.subscribe(inbox.clone()).await?;
        let subject = format!("lovage.{tenant}.job.default.{}", input.task);
        let mut headers = HeaderMap::new();
        headers.insert(header::REPLY, inbox.as_str());
        headers.insert(header::RETRIES, "0");
        headers.insert(header::TIMEOUT, format!("{}ms", input.timeout.as_millis()));
        let send = async |_, reply| {
            let sent = client.publish_with_reply_and_headers(subject.clone(), reply, headers.clone(), "".into());
            Ok(sent.await?)
        };
        confirmed(client, at_once, send).await?;
        let first = tokio::time::timeout(BEGINS_WITHIN, ends.next()).await;
        let first = first.with_context(|| format!("no job of {:?} ends", input.name))?;
        ensure!(first.is_some(), "the subscription ended");
        let stop = CancellationToken::new();
        let (client, stopped) = (client.clone(), stop.clone());
        let sending = tokio::spawn(async move {
            let mut outcomes = Outcomes::new();
            let mut ended = first;
            while let Some(end) = ended {
                let outcome = end.headers.as_ref().and_then(|headers| headers.get(header::OUTCOME));
                *outcomes.entry(outcome.map_or("none", |outcome| outcome.as_str()).to_owned()).or_default() += 1;
                client.publish_with_headers(subject.clone(), headers.clone(), "".into()).await?;
                ended = stopped.run_until_cancelled(ends.next()).await.flatten();
            }
            Ok(outcomes)
        });
        Ok(Self { stop, sending })
    }

    /// Sends no more, and returns how those ended that have.
    pub(super) async fn end(self) -> anyhow::Result<Outcomes> {
        self.stop.cancel();
        self.sending.await?
    }
}

//! Fills the queue: plain publishes with an id in the subject, pipelined.

use anyhow::{Context as _, ensure};
use async_nats::Client;
use futures::StreamExt;
use std::time::Duration;

/// Publishes that are not yet confirmed.
const WINDOW: usize = 512;
/// How long one confirmation may take.
pub(super) const CONFIRM_WITHIN: Duration = Duration::from_secs(10);

/// The input of each job.
pub(super) const INPUT: &str = r#"{"a":20,"b":22}"#;

/// The id of a job of a round.
pub(super) fn id(round: usize, number: usize) -> String {
    format!("b{round}-{number}")
}

/// Publishes `count` jobs of the default tenant's task.
pub(super) async fn fill(client: &Client, round: usize, count: usize) -> anyhow::Result<()> {
    fill_with(client, count, INPUT, |number| format!("lovage.default.job.default.add.{}", id(round, number))).await
}

/// Publishes `count` jobs to the subjects that their numbers give.
pub(super) async fn fill_with(
    client: &Client,
    count: usize,
    input: &'static str,
    subject: impl Fn(usize) -> String,
) -> anyhow::Result<()> {
    let send = async |number, reply| Ok(client.publish_with_reply(subject(number), reply, input.into()).await?);
    confirmed(client, count, send).await
}

/// Sends numbered messages in order, each with a subject for its confirmation, and returns once all are confirmed.
pub(super) async fn confirmed(
    client: &Client,
    count: usize,
    send: impl AsyncFn(usize, String) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(format!("{inbox}.*")).await?;
    let mut confirmed = 0;
    for number in 0..count {
        send(number, format!("{inbox}.{number}")).await?;
        while number + 1 - confirmed >= WINDOW {
            confirm(&mut replies).await?;
            confirmed += 1;
        }
    }
    while confirmed < count {
        confirm(&mut replies).await?;
        confirmed += 1;
    }
    Ok(())
}

/// Waits for one confirmation.
async fn confirm(replies: &mut async_nats::Subscriber) -> anyhow::Result<()> {
    let reply = tokio::time::timeout(CONFIRM_WITHIN, replies.next()).await.context("the broker does not confirm")?;
    let reply = reply.context("the subscription ended")?;
    let stored = serde_json::from_slice::<crate::nats::api::PublishReply>(&reply.payload)?;
    ensure!(stored.error.is_none(), "the broker refuses a job: {:?}", stored.error);
    Ok(())
}

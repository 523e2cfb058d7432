//! A worker's name is its own: two workers of one name would make the trail of attempts a lie.

use async_nats::Client;
use futures::StreamExt;
use lovage_job::name::JobId;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long another worker of the name may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Another worker has the name.
#[derive(Debug, thiserror::Error)]
#[error("a worker named {name} is running already; choose another --name, or leave it out")]
pub struct NameTaken {
    /// The name.
    pub name: JobId,
}

/// Takes a name, and answers for it until `stop`.
pub async fn announce(
    client: &Client,
    name: &JobId,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> anyhow::Result<()> {
    let subject = format!("lovage-workers.{name}");
    let request = async_nats::Request::new().payload("".into()).timeout(Some(ANSWER_WITHIN));
    let answered = client.send_request(subject.clone(), request).await;
    if answered.is_ok_and(|answer| answer.status.is_none()) {
        return Err(NameTaken { name: name.clone() }.into());
    }
    let mut asked = client.subscribe(subject).await?;
    let (client, stop) = (client.clone(), stop.clone());
    tracker.spawn(async move {
        loop {
            let question = tokio::select! {
                () = stop.cancelled() => return,
                question = asked.next() => question,
            };
            let Some(question) = question else { return };
            if let Some(reply) = question.reply {
                let _whoever_asks_may_be_gone = client.publish(reply, "here".into()).await;
            }
        }
    });
    Ok(())
}

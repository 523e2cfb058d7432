//! Queues: how much waits in each lane, how much is run, and how old the oldest job is.

use crate::clock::now;
use crate::http::auth::{Caller, Role};
use crate::http::enter::Within;
use crate::http::problem::Problem;
use crate::http::site::Site;
use async_nats::jetstream::consumer;
use async_nats::jetstream::stream::DirectGetErrorKind;
use futures::TryStreamExt;
use lovage_job::limit::PauseScope;
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::{Lane, asset, lane_filter};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One priority of a queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct LaneView {
    /// high, normal or low.
    pub priority: String,
    /// Jobs that no worker has.
    pub waiting: u64,
    /// Jobs that workers hold.
    pub running: u64,
    /// How old the oldest of them is, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_ms: Option<u64>,
}

/// A queue that a worker has served.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueView {
    /// Its name.
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// Jobs of all priorities that no worker has.
    pub waiting: u64,
    /// Jobs of all priorities that workers hold.
    pub running: u64,
    /// How old the oldest job is, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_ms: Option<u64>,
    /// Whether it, or the whole tenant, is paused.
    pub paused: bool,
    /// Its priorities.
    pub lanes: Vec<LaneView>,
}

/// The queues of a tenant that a worker has served, by name.
pub async fn list(site: &Site, caller: &Caller, tenant: &TenantName) -> Result<Vec<QueueView>, Problem> {
    let within = site.enter(caller, tenant, Role::Viewer).await?;
    let stream = site.js.get_stream(asset::jobs(tenant)).await.map_err(Problem::broker)?;
    let consumers: Vec<consumer::Info> = stream.consumers().try_collect().await.map_err(Problem::broker)?;
    let mut queues: BTreeMap<QueueName, Vec<LaneView>> = BTreeMap::new();
    for info in consumers {
        let Some((lane, queue)) = served(&info.name) else { continue };
        let running = u64::try_from(info.num_ack_pending).unwrap_or(0);
        let mut view = LaneView { priority: lane.to_string(), waiting: info.num_pending, running, oldest_ms: None };
        if view.waiting + running > 0 {
            let subject = lane_filter(tenant, lane, &queue);
            view.oldest_ms = match stream.direct_get_next_for_subject(subject, Some(1)).await {
                Ok(message) => Some(age(message.time.unix_timestamp_nanos())),
                // it ended meanwhile
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => None,
                Err(error) => return Err(Problem::broker(error)),
            };
        }
        queues.entry(queue).or_default().push(view);
    }
    shown(&within, queues).await
}

async fn shown(within: &Within<'_>, queues: BTreeMap<QueueName, Vec<LaneView>>) -> Result<Vec<QueueView>, Problem> {
    let pauses = within.client.pauses().await?;
    let paused = |queue: &QueueName| {
        pauses.iter().any(|pause| match &pause.scope {
            PauseScope::Tenant => true,
            PauseScope::Queue(name) => name == queue,
            PauseScope::Task(_) => false,
        })
    };
    let view = |(queue, lanes): (QueueName, Vec<LaneView>)| QueueView {
        waiting: lanes.iter().map(|lane| lane.waiting).sum(),
        running: lanes.iter().map(|lane| lane.running).sum(),
        oldest_ms: lanes.iter().filter_map(|lane| lane.oldest_ms).max(),
        paused: paused(&queue),
        queue,
        lanes,
    };
    Ok(queues.into_iter().map(view).collect())
}

/// The lane and queue of a consumer.
fn served(consumer: &str) -> Option<(Lane, QueueName)> {
    let (lane, queue) = consumer.split_once('_')?;
    Some((Lane::from_token(lane)?, queue.parse().ok()?))
}

fn age(stored_ns: i128) -> u64 {
    let stored = u64::try_from(stored_ns / 1_000_000).unwrap_or(0);
    now().0.saturating_sub(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_tell_their_queue() {
        let queue = |name: &str| served(name).map(|(lane, queue)| (lane, queue.to_string()));
        assert_eq!(queue("job-high_mail"), Some((Lane::High, "mail".to_owned())));
        assert_eq!(queue("job_a_b"), Some((Lane::Normal, "a_b".to_owned())));
        assert_eq!((queue("other"), queue("x_y")), (None, None));
    }
}

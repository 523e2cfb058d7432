//! The pulls of one tenant: three lanes of each queue that this worker serves, which may change while it runs.

use super::Tenants;
use crate::nats::puller::{Puller, SourceName};
use crate::nats::topology::{self, TopologyError};
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::Lane;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The share of a lane: high goes first, low is never starved.
fn weight(lane: Lane) -> usize {
    match lane {
        Lane::High => 16,
        Lane::Normal => 4,
        Lane::Low => 1,
    }
}

/// The pulls of a tenant.
#[derive(Debug)]
pub(super) struct Pulls {
    stop: CancellationToken,
    queues: HashMap<QueueName, Pull>,
}

/// The pulls of a queue.
#[derive(Debug)]
struct Pull {
    /// Its share, and its rank where the order is strict.
    place: (usize, usize),
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Pulls {
    pub(super) fn new(stop: &CancellationToken) -> Self {
        Self { stop: stop.child_token(), queues: HashMap::new() }
    }

    /// Begins to pull what is not pulled yet.
    pub(super) fn begin(
        &mut self,
        tenants: &Tenants,
        tenant: &TenantName,
        queues: &[(QueueName, usize)],
        created: &Arc<AtomicU64>,
    ) {
        for (queue, place) in placed(queues, tenants.strict) {
            if self.queues.contains_key(queue) {
                continue;
            }
            let (stop, tracker) = (self.stop.child_token(), TaskTracker::new());
            for lane in Lane::ALL {
                let name = SourceName { tenant: tenant.clone(), queue: queue.clone(), lane };
                tracker.spawn(tenants.pull(name, created.clone(), place, stop.clone()));
            }
            self.queues.insert(queue.clone(), Pull { place, stop, tracker });
        }
    }

    /// Ends the pulls of queues that are not served any more, or in another place. What waits here of them goes back.
    async fn end_others(&mut self, queues: &[(QueueName, usize)], strict: bool) {
        let stays = |queue: &QueueName, pull: &Pull| {
            placed(queues, strict).any(|(wanted, place)| wanted == queue && place == pull.place)
        };
        let gone: Vec<QueueName> =
            self.queues.iter().filter(|(queue, pull)| !stays(queue, pull)).map(|(queue, _)| queue.clone()).collect();
        for pull in gone.iter().filter_map(|queue| self.queues.remove(queue)) {
            pull.end().await;
        }
    }

    /// Ends them all.
    pub(super) async fn end(self) {
        self.stop.cancel();
        futures::future::join_all(self.queues.into_values().map(Pull::end)).await;
    }
}

impl Pull {
    async fn end(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// The queues with their places: a share, and a rank that says nothing unless the order is strict.
fn placed(queues: &[(QueueName, usize)], strict: bool) -> impl Iterator<Item = (&QueueName, (usize, usize))> {
    let place = move |(rank, (queue, share))| (queue, (share, if strict { rank } else { 0 }));
    queues.iter().map(|(queue, share)| (queue, *share)).enumerate().map(place)
}

impl Tenants {
    /// Sees that these queues of a tenant are pulled, and no others.
    pub(super) async fn serve_queues(
        &self,
        tenant: &TenantName,
        queues: &[(QueueName, usize)],
        (created, pulls): (&Arc<AtomicU64>, &mut Pulls),
    ) -> Result<(), TopologyError> {
        pulls.end_others(queues, self.strict).await;
        for (queue, _) in queues.iter().filter(|(queue, _)| !pulls.queues.contains_key(queue)) {
            for lane in Lane::ALL {
                topology::ensure_consumer(&self.js, tenant, queue, lane, self.topology).await?;
            }
        }
        pulls.begin(self, tenant, queues, created);
        Ok(())
    }

    fn pull(
        &self,
        name: SourceName,
        stream_created: Arc<AtomicU64>,
        (share, rank): (usize, usize),
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let puller = Puller {
            client: self.client.clone(),
            source: self.intake.add_source(&name.tenant, share.max(1) * weight(name.lane), rank),
            name,
            stream_created,
            leases: self.leases.clone(),
            settler: self.settler.clone(),
            connections: self.connections.clone(),
            rules: self.rules.clone(),
            missing: self.missing.clone(),
            crowd: self.crowd.clone(),
        };
        puller.run(stop)
    }
}

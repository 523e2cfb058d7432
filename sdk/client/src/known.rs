//! Whether a job of a chosen id is there already. The broker itself remembers ids for two minutes only.

use crate::client::{Client, REST};
use crate::find;
use crate::list::Place;
use crate::prepare::Prepared;
use crate::read::{self, Stored};
use lovage_job::name::JobId;
use lovage_job::subject::{ScheduleKind, asset, schedule};
use std::time::Duration;

/// How long to wait for each answer. Not every user may read the schedules; then there is none.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

impl Client {
    /// Where the job is, if it can be found by its id. What cannot be read counts as not there: the conditions on
    /// the job's and the result's subjects still keep it from ending twice.
    pub(crate) async fn known(&self, job: &Prepared) -> Option<Place> {
        let (result, retry, delay, held, queued) = tokio::join!(
            self.result_head(&job.id, TIMEOUT),
            self.scheduled(ScheduleKind::Retry, &job.id),
            self.scheduled(ScheduleKind::Delay, &job.id),
            self.held(&job.id),
            self.queued(job),
        );
        if let Ok(Some(record)) = result {
            return Some(Place::Done(record.outcome));
        }
        let due = |stored: &Stored| find::due(stored).unwrap_or(stored.stored);
        if let (None, None, Some(held)) = (&retry, &delay, &held) {
            return Some(Place::Held { due: due(held) });
        }
        match (retry, delay, queued) {
            (Some(retry), _, _) => Some(Place::WaitingRetry { due: due(&retry) }),
            (None, Some(delay), _) => Some(Place::Delayed { due: due(&delay) }),
            (None, None, true) => Some(Place::Queued),
            (None, None, false) => None,
        }
    }

    /// The schedule that holds the job, where it can be read.
    pub(crate) async fn scheduled(&self, kind: ScheduleKind, id: &JobId) -> Option<Stored> {
        if !self.memory.schedules.is_open() {
            return None;
        }
        let subject = schedule(&self.tenant, kind, id);
        match read::last(&self.nats, &asset::schedules(&self.tenant), &subject, TIMEOUT).await {
            Ok(found) => found,
            Err(read::ReadError::Silent { .. } | read::ReadError::Forbidden { .. }) => {
                self.memory.schedules.close(REST);
                None
            }
            Err(_) => None,
        }
    }

    /// The job in the lot where it waits, where that can be read. To look into every lot needs a wider right than to
    /// read one schedule, so it has a gate of its own.
    pub(crate) async fn held(&self, id: &JobId) -> Option<Stored> {
        if !self.memory.lots.is_open() || !self.memory.schedules.is_open() {
            return None;
        }
        let (stream, filter) = (asset::schedules(&self.tenant), self.held_filter(id));
        match tokio::time::timeout(TIMEOUT, read::next(&self.nats, &stream, &filter, 1)).await {
            Ok(Ok(found)) => found,
            Ok(Err(read::ReadError::Forbidden { .. })) | Err(_) => {
                self.memory.lots.close(REST);
                None
            }
            Ok(Err(_)) => None,
        }
    }

    /// Whether the job is queued. A job for now needs no look: its publication carries that condition.
    async fn queued(&self, job: &Prepared) -> bool {
        if job.due.is_none() || !self.memory.schedules.is_open() {
            return false;
        }
        let subject = job.subject.to_string();
        matches!(read::last(&self.nats, &asset::jobs(&self.tenant), &subject, TIMEOUT).await, Ok(Some(_)))
    }
}

//! Waking a job that waits for another one, where that one's end is written here and not by a worker.
//!
//! A waiting job is a schedule that is due late. To wake it is to do what the broker does once it is due: its copy goes
//! to the queue and the schedule away, in one write that fails where the schedule is gone already.

use crate::client::Client;
use crate::read::{self, Stored};
use crate::{publish, wire};
use async_nats::HeaderMap;
use lovage_job::subject::{Lot, asset, waiting_filter};

/// Headers of a schedule that its due copy does not have.
const OF_SCHEDULES: [&str; 5] =
    ["Nats-Schedule", "Nats-Schedule-Target", "Nats-Msg-Id", "Nats-Expected-Last-Subject-Sequence", "Nats-Rollup"];

impl Client {
    /// Sends the job that has waited longest in a lot to its queue. Nobody is told where that fails, and nothing is lost
    /// then: the job comes by itself half a minute after it began to wait.
    pub(crate) async fn wake_one(&self, lot: &Lot) {
        let schedules = asset::schedules(&self.tenant);
        let filter = waiting_filter(&self.tenant, lot);
        let Ok(Some(waiting)) = read::next(&self.nats, &schedules, &filter, 1).await else { return };
        let Some(target) = waiting.headers.get("Nats-Schedule-Target").map(str::to_owned) else { return };
        let headers = due_copy(&waiting);
        let _it_comes_by_itself = publish::publish(&self.nats, &schedules, &target, headers, waiting.payload).await;
    }
}

/// The headers of a waiting job once it is due.
fn due_copy(waiting: &Stored) -> HeaderMap {
    let of_job = waiting.headers.iter().filter(|(name, _)| !OF_SCHEDULES.contains(name));
    let mut headers = wire::to_nats(&of_job.collect());
    headers.insert("Nats-Scheduler", waiting.subject.as_str());
    headers.insert("Nats-Schedule-Next", "purge");
    headers.insert("Nats-Expected-Last-Subject-Sequence", waiting.sequence.to_string());
    headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", waiting.subject.as_str());
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lovage_job::unit::UnixMs;

    #[test]
    fn due_copy_has_what_the_job_has_and_takes_its_schedule_away() {
        let headers = [
            ("Nats-Schedule", "@at 2030-01-01T00:00:00Z"),
            ("Nats-Schedule-Target", "lovage.t.due.job.default.echo.a"),
            ("Lovage-Round", "1"),
            ("Nats-Msg-Id", "a-1"),
        ];
        let waiting = Stored {
            subject: "lovage.t.sched.wait.schedule_night.a".to_owned(),
            sequence: 7,
            stored: UnixMs(0),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            payload: Bytes::new(),
        };
        let copy = due_copy(&waiting);
        let value = |name: &str| copy.get(name).map(|value| value.as_str().to_owned());
        assert_eq!(value("Lovage-Round").as_deref(), Some("1"));
        assert_eq!(value("Nats-Scheduler"), Some(waiting.subject.clone()));
        assert_eq!(value("Nats-Schedule-Next").as_deref(), Some("purge"));
        assert_eq!(value("Nats-Expected-Last-Subject-Sequence").as_deref(), Some("7"));
        assert_eq!(value("Nats-Expected-Last-Subject-Sequence-Subject"), Some(waiting.subject.clone()));
        for name in ["Nats-Schedule", "Nats-Schedule-Target", "Nats-Msg-Id"] {
            assert_eq!(value(name), None, "{name}");
        }
    }
}

//! Waiting for a result, and running a job as if it were a function.
//!
//! Workers tell the end of a job as an event after its result is stored. The wait subscribes to that first and reads
//! the result then, so an end in between is not lost. Events themselves may be lost (a reconnect, a cancel from a
//! user without the right to tell events); so the result is looked at again now and then, rarely enough to cost
//! nothing.

use crate::client::Client;
use crate::read::ReadError;
use crate::wire;
use async_nats::{Message, Subscriber};
use futures::StreamExt;
use futures::stream::SelectAll;
use lovage_job::name::JobId;
use lovage_job::result::JobResult;
use lovage_job::unit::format_span;
use std::time::Duration;
use tokio::time::Instant;

/// The first look without an event; the span doubles each time.
const LOOK_MIN: Duration = Duration::from_millis(500);
/// Between later looks.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// The looks after an event, while the replica that answers has not heard of the result yet.
const CATCH_UP: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(5), Duration::from_millis(25), Duration::from_millis(100)];

/// Why a wait ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The time is up.
    #[error(
        "job {id} has no result after {}; it goes on: look again later, and check that a worker serves its queue",
        format_span(*waited)
    )]
    TimedOut {
        /// The job.
        id: JobId,
        /// How long the wait was.
        waited: Duration,
    },
    /// The connection is closed.
    #[error("the connection was closed while waiting for job {id}; connect again and wait again")]
    Closed {
        /// The job.
        id: JobId,
    },
    /// The result cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Who waits for the end of one job: its wake-ups are set up before the job can end.
pub(crate) struct Waiter {
    wakes: SelectAll<Subscriber>,
}

impl Client {
    /// Waits for the result of a job, for `timeout` or for ever. A job that was never submitted cannot be told from
    /// one that has not ended.
    pub async fn wait(&self, id: &JobId, timeout: Option<Duration>) -> Result<JobResult, WaitError> {
        let waiter = self.waiter(id, None).await?;
        self.wait_with(waiter, id, timeout).await
    }

    /// Subscribes to the end of a job, and to its reply where one was asked for.
    pub(crate) async fn waiter(&self, id: &JobId, reply: Option<&str>) -> Result<Waiter, WaitError> {
        let ended = format!("lovage.{}.event.*.{id}.finished", self.tenant);
        let closed = |_| WaitError::Closed { id: id.clone() };
        let events = self.nats.subscribe(ended).await.map_err(closed)?;
        let mut wakes = SelectAll::new();
        wakes.push(events);
        if let Some(inbox) = reply {
            wakes.push(self.nats.subscribe(inbox.to_owned()).await.map_err(closed)?);
        }
        Ok(Waiter { wakes })
    }

    /// Waits for the result of a job with wake-ups that are set up already.
    pub(crate) async fn wait_with(
        &self,
        mut waiter: Waiter,
        id: &JobId,
        timeout: Option<Duration>,
    ) -> Result<JobResult, WaitError> {
        let waiting = self.look_and_wait(&mut waiter, id);
        match timeout {
            None => waiting.await,
            Some(timeout) => tokio::time::timeout(timeout, waiting)
                .await
                .unwrap_or_else(|_| Err(WaitError::TimedOut { id: id.clone(), waited: timeout })),
        }
    }

    async fn look_and_wait(&self, waiter: &mut Waiter, id: &JobId) -> Result<JobResult, WaitError> {
        match self.result(id).await {
            Ok(Some(result)) => return Ok(result),
            Ok(None) | Err(ReadError::Silent { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let mut span = LOOK_MIN;
        let mut look_again = Instant::now() + span;
        loop {
            let found = tokio::select! {
                wake = waiter.wakes.next() => match wake {
                    Some(message) => self.woken(id, &message).await?,
                    None => return Err(WaitError::Closed { id: id.clone() }),
                },
                () = tokio::time::sleep_until(look_again) => {
                    span = (span * 2).min(LOOK_MAX);
                    look_again = Instant::now() + span;
                    self.look(id).await?
                }
            };
            if let Some(result) = found {
                return Ok(result);
            }
        }
    }

    /// The result that a wake-up tells of. A reply is the result itself; an event says that it can be read.
    async fn woken(&self, id: &JobId, message: &Message) -> Result<Option<JobResult>, WaitError> {
        let headers = message.headers.as_ref().map(wire::from_nats).unwrap_or_default();
        match JobResult::from_message(&headers, message.payload.to_vec()) {
            Ok(result) if result.record.id == *id => return Ok(Some(self.whole(result).await?)),
            Ok(_) | Err(_) => {}
        }
        for pause in CATCH_UP {
            tokio::time::sleep(pause).await;
            if let Some(result) = self.look(id).await? {
                return Ok(Some(result));
            }
        }
        Ok(None)
    }

    /// Reads the result again. While the broker says nothing or knows of no results, the wait goes on: it may be
    /// starting or electing a leader.
    async fn look(&self, id: &JobId) -> Result<Option<JobResult>, WaitError> {
        match self.result(id).await {
            Ok(result) => Ok(result),
            Err(ReadError::Silent { .. } | ReadError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

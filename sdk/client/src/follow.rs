//! Doing what follows the end of a job. Workers and clients write ends alike, so both follow them up from here.
//!
//! The end is stored first; then this is done; only then is the job's message acknowledged. Who stops in between leaves
//! a message that comes again and finds the end, and this is done once more: every follow-up has an id made from what
//! it follows, so a second submission finds the first.

use crate::client::{Client, now};
use crate::list::Place;
use crate::prepare::Prepared;
use crate::read::ReadError;
use crate::submit::SubmitError;
use lovage_job::flow::{FlowError, Led, MemberEnd, Next, after};
use lovage_job::name::GroupId;
use lovage_job::result::JobResult;
use std::time::Duration;

/// How long a follow-up waits for room in full queues before it is due.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// What follows a job is not done yet; a repeat is useful and harmless.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A follow-up was not submitted.
    #[error("a follow-up was not submitted: {0}")]
    Submit(#[from] SubmitError),
    /// Something that it needs cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record cannot be written.
    #[error("the record of group {group} was not written: {reason}")]
    Group {
        /// The group.
        group: GroupId,
        /// What happened.
        reason: String,
    },
    /// A group makes no sense.
    #[error(transparent)]
    Flow(#[from] FlowError),
}

/// The end of a member, for its group; nothing where the job is in none.
pub fn member_end(led: &Led, result: &JobResult) -> Option<(GroupId, MemberEnd)> {
    let place = led.flow.group.as_ref()?;
    let message = result.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    Some((place.group.clone(), MemberEnd { index: place.index, outcome: result.record.outcome, message }))
}

impl Client {
    /// Submits the callbacks of a job that has ended with `result`, output included, and the next job of its chain.
    /// `dead` says that the job became a dead letter; `again` that this may have been done before. Safe to repeat.
    pub async fn follow_up(&self, led: &Led, result: &JobResult, dead: bool, again: bool) -> Result<(), FollowError> {
        for next in after(&self.tenant, led, result, dead) {
            self.submit_next(next, again).await?;
        }
        Ok(())
    }

    /// Submits a follow-up under its id. Where it may be there already it is looked for first: its message may have
    /// been worked off, and the broker remembers ids for two minutes only.
    pub(crate) async fn submit_next(&self, next: Next, again: bool) -> Result<Place, SubmitError> {
        let Some(id) = next.subject.id.clone() else { return Ok(Place::Queued) };
        let job = Prepared {
            unique: None,
            id,
            chosen: true,
            subject: next.subject,
            headers: next.headers,
            payload: next.payload.into(),
            version: None,
            due: None,
            unchecked: true,
        };
        if again && let Some(place) = self.known(&job).await {
            return Ok(place);
        }
        match self.send_or_claim(job.clone()).await {
            // the job that is followed keeps its own place until this one has one: without room elsewhere, a stream
            // full of such jobs would never move again
            Err(SubmitError::QueueFull { .. }) => {
                let later = Prepared { due: Some(now().after(ROOM_WAIT)), ..job };
                Ok(self.send_or_claim(later).await?.place)
            }
            submitted => Ok(submitted?.place),
        }
    }
}

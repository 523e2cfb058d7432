//! The record of a group: every change is a compare-and-set, and what it leaves to do is done and noted after it.

use crate::client::{Client, now};
use crate::follow::FollowError;
use crate::publish::{self, PublishFault};
use crate::read::{self, READ_TIMEOUT, ReadError};
use crate::result::{results_stream, stored_of};
use crate::wire;
use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use lovage_job::flow::{
    GROUP_KEPT, Gathered, GroupRecord, GroupState, MemberEnd, Target, Todo, completion, completion_lead,
};
use lovage_job::name::{GroupId, JobId};
use lovage_job::outcome::{JobError, Meter, OutcomeKind};
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::subject::{Lane, asset};
use lovage_job::trail::Trail;
use std::time::Duration;

/// The pause before a record that someone else changed meanwhile is read again; a random part keeps workers apart.
const CONFLICT_PAUSE_MS: u64 = 20;
/// How often a record that is not there is looked for: a replica may not have heard of it yet, and who takes it for
/// forgotten drops the end of a member.
const LOOKS: u32 = 5;
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Results that are read at once.
const READ_AT_ONCE: usize = 16;
/// Members that are cancelled at once.
const CANCEL_AT_ONCE: usize = 8;
/// Who ends a completion job that is not run, where a worker would say its name.
const WRITER: &str = "group";

/// Whether a conditional write found what it expected.
pub(crate) enum Written {
    Yes,
    Conflict,
}

fn stream_of(client: &Client) -> String {
    format!("KV_{}", asset::state(&client.tenant))
}

impl Client {
    /// Notes the ends of members, and does what is left to do when the last one has ended. Safe to repeat.
    pub async fn group_ends(&self, id: &GroupId, ends: &[MemberEnd]) -> Result<(), FollowError> {
        let apply = |record: &mut GroupRecord| {
            let at = now();
            let mut changed = false;
            for end in ends {
                changed |= record.apply(end, at);
            }
            changed
        };
        self.change_group(id, apply).await
    }

    /// Changes a record, again where someone else was faster, and does what it leaves to do until nothing is left. What
    /// was done is noted after it is done: who stops in between does it once more, to no effect.
    pub(crate) async fn change_group(
        &self,
        id: &GroupId,
        mut change: impl FnMut(&mut GroupRecord) -> bool,
    ) -> Result<(), FollowError> {
        loop {
            let Some((mut record, revision)) = self.group_for_sure(id).await? else { return Ok(()) };
            if change(&mut record) {
                if let Written::Conflict = self.write_group(&record, revision).await? {
                    pause().await;
                    continue;
                }
                // read again for the new revision
                continue;
            }
            let todo = record.todo();
            match todo {
                Todo::Nothing => return Ok(()),
                Todo::CancelRest => self.mark_open(&record).await?,
                Todo::Complete => self.complete(&record).await?,
                Todo::Fail => self.fail(&record).await?,
            }
            let mut noted = record.clone();
            noted.done(todo, now());
            match self.write_group(&noted, revision).await? {
                Written::Conflict => pause().await,
                Written::Yes if todo == Todo::CancelRest => self.take_out_open(&noted).await,
                Written::Yes => {}
            }
        }
    }

    pub(crate) async fn group_with_revision(&self, id: &GroupId) -> Result<Option<(GroupRecord, u64)>, ReadError> {
        let subject = asset::group_subject(&self.tenant, id);
        let stored = read::last(&self.nats, &stream_of(self), &subject, READ_TIMEOUT).await?;
        let Some(stored) = stored.filter(|stored| !stored.is_tombstone()) else { return Ok(None) };
        let damaged =
            |error: serde_json::Error| ReadError::Damaged { what: stored.subject.clone(), reason: error.to_string() };
        Ok(Some((serde_json::from_slice(&stored.payload).map_err(damaged)?, stored.sequence)))
    }

    async fn group_for_sure(&self, id: &GroupId) -> Result<Option<(GroupRecord, u64)>, ReadError> {
        for _ in 0..LOOKS {
            if let Some(found) = self.group_with_revision(id).await? {
                return Ok(Some(found));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Ok(None)
    }

    pub(crate) async fn create_group(&self, record: &GroupRecord) -> Result<Written, FollowError> {
        self.write_group(record, 0).await
    }

    async fn write_group(&self, record: &GroupRecord, revision: u64) -> Result<Written, FollowError> {
        let failed = |reason: String| FollowError::Group { group: record.id.clone(), reason };
        let body = serde_json::to_vec(record).map_err(|error| failed(error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
        headers.insert(NATS_MESSAGE_TTL, kept());
        let (stream, subject) = (stream_of(self), asset::group_subject(&self.tenant, &record.id));
        match publish::publish(&self.nats, &stream, &subject, headers, body.into()).await {
            Ok(_) => Ok(Written::Yes),
            Err(PublishFault::WrongSequence) => Ok(Written::Conflict),
            Err(fault) => Err(failed(fault.to_string())),
        }
    }

    /// Marks the members that have not ended as cancelled, which every worker sees.
    async fn mark_open(&self, record: &GroupRecord) -> Result<(), FollowError> {
        let reason = &reason_of(record);
        let failed =
            |error: crate::CancelError| FollowError::Group { group: record.id.clone(), reason: error.to_string() };
        let mark = |index: u32| async move {
            self.mark_cancelled(&record.id.member(index), reason, std::time::Duration::ZERO).await
        };
        let marks = stream::iter(record.open()).map(mark).buffer_unordered(READ_AT_ONCE);
        marks.try_for_each(|()| async { Ok(()) }).await.map_err(failed)
    }

    /// Ends the members that wait now. One that cannot be ended here is ended by the worker that gets it.
    fn take_out_open<'a>(&'a self, record: &'a GroupRecord) -> BoxFuture<'a, ()> {
        let reason = reason_of(record);
        Box::pin(async move {
            let reason = reason.as_str();
            let cancel = |index: u32| async move {
                let _the_mark_holds = self.cancel(&record.id.member(index), reason).await;
            };
            stream::iter(record.open()).for_each_concurrent(CANCEL_AT_ONCE, cancel).await;
        })
    }

    /// Submits the completion job with what the members gave.
    async fn complete(&self, record: &GroupRecord) -> Result<(), FollowError> {
        let read = |index: u32| async move { stored_of(self, &record.id.member(index)).await };
        let mut results = std::pin::pin!(stream::iter(0..record.size).map(read).buffered(READ_AT_ONCE));
        let mut gathered = Gathered::default();
        while let Some(result) = results.next().await {
            gathered.add(record, result?);
        }
        self.submit_next(completion(&self.tenant, record, gathered.into_json(record)), true).await?;
        Ok(())
    }

    /// Writes the end of the completion job, which is not run, so that whoever waits for it hears; then its callback.
    async fn fail(&self, record: &GroupRecord) -> Result<(), FollowError> {
        let result = end_of(record);
        let mut headers = wire::to_nats(&result.to_headers());
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        headers.insert(NATS_MESSAGE_TTL, kept());
        let subject = asset::result_subject(&self.tenant, &result.record.id);
        match publish::publish(&self.nats, &results_stream(self), &subject, headers, Bytes::new()).await {
            Ok(_) | Err(PublishFault::WrongSequence) => {}
            Err(fault) => return Err(FollowError::Group { group: record.id.clone(), reason: fault.to_string() }),
        }
        match completion_lead(record) {
            Some(led) => self.follow_up(&led, &result, false, true).await,
            None => Ok(()),
        }
    }
}

fn kept() -> String {
    format!("{}s", GROUP_KEPT.as_secs())
}

fn reason_of(record: &GroupRecord) -> String {
    match record.state {
        GroupState::Cancelled => record.failure_text(),
        GroupState::Running | GroupState::Completed | GroupState::Failed => {
            format!("another member of group {} failed", record.id)
        }
    }
}

async fn pause() {
    // the random digits of an id are random enough to keep workers apart
    let spread = crate::submit::fresh_id().bucket(u32::try_from(CONFLICT_PAUSE_MS).unwrap_or(1));
    tokio::time::sleep(Duration::from_millis(1 + u64::from(spread))).await;
}

/// The end of a completion job that is not run.
fn end_of(group: &GroupRecord) -> JobResult {
    let outcome = match group.state {
        GroupState::Cancelled => OutcomeKind::Cancelled,
        GroupState::Running | GroupState::Completed | GroupState::Failed => OutcomeKind::Failed,
    };
    let (task, queue, lane) = match &group.completion {
        Target::Job(spec) => (Some(spec.task.clone()), spec.queue.clone(), spec.lane),
        Target::Webhook(_) => (None, None, None),
    };
    let id: JobId = group.id.completion();
    let record = ResultRecord {
        id,
        task,
        queue,
        lane: Some(lane.unwrap_or(Lane::Normal)),
        outcome,
        digest: None,
        version: None,
        attempt: 0,
        published: group.created,
        started: group.changed,
        finished: group.changed,
        meter: Meter::default(),
        worker: WRITER.to_owned(),
        tags: Vec::new(),
        payload: None,
        trace_id: None,
    };
    let mut error = JobError::new(outcome, group.failure_text());
    error.details = serde_json::to_value(&group.failures).ok().filter(|_| !group.failures.is_empty());
    JobResult { record, error: Some(error), trail: Trail::default(), content_type: None, body: Vec::new() }
}

//! Groups: many jobs side by side, and one that runs when all of them have ended.

use crate::client::{Client, now};
use crate::follow::FollowError;
use crate::group_record::Written;
use crate::new_job::NewJob;
use crate::prepare::InvalidJob;
use crate::read::ReadError;
use crate::submit::{SubmitError, fresh_id};
use futures::{StreamExt, TryStreamExt, stream};
use lovage_job::flow::{FlowError, GroupPlace, GroupRecord, GroupState, OnMemberFailure, Target};
use lovage_job::name::{GroupId, JobId};

/// Members that are submitted at once.
const WINDOW: usize = 256;

/// Jobs that run side by side, and what runs when all of them have ended.
#[derive(Debug, Clone)]
pub struct NewGroup {
    /// The members, in the order of their results; 1 to 10,000.
    pub members: Vec<NewJob>,
    /// What runs when all have ended: a job, whose input is what the members gave, or a webhook.
    pub completion: Target,
    /// What a failed member means.
    pub policy: OnMemberFailure,
    /// The group's id, where the caller chooses one; a group of the same id is submitted once, and a submission that
    /// stopped half-way is taken up again.
    pub id: Option<GroupId>,
    /// The job that submits this group, and how many jobs led to the members: for what submits groups for a job.
    pub parent: Option<(JobId, u32)>,
}

impl NewGroup {
    /// A group that fails when one of its members does.
    pub fn new(members: Vec<NewJob>, completion: Target) -> Self {
        Self { members, completion, policy: OnMemberFailure::default(), id: None, parent: None }
    }

    /// Treats failed members so.
    #[must_use]
    pub fn policy(mut self, policy: OnMemberFailure) -> Self {
        self.policy = policy;
        self
    }

    /// Has this id.
    #[must_use]
    pub fn id(mut self, id: GroupId) -> Self {
        self.id = Some(id);
        self
    }

    /// Comes from this job, and its members lie so deep below the first of them.
    #[must_use]
    pub fn parent(mut self, parent: JobId, depth: u32) -> Self {
        self.parent = Some((parent, depth));
        self
    }
}

/// A group that the broker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmittedGroup {
    /// Its id.
    pub id: GroupId,
    /// Whether it was there before this submission.
    pub existing: bool,
    /// The job that runs when it is complete; its result tells the end of the group.
    pub completion: JobId,
    /// The members, in their order.
    pub members: Vec<JobId>,
}

/// Why a group was not submitted or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// It has no member, too many, or something that follows them and makes no sense.
    #[error(transparent)]
    Invalid(#[from] FlowError),
    /// A member was not submitted. Submit the group again with the same id: it is taken up where it stopped.
    #[error("member {index} of group {group}: {error}")]
    Member {
        /// The group.
        group: GroupId,
        /// The member's place, from 0.
        index: usize,
        /// Why.
        error: SubmitError,
    },
    /// There is another group of this id.
    #[error("group {0} is there already with other members, policy or completion; choose another id")]
    Another(GroupId),
    /// There is no such group.
    #[error("there is no group {0}; it may have been forgotten")]
    Unknown(GroupId),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written, or what follows was not done.
    #[error(transparent)]
    Follow(#[from] FollowError),
}

impl Client {
    /// Submits a group and returns once the broker holds all of it.
    ///
    /// Every member is checked before anything is written. The record comes first, then the members, whose ids are made
    /// from the group's: a submitter that stops half-way repeats the whole under the same id.
    pub async fn submit_group(&self, group: NewGroup) -> Result<SubmittedGroup, GroupError> {
        let id = group.id.clone().map_or_else(fresh_group, Ok)?;
        let mut record =
            GroupRecord::new(id.clone(), group.members.len(), group.policy, group.completion.clone(), now())?;
        if let Some((parent, depth)) = group.parent.clone() {
            (record.parent, record.depth) = (Some(parent), depth);
        }
        let members = self.checked(&id, group.members, group.parent).await?;
        let existing = match self.create_group(&record).await? {
            Written::Yes => None,
            Written::Conflict => self.group(&id).await?,
        };
        if existing.as_ref().is_some_and(|existing| !existing.is_again(&record)) {
            return Err(GroupError::Another(id));
        }
        let known = existing.as_ref();
        let over = known.is_some_and(|known| known.state != GroupState::Running);
        let left = members.into_iter().enumerate().filter(|(index, _)| {
            let ended = |known: &GroupRecord| u32::try_from(*index).is_ok_and(|index| known.has_ended(index));
            !over && !known.is_some_and(ended)
        });
        let group = &id;
        let submit = |(index, job): (usize, NewJob)| async move {
            let submitted = self.submit(job).await;
            submitted.map_err(|error| GroupError::Member { group: group.clone(), index, error })
        };
        stream::iter(left).map(submit).buffer_unordered(WINDOW).try_for_each(|_| async { Ok(()) }).await?;
        let members = (0..record.size).map(|index| id.member(index)).collect();
        Ok(SubmittedGroup { completion: id.completion(), existing: existing.is_some(), members, id })
    }

    /// The members as they are submitted: under their own ids, checked against the catalogue already.
    async fn checked(
        &self,
        group: &GroupId,
        members: Vec<NewJob>,
        parent: Option<(JobId, u32)>,
    ) -> Result<Vec<NewJob>, GroupError> {
        let mut checked = Vec::with_capacity(members.len());
        for (index, mut job) in members.into_iter().enumerate() {
            let failed = |error: SubmitError| GroupError::Member { group: group.clone(), index, error };
            if job.id.is_some() || job.unique.is_some() {
                return Err(failed(InvalidJob::OfGroup.into()));
            }
            let place = GroupPlace { group: group.clone(), index: u32::try_from(index).unwrap_or(u32::MAX) };
            job.id = Some(place.member());
            job.group = Some(place);
            job.parent = parent.clone().or(job.parent);
            let prepared = job.clone().prepare(&self.tenant, now(), fresh_id).map_err(|error| failed(error.into()))?;
            if !job.unchecked {
                self.check_input(&prepared).await.map_err(|fault| failed(fault.into()))?;
            }
            checked.push(job.unchecked());
        }
        Ok(checked)
    }

    /// A group's record; nothing where there is none, or it is forgotten.
    pub async fn group(&self, id: &GroupId) -> Result<Option<GroupRecord>, ReadError> {
        Ok(self.group_with_revision(id).await?.map(|(record, _)| record))
    }

    /// Cancels a group: its completion job is not run, and members that have not ended are cancelled. Returns the group
    /// as it is then; one that had ended stays as it was. Safe to repeat.
    pub async fn cancel_group(&self, id: &GroupId) -> Result<GroupRecord, GroupError> {
        self.change_group(id, |record| record.cancel(now())).await?;
        self.group(id).await?.ok_or_else(|| GroupError::Unknown(id.clone()))
    }
}

fn fresh_group() -> Result<GroupId, FlowError> {
    fresh_id().as_str().parse().map_err(|error: lovage_job::name::NameError| FlowError(error.to_string()))
}

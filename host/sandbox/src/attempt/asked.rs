//! What a guest asks of its worker: the bounds that hold for any worker, and the way to its services.
//!
//! Each call is async, so the deadline and a cancel stop a guest that waits here like one that sleeps.

use crate::attempt::cell::Cell;
use crate::attempt::services::{ChildGroup, ChildId, ChildJob, GroupHeld, Refusal};
use crate::bindings::{checkpoint, jobs};
use lovage_job::child::{ChildLimit, FANOUT_CEILING, check_key};
use lovage_job::flow::{CHAIN_MAX, GROUP_SIZE_MAX, HEADER_BYTES_MAX, OnMemberFailure};
use lovage_job::ledger::{CALLS_MAX, CheckpointLimit, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use lovage_job::subject::Lane;

/// The longest name of a task, queue, tag or version that is passed on, in bytes; none that is valid is longer.
const NAME_BYTES_MAX: usize = 512;
/// Tags that are passed on; none that are valid are more.
const TAGS_MAX: usize = 64;
/// What is said where nobody offers anything, such as while the component describes itself.
const NOBODY: &str = "nobody offers this here: only a job on a worker has it";

/// How often an attempt has asked.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    submits: u32,
    checkpoints: u32,
}

impl jobs::Host for Cell {
    async fn submit(&mut self, job: jobs::NewJob) -> wasmtime::Result<Result<jobs::Submitted, jobs::SubmitError>> {
        let Some(services) = self.services.clone() else { return Ok(Err(submit_error(nobody()))) };
        let job = self.asked.child(job).and_then(|job| self.clean_child(&job).map(|()| job));
        let job = match job {
            Ok(job) => job,
            Err(refusal) => return Ok(Err(submit_error(refusal))),
        };
        let submitted = services.submit(job).await;
        Ok(submitted.map(|ChildId { id, existing }| jobs::Submitted { id, existing }).map_err(submit_error))
    }

    async fn submit_group(
        &mut self,
        members: Vec<jobs::NewJob>,
        completion: jobs::NewJob,
        policy: jobs::OnMemberFailure,
        key: Option<String>,
    ) -> wasmtime::Result<Result<jobs::GroupInfo, jobs::SubmitError>> {
        let Some(services) = self.services.clone() else { return Ok(Err(submit_error(nobody()))) };
        let group = self.asked.group(members, completion, policy, key);
        let clean = |group: ChildGroup| {
            group.members.iter().chain([&group.completion]).try_for_each(|job| self.clean_child(job))?;
            Ok(group)
        };
        let group = match group.and_then(clean) {
            Ok(group) => group,
            Err(refusal) => return Ok(Err(submit_error(refusal))),
        };
        Ok(services.submit_group(group).await.map(group_info).map_err(submit_error))
    }
}

impl checkpoint::Host for Cell {
    async fn save(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), checkpoint::CheckpointError>> {
        let Some(services) = self.services.clone() else { return Ok(Err(checkpoint_error(nobody()))) };
        if let Err(limit) = self.asked.checkpoint(&key, value.len()) {
            return Ok(Err(checkpoint_error(Refusal::Limit(limit.to_string()))));
        }
        if let Err(refusal) = self.capable.check_stored(&value) {
            return Ok(Err(checkpoint_error(refusal)));
        }
        Ok(services.save(key, value).await.map_err(checkpoint_error))
    }

    async fn load(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, checkpoint::CheckpointError>> {
        let Some(services) = self.services.clone() else { return Ok(Err(checkpoint_error(nobody()))) };
        if let Err(limit) = self.asked.checkpoint(&key, 0) {
            return Ok(Err(checkpoint_error(Refusal::Limit(limit.to_string()))));
        }
        Ok(services.load(key).await.map_err(checkpoint_error))
    }
}

impl Cell {
    /// Refuses a job that carries a secret: its input lies on the broker, and in a dead letter should it fail.
    fn clean_child(&self, job: &ChildJob) -> Result<(), Refusal> {
        let names = [&job.key, &job.limit_key, &job.on_success, &job.on_failure, &job.on_dead, &job.content_type];
        let texts = names.into_iter().flatten().chain(&job.tags).chain(&job.then).map(String::as_bytes);
        texts.chain([job.input.as_slice()]).try_for_each(|bytes| self.capable.check_stored(bytes))
    }
}

impl Asked {
    /// The child that a guest asks for.
    fn child(&mut self, job: jobs::NewJob) -> Result<ChildJob, Refusal> {
        self.count(1)?;
        child(job)
    }

    /// The group that a guest asks for. A member's refusal names its place.
    fn group(
        &mut self,
        members: Vec<jobs::NewJob>,
        completion: jobs::NewJob,
        policy: jobs::OnMemberFailure,
        key: Option<String>,
    ) -> Result<ChildGroup, Refusal> {
        let size = members.len();
        let counted = u32::try_from(size).ok().filter(|size| (1..=GROUP_SIZE_MAX).contains(size));
        self.count(counted.ok_or_else(|| limit(ChildLimit::GroupSize { size }))?)?;
        key.as_deref().map_or(Ok(()), check_key).map_err(limit)?;
        let member = |(index, job)| child(job).map_err(|refusal| at(index, refusal));
        Ok(ChildGroup {
            members: members.into_iter().enumerate().map(member).collect::<Result<_, _>>()?,
            completion: child(completion)?,
            policy: policy_of(policy),
            key,
        })
    }

    /// The worker's own limit is lower; this one holds where it has none, as a bound on what a guest makes us do.
    fn count(&mut self, children: u32) -> Result<(), Refusal> {
        let submits = self.submits.saturating_add(children);
        if submits > FANOUT_CEILING {
            return Err(limit(ChildLimit::Attempt { most: FANOUT_CEILING }));
        }
        self.submits = submits;
        Ok(())
    }

    fn checkpoint(&mut self, key: &str, bytes: usize) -> Result<(), CheckpointLimit> {
        if self.checkpoints >= CALLS_MAX {
            return Err(CheckpointLimit::Calls);
        }
        self.checkpoints += 1;
        check_checkpoint(key, bytes)
    }
}

/// The job that a guest asks for, with nothing in it that is larger than it can be.
fn child(job: jobs::NewJob) -> Result<ChildJob, Refusal> {
    let job = ChildJob {
        task: job.task,
        input: job.input,
        content_type: job.content_type,
        queue: job.queue,
        lane: job.lane.map(lane),
        key: job.key,
        delay_ms: job.delay_ms,
        retries: job.retries,
        timeout_ms: job.timeout_ms,
        tags: job.tags,
        limit_key: job.limit_key,
        version: job.version,
        on_success: job.on_success,
        on_failure: job.on_failure,
        on_dead: job.on_dead,
        then: job.then,
    };
    check_child(&job).map(|()| job)
}

/// Refuses a job with anything in it that is larger than it can be.
pub(crate) fn check_child(job: &ChildJob) -> Result<(), Refusal> {
    if let Some(key) = &job.key {
        check_key(key).map_err(limit)?;
    }
    let named = [Some(&job.task), job.queue.as_ref(), job.content_type.as_ref(), job.limit_key.as_ref()];
    let texts = named.into_iter().flatten().chain(job.version.as_ref()).chain(&job.tags);
    if let Some(long) = texts.map(String::len).find(|bytes| *bytes > NAME_BYTES_MAX) {
        return Err(Refusal::Invalid(format!("a name, tag or key of {long} bytes is longer than any may be")));
    }
    if job.tags.len() > TAGS_MAX {
        return Err(Refusal::Invalid(format!("{} tags are more than any job may have", job.tags.len())));
    }
    let follow = [&job.on_success, &job.on_failure, &job.on_dead].into_iter().flatten().chain(&job.then);
    if let Some(long) = follow.map(String::len).find(|bytes| *bytes > HEADER_BYTES_MAX) {
        return Err(Refusal::Invalid(format!("{long} bytes of follow-ups are more than {HEADER_BYTES_MAX}")));
    }
    if job.then.len() > CHAIN_MAX {
        return Err(Refusal::Invalid(format!("a chain of {} more jobs is longer than {CHAIN_MAX}", job.then.len())));
    }
    Ok(())
}

/// Refuses a group of another size than there can be, or with a job that cannot be.
pub(crate) fn check_group(group: &ChildGroup) -> Result<(), Refusal> {
    let size = group.members.len();
    let fits = u32::try_from(size).is_ok_and(|size| (1..=GROUP_SIZE_MAX).contains(&size));
    fits.then_some(()).ok_or_else(|| limit(ChildLimit::GroupSize { size }))?;
    group.key.as_deref().map_or(Ok(()), check_key).map_err(limit)?;
    let member = |(index, job)| check_child(job).map_err(|refusal| at(index, refusal));
    group.members.iter().enumerate().try_for_each(member)?;
    check_child(&group.completion)
}

/// Refuses a key or a value that is longer than it can be.
pub(crate) fn check_checkpoint(key: &str, bytes: usize) -> Result<(), CheckpointLimit> {
    match key.len() {
        1..=KEY_BYTES_MAX if bytes <= VALUE_BYTES_MAX => Ok(()),
        1..=KEY_BYTES_MAX => Err(CheckpointLimit::Value { bytes }),
        bytes => Err(CheckpointLimit::Key { bytes }),
    }
}

fn limit(limit: ChildLimit) -> Refusal {
    Refusal::Limit(limit.to_string())
}

/// A refusal of one member of a group.
fn at(index: usize, refusal: Refusal) -> Refusal {
    let named = |text: String| format!("member {index}: {text}");
    match refusal {
        Refusal::Invalid(text) => Refusal::Invalid(named(text)),
        Refusal::Limit(text) => Refusal::Limit(named(text)),
        Refusal::Denied(text) => Refusal::Denied(named(text)),
        Refusal::Unavailable(text) => Refusal::Unavailable(named(text)),
    }
}

fn policy_of(policy: jobs::OnMemberFailure) -> OnMemberFailure {
    match policy {
        jobs::OnMemberFailure::Fail => OnMemberFailure::Fail,
        jobs::OnMemberFailure::Cancel => OnMemberFailure::Cancel,
        jobs::OnMemberFailure::Continue => OnMemberFailure::Continue,
    }
}

fn group_info(GroupHeld { id, size, existing }: GroupHeld) -> jobs::GroupInfo {
    jobs::GroupInfo {
        completion: id.completion().to_string(),
        members: (0..size).map(|index| id.member(index).to_string()).collect(),
        id: id.to_string(),
        existing,
    }
}

fn lane(lane: jobs::Lane) -> Lane {
    match lane {
        jobs::Lane::High => Lane::High,
        jobs::Lane::Normal => Lane::Normal,
        jobs::Lane::Low => Lane::Low,
    }
}

fn nobody() -> Refusal {
    Refusal::Unavailable(NOBODY.to_owned())
}

fn submit_error(refusal: Refusal) -> jobs::SubmitError {
    match refusal {
        Refusal::Invalid(text) => jobs::SubmitError::Invalid(text),
        Refusal::Limit(text) => jobs::SubmitError::Limit(text),
        Refusal::Denied(text) => jobs::SubmitError::Denied(text),
        Refusal::Unavailable(text) => jobs::SubmitError::Unavailable(text),
    }
}

fn checkpoint_error(refusal: Refusal) -> checkpoint::CheckpointError {
    match refusal {
        Refusal::Limit(text) | Refusal::Invalid(text) | Refusal::Denied(text) => {
            checkpoint::CheckpointError::Limit(text)
        }
        Refusal::Unavailable(text) => checkpoint::CheckpointError::Unavailable(text),
    }
}

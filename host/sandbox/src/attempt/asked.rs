//! What a guest asks of its worker: the bounds that hold for any worker, and the way to its services.
//!
//! Each call is async, so the deadline and a cancel stop a guest that waits here like one that sleeps.

use crate::attempt::cell::Cell;
use crate::attempt::services::{ChildId, ChildJob, Refusal};
use crate::bindings::{checkpoint, jobs};
use lovage_job::child::{ChildLimit, FANOUT_CEILING, check_key};
use lovage_job::ledger::{CALLS_MAX, CheckpointLimit, KEY_BYTES_MAX, VALUE_BYTES_MAX};

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
        let job = match self.asked.child(job) {
            Ok(job) => job,
            Err(refusal) => return Ok(Err(submit_error(refusal))),
        };
        let submitted = services.submit(job).await;
        Ok(submitted.map(|ChildId { id, existing }| jobs::Submitted { id, existing }).map_err(submit_error))
    }
}

impl checkpoint::Host for Cell {
    async fn save(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), checkpoint::CheckpointError>> {
        let Some(services) = self.services.clone() else { return Ok(Err(checkpoint_error(nobody()))) };
        if let Err(limit) = self.asked.checkpoint(&key, value.len()) {
            return Ok(Err(checkpoint_error(Refusal::Limit(limit.to_string()))));
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

impl Asked {
    /// The job that a guest asks for, with nothing in it that is larger than it can be.
    fn child(&mut self, job: jobs::NewJob) -> Result<ChildJob, Refusal> {
        // The worker's own limit is lower; this one holds where it has none, as a bound on what a guest makes us do.
        if self.submits >= FANOUT_CEILING {
            return Err(Refusal::Limit(ChildLimit::Attempt { most: FANOUT_CEILING }.to_string()));
        }
        self.submits += 1;
        if let Some(key) = &job.key {
            check_key(key).map_err(|limit| Refusal::Limit(limit.to_string()))?;
        }
        let named = [Some(&job.task), job.queue.as_ref(), job.content_type.as_ref(), job.limit_key.as_ref()];
        let texts = named.into_iter().flatten().chain(job.version.as_ref()).chain(&job.tags);
        if let Some(long) = texts.map(String::len).find(|bytes| *bytes > NAME_BYTES_MAX) {
            return Err(Refusal::Invalid(format!("a name, tag or key of {long} bytes is longer than any may be")));
        }
        if job.tags.len() > TAGS_MAX {
            return Err(Refusal::Invalid(format!("{} tags are more than any job may have", job.tags.len())));
        }
        Ok(ChildJob {
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
        })
    }

    fn checkpoint(&mut self, key: &str, bytes: usize) -> Result<(), CheckpointLimit> {
        if self.checkpoints >= CALLS_MAX {
            return Err(CheckpointLimit::Calls);
        }
        self.checkpoints += 1;
        match key.len() {
            1..=KEY_BYTES_MAX if bytes <= VALUE_BYTES_MAX => Ok(()),
            1..=KEY_BYTES_MAX => Err(CheckpointLimit::Value { bytes }),
            bytes => Err(CheckpointLimit::Key { bytes }),
        }
    }
}

fn lane(lane: jobs::Lane) -> &'static str {
    match lane {
        jobs::Lane::High => "high",
        jobs::Lane::Normal => "normal",
        jobs::Lane::Low => "low",
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

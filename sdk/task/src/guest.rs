//! The seam to WebAssembly: generated bindings, and the conversion between their types and this crate's.
//!
//! Compiled for wasm only. The bindings lift and lower values through raw memory, so `unsafe_code` is allowed
//! here and nowhere else; no line written by hand uses it. Exporting from this library is enough: the symbols
//! end up in the component of the crate that depends on it.

mod storage;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::payload::{Form, Reply};
use crate::registered::{Task, tasks};
use crate::{ErrorKind, Job, TaskError, dispatch};

#[allow(unsafe_code, unreachable_pub, missing_debug_implementations, clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ world: "capable-task", path: "wit", generate_all });

    export!(Component with_types_in self);

    pub(super) struct Component;
}

use bindings::exports::lovage::task::handler::Guest;
use bindings::lovage::task::types as wire;
pub(crate) use storage::{blobs, config, kv, secrets};

impl Guest for bindings::Component {
    fn describe() -> Vec<wire::Description> {
        tasks().into_iter().map(description).collect()
    }

    fn handle(job: wire::Job, input: Vec<u8>) -> Result<wire::Output, wire::Error> {
        #[cfg(feature = "tracing")]
        crate::trace::install();
        dispatch::handle(&tasks(), &Job::from(job), input).map(Into::into).map_err(Into::into)
    }
}

/// The worker's side of [`crate::context`].
pub(crate) mod context {
    use super::bindings::lovage::task::job_context as host;
    use crate::{Level, StopReason};

    pub(crate) fn progress(fraction: Option<f64>, message: &str) {
        host::progress(fraction, message);
    }

    pub(crate) fn log(level: Level, message: &str) {
        let level = match level {
            Level::Trace => host::Level::Trace,
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warn => host::Level::Warn,
            Level::Error => host::Level::Error,
        };
        host::log(level, message);
    }

    pub(crate) fn cancelled() -> bool {
        host::cancelled()
    }

    pub(crate) fn stop_reason() -> Option<StopReason> {
        host::stop_reason().map(|stop| match stop {
            host::Stop::Cancelled(reason) => StopReason::Cancelled(reason),
            host::Stop::SoftTimeout => StopReason::SoftTimeout,
            host::Stop::Shutdown => StopReason::Shutdown,
        })
    }
}

/// The worker's side of [`crate::jobs`].
pub(crate) mod jobs {
    use super::bindings::lovage::task::jobs as host;
    use super::millis_up;
    use crate::jobs::{Group, Lane, NewGroup, NewJob, OnMemberFailure, SubmitError, Submitted};

    pub(crate) fn submit(job: NewJob) -> Result<Submitted, SubmitError> {
        let submitted = host::submit(&wire(job));
        submitted.map(|host::Submitted { id, existing }| Submitted { id, existing }).map_err(error)
    }

    pub(crate) fn submit_group(group: NewGroup) -> Result<Group, SubmitError> {
        let members: Vec<_> = group.members.into_iter().map(wire).collect();
        let policy = match group.on_member_failure {
            OnMemberFailure::Fail => host::OnMemberFailure::Fail,
            OnMemberFailure::Cancel => host::OnMemberFailure::Cancel,
            OnMemberFailure::Continue => host::OnMemberFailure::Continue,
        };
        let held = host::submit_group(&members, &wire(group.completion), policy, group.key.as_deref());
        let held = held.map_err(error)?;
        Ok(Group { id: held.id, existing: held.existing, completion: held.completion, members: held.members })
    }

    fn wire(job: NewJob) -> host::NewJob {
        let lane = job.lane.map(|lane| match lane {
            Lane::High => host::Lane::High,
            Lane::Normal => host::Lane::Normal,
            Lane::Low => host::Lane::Low,
        });
        host::NewJob {
            task: job.task,
            input: job.input,
            content_type: job.content_type,
            queue: job.queue,
            lane,
            key: job.key,
            delay_ms: job.delay.map(millis_up),
            retries: job.retries,
            timeout_ms: job.timeout.map(millis_up),
            tags: job.tags,
            limit_key: job.limit_key,
            version: job.version,
            on_success: job.on_success,
            on_failure: job.on_failure,
            on_dead: job.on_dead,
            then: job.then,
        }
    }

    fn error(error: host::SubmitError) -> SubmitError {
        match error {
            host::SubmitError::Invalid(text) => SubmitError::Invalid(text),
            host::SubmitError::Limit(text) => SubmitError::Limit(text),
            host::SubmitError::Denied(text) => SubmitError::Denied(text),
            host::SubmitError::Unavailable(text) => SubmitError::Unavailable(text),
        }
    }
}

/// The worker's side of [`crate::checkpoint`].
pub(crate) mod checkpoint {
    use super::bindings::lovage::task::checkpoint as host;
    use crate::checkpoint::CheckpointError;

    pub(crate) fn save(key: &str, value: Vec<u8>) -> Result<(), CheckpointError> {
        host::save(key, &value).map_err(error)
    }

    pub(crate) fn load(key: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        host::load(key).map_err(error)
    }

    fn error(error: host::CheckpointError) -> CheckpointError {
        match error {
            host::CheckpointError::Limit(text) => CheckpointError::Limit(text),
            host::CheckpointError::Unavailable(text) => CheckpointError::Unavailable(text),
        }
    }
}

fn description(task: &Task) -> wire::Description {
    let (input, input_schema) = encoding((task.input)());
    let (output, output_schema) = encoding((task.output)());
    wire::Description {
        name: task.name.into(),
        summary: task.summary.map(Into::into),
        input,
        input_schema,
        output,
        output_schema,
        defaults: wire::Defaults {
            attempts_max: task.defaults.attempts_max,
            timeout_ms: task.defaults.timeout_ms,
            soft_timeout_ms: task.defaults.soft_timeout_ms,
            fuel: task.defaults.fuel,
            memory_bytes: task.defaults.memory_bytes,
        },
    }
}

fn encoding(form: Form) -> (wire::Encoding, Option<String>) {
    match form {
        Form::Json(schema) => (wire::Encoding::Json, Some(schema)),
        Form::Bytes => (wire::Encoding::Bytes, None),
    }
}

impl From<wire::Job> for Job {
    fn from(job: wire::Job) -> Self {
        Self {
            id: job.id,
            task: job.task,
            queue: job.queue,
            attempt: job.attempt,
            attempts_max: job.attempts_max,
            deadline: instant(job.deadline_ms),
            content_type: job.content_type,
            headers: job.headers,
        }
    }
}

/// A deadline beyond what the clock can hold is as good as a year from now.
fn instant(epoch_ms: u64) -> SystemTime {
    let year = Duration::from_secs(365 * 86_400);
    UNIX_EPOCH.checked_add(Duration::from_millis(epoch_ms)).unwrap_or_else(|| SystemTime::now() + year)
}

impl From<Reply> for wire::Output {
    fn from(reply: Reply) -> Self {
        Self { body: reply.body, content_type: reply.content_type }
    }
}

impl From<TaskError> for wire::Error {
    fn from(error: TaskError) -> Self {
        let failure =
            wire::Failure { message: error.message().into(), details: error.details().map(ToString::to_string) };
        match error.kind() {
            ErrorKind::Retry => Self::Retry(failure),
            ErrorKind::RetryAfter(delay) => Self::RetryAfter((failure, millis_up(delay))),
            ErrorKind::Snooze(delay) => Self::Snooze((failure, millis_up(delay))),
            ErrorKind::Permanent => Self::Permanent(failure),
            ErrorKind::BadInput => Self::BadInput(failure),
        }
    }
}

fn millis_up(delay: Duration) -> u64 {
    u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

//! Tasks of the SDKs: `lovage:task/handler`.

use crate::attempt::cell::Cell;
use crate::attempt::ending::Fault;
use crate::attempt::request::AttemptRequest;
use crate::bindings::{Job, TaskError, TaskFailure, TaskPre};
use crate::shape::text;
use lovage_job::outcome::{Failure, Outcome, Output, RetryHint};
use std::time::Duration;
use wasmtime::Store;

pub(crate) async fn call(
    pre: &TaskPre<Cell>,
    task: &str,
    store: &mut Store<Cell>,
    request: AttemptRequest,
) -> Result<Outcome, Fault> {
    let AttemptRequest { job, input, limits, .. } = request;
    let instance = pre.instantiate_async(&mut *store).await.map_err(Fault::Instantiate)?;
    let job = Job {
        id: job.id,
        task: task.to_owned(),
        queue: job.queue,
        attempt: job.attempt,
        attempts_max: job.attempts_max,
        deadline_ms: job.deadline_unix_ms,
        content_type: job.content_type,
        headers: job.headers,
    };
    let answer = instance.lovage_task_handler().call_handle(&mut *store, &job, &input).await.map_err(Fault::Call)?;
    Ok(match answer {
        Ok(output) if output.body.len() > limits.output.as_usize() => {
            Outcome::OutputTooLarge { output_bytes: limits.output.0 }
        }
        Ok(output) => {
            Outcome::Completed(Output { body: output.body, content_type: text::content_type(&output.content_type) })
        }
        Err(TaskError::Retry(failure)) => failed(failure, RetryHint::Retry),
        Err(TaskError::RetryAfter((failure, ms))) => failed(failure, RetryHint::After(Duration::from_millis(ms))),
        Err(TaskError::Permanent(failure)) => failed(failure, RetryHint::Never),
        Err(TaskError::Snooze((failure, ms))) => {
            Outcome::Snoozed { delay: Duration::from_millis(ms), message: text::message(&failure.message) }
        }
        Err(TaskError::BadInput(failure)) => Outcome::BadInput { message: text::message(&failure.message) },
    })
}

fn failed(failure: TaskFailure, retry: RetryHint) -> Outcome {
    let details = failure.details.as_deref().and_then(text::details);
    Outcome::Failed(Failure { message: text::message(&failure.message), details, retry })
}

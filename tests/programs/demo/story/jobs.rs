//! Running jobs through the client, and what is expected of their results.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use lovage_client::{Client, NewJob};
use lovage_job::{name::JobId, outcome::OutcomeKind, result::JobResult};
use serde::Serialize;

/// How long any job of the story may take. A lost worker's jobs come back after 30 s.
const RESULT_WITHIN: Duration = Duration::from_secs(120);
/// How many are waited for at once.
const WINDOW: usize = 64;

/// Returns a job with JSON as its input.
pub(super) fn json(task: &str, input: &impl Serialize) -> anyhow::Result<NewJob> {
    Ok(NewJob::json(task.parse()?, input)?)
}

/// Returns a job with bytes as its input.
pub(super) fn raw(task: &str, input: impl Into<bytes::Bytes>, content_type: &str) -> anyhow::Result<NewJob> {
    Ok(NewJob::new(task.parse()?, input).content_type(content_type))
}

/// Submits a job and waits for its end, whatever that is.
pub(super) async fn run(client: &Client, job: NewJob) -> anyhow::Result<JobResult> {
    let submitted = client.submit(job).await?;
    Ok(client.wait(&submitted.id, Some(RESULT_WITHIN)).await?)
}

/// Runs jobs side by side and gives their results in the same order.
pub(super) async fn run_all(client: &Client, jobs: Vec<NewJob>) -> anyhow::Result<Vec<JobResult>> {
    stream::iter(jobs).map(|job| run(client, job)).buffered(WINDOW).try_collect().await
}

/// Waits for the ends of jobs that were submitted.
pub(super) async fn wait_all(client: &Client, ids: &[JobId]) -> anyhow::Result<Vec<JobResult>> {
    let wait = |id| async move { Ok(client.wait(id, Some(RESULT_WITHIN)).await?) };
    stream::iter(ids).map(wait).buffered(WINDOW).try_collect().await
}

/// Fails unless the job completed.
pub(super) fn completed(result: &JobResult) -> anyhow::Result<()> {
    ended(result, OutcomeKind::Completed)
}

/// Fails unless the job ended like this.
pub(super) fn ended(result: &JobResult, expected: OutcomeKind) -> anyhow::Result<()> {
    let (record, said) = (&result.record, message(result));
    let task = task(result);
    ensure!(record.outcome == expected, "job {} of {task} is {}, not {expected}: {said}", record.id, record.outcome);
    Ok(())
}

/// Reads the output of a job that completed.
pub(super) fn output<T: serde::de::DeserializeOwned>(result: &JobResult) -> anyhow::Result<T> {
    completed(result)?;
    serde_json::from_slice(&result.body).with_context(|| format!("the output of job {}", result.record.id))
}

/// Returns the name of the task.
pub(super) fn task(result: &JobResult) -> String {
    result.record.task.as_ref().map_or_else(String::new, ToString::to_string)
}

/// Returns what went wrong, where something did.
pub(super) fn message(result: &JobResult) -> String {
    result.error.as_ref().map_or_else(String::new, |error| error.message.clone())
}

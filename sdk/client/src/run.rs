//! Running a job as if it were a function: typed input, typed output.

use crate::client::Client;
use crate::new_job::NewJob;
use crate::submit::SubmitError;
use crate::wait::WaitError;
use lovage_job::name::{JobId, TaskName};
use lovage_job::outcome::{JobError, OutcomeKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a run gave no output.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The input is not JSON.
    #[error("the input cannot be written as JSON: {0}")]
    Encode(serde_json::Error),
    /// The job was not submitted.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// There is no result.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The job failed for good.
    #[error("job {id} ended as {outcome}{}", error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default())]
    Ended {
        /// The job.
        id: JobId,
        /// How it ended.
        outcome: OutcomeKind,
        /// What went wrong.
        error: Option<Box<JobError>>,
    },
    /// The output is not what the caller expects.
    #[error("the output of job {id} is not of the expected type: {error}")]
    Decode {
        /// The job.
        id: JobId,
        /// What is wrong.
        error: serde_json::Error,
    },
}

impl Client {
    /// Runs a task with `input` and returns its output, however long that takes.
    pub async fn run<I, O>(&self, task: &TaskName, input: &I) -> Result<O, RunError>
    where
        I: Serialize + ?Sized,
        O: DeserializeOwned,
    {
        let id = crate::submit::fresh_id();
        let mut job = NewJob::json(task.clone(), input).map_err(RunError::Encode)?;
        let inbox = self.nats.new_inbox();
        let reply = self.may_be_reply(&inbox).then_some(inbox);
        let waiter = self.waiter(&id, reply.as_deref()).await?;
        job.reply = reply;
        self.submit_as(job, || id.clone()).await?;
        let result = self.wait_with(waiter, &id, None).await?;
        if result.record.outcome != OutcomeKind::Completed {
            let (outcome, error) = (result.record.outcome, result.error.map(Box::new));
            return Err(RunError::Ended { id, outcome, error });
        }
        serde_json::from_slice(&result.body).map_err(|error| RunError::Decode { id, error })
    }

    /// Whether workers would answer to this inbox: a connection with a prefix of its own may have another one.
    fn may_be_reply(&self, inbox: &str) -> bool {
        let prefix = inbox.split('.').next().unwrap_or_default();
        prefix == "_INBOX" || prefix.strip_prefix("_INBOX_") == Some(self.tenant.as_str())
    }
}

//! Reading results.

use crate::client::Client;
use crate::read::{self, READ_TIMEOUT, ReadError, Stored};
use lovage_job::name::JobId;
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::subject::asset;
use std::time::Duration;

impl Client {
    /// The result of a job, with its whole output; nothing while it has not ended, or when its result has been
    /// forgotten.
    pub async fn result(&self, id: &JobId) -> Result<Option<JobResult>, ReadError> {
        match self.stored_result(id, READ_TIMEOUT).await? {
            Some(result) => self.whole(result).await.map(Some),
            None => Ok(None),
        }
    }

    /// The record of a result, without its output.
    pub(crate) async fn result_head(&self, id: &JobId, timeout: Duration) -> Result<Option<ResultRecord>, ReadError> {
        Ok(self.stored_result(id, timeout).await?.map(|result| result.record))
    }

    /// Puts the output in place where it is in an object.
    pub(crate) async fn whole(&self, mut result: JobResult) -> Result<JobResult, ReadError> {
        if let Some(digest) = result.record.payload.clone() {
            result.body = self.download(&digest).await?;
        }
        Ok(result)
    }

    async fn stored_result(&self, id: &JobId, timeout: Duration) -> Result<Option<JobResult>, ReadError> {
        let stream = results_stream(self);
        let subject = asset::result_subject(&self.tenant, id);
        match read::last(&self.nats, &stream, &subject, timeout).await? {
            Some(stored) if !stored.is_tombstone() => decode(stored).map(Some),
            Some(_) | None => Ok(None),
        }
    }
}

/// The stream of the results bucket.
pub(crate) fn results_stream(client: &Client) -> String {
    format!("KV_{}", asset::results(&client.tenant))
}

/// Reads a stored result.
pub(crate) fn decode(stored: Stored) -> Result<JobResult, ReadError> {
    let subject = stored.subject;
    JobResult::from_message(&stored.headers, stored.payload.to_vec())
        .map_err(|error| ReadError::Damaged { what: subject, reason: error.to_string() })
}

/// A result as it is stored, without an output that is in an object.
pub(crate) async fn stored_of(client: &Client, id: &JobId) -> Result<Option<JobResult>, ReadError> {
    client.stored_result(id, READ_TIMEOUT).await
}

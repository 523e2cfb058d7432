//! Entries of the control bucket: what an operator sets for every worker, such as limits and pauses.

use crate::client::Client;
use crate::publish::{self, PublishFault};
use crate::read::{self, READ_TIMEOUT, ReadError, Stored};
use crate::scan::{self, Scan};
use async_nats::HeaderMap;
use bytes::Bytes;
use lovage_job::subject::asset;
use serde::Serialize;

/// The most entries that are listed.
const ENTRIES_MAX: usize = 10_000;

/// Why a limit or a pause was not changed or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The entries cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The entry was not written; nothing was changed.
    #[error("{what} was not changed: {reason}; try again")]
    Write {
        /// What was to be set or removed.
        what: String,
        /// What happened.
        reason: String,
    },
}

fn stream() -> String {
    format!("KV_{}", asset::CONTROL)
}

fn not_written(what: &str, reason: impl std::fmt::Display) -> ControlError {
    ControlError::Write { what: what.to_owned(), reason: reason.to_string() }
}

impl Client {
    /// Writes an entry. `what` is for messages.
    pub(crate) async fn put_control(
        &self,
        key: &str,
        what: &str,
        value: &(impl Serialize + Sync),
    ) -> Result<(), ControlError> {
        let body = serde_json::to_vec(value).map_err(|error| not_written(what, error))?;
        self.write_control(key, HeaderMap::new(), body.into()).await.map_err(|fault| not_written(what, fault))
    }

    /// Removes an entry; returns whether it was there.
    pub(crate) async fn remove_control(&self, key: &str, what: &str) -> Result<bool, ControlError> {
        let subject = format!("$KV.{}.{key}", asset::CONTROL);
        let found = read::last(&self.nats, &stream(), &subject, READ_TIMEOUT).await?;
        if found.is_none_or(|stored| stored.is_tombstone()) {
            return Ok(false);
        }
        let mut headers = HeaderMap::new();
        headers.insert("KV-Operation", "DEL");
        self.write_control(key, headers, Bytes::new()).await.map_err(|fault| not_written(what, fault))?;
        Ok(true)
    }

    /// The entries of the tenant whose keys begin with `<tenant>.<kind>.`, by the rest of their keys.
    pub(crate) async fn controls(&self, kind: &str) -> Result<Vec<(String, Stored)>, ControlError> {
        let prefix = format!("$KV.{}.{}.{kind}.", asset::CONTROL, self.tenant);
        let scan = Scan { filter: format!("{prefix}>"), messages_max: ENTRIES_MAX };
        let found = scan::forward(&self.nats, &stream(), &scan).await?;
        let there = found.into_iter().filter(|stored| !stored.is_tombstone());
        let named = |stored: Stored| Some((stored.subject.strip_prefix(&prefix)?.to_owned(), stored));
        Ok(there.filter_map(named).collect())
    }

    async fn write_control(&self, key: &str, headers: HeaderMap, body: Bytes) -> Result<(), PublishFault> {
        let subject = format!("$KV.{}.{key}", asset::CONTROL);
        publish::publish(&self.nats, &stream(), &subject, headers, body).await.map(|_| ())
    }
}

/// An entry that was not written by this version.
pub(crate) fn damaged(key: &str, reason: impl std::fmt::Display) -> ControlError {
    ReadError::Damaged { what: format!("entry {key} of the control bucket"), reason: reason.to_string() }.into()
}

//! Reading the catalogue: which tasks a tenant has, and what their versions take and give.

use crate::client::Client;
use crate::read::{self, READ_TIMEOUT, ReadError, Stored};
use crate::scan::{self, Scan};
use lovage_job::catalog::{TaskRecord, VersionRecord};
use lovage_job::name::{TaskName, VersionName};
use lovage_job::subject::asset;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most tasks that are listed.
const TASKS_MAX: usize = 10_000;

impl Client {
    /// The record of a task; nothing where there is no such task.
    pub async fn task(&self, name: &TaskName) -> Result<Option<TaskRecord>, ReadError> {
        self.catalog_entry(&asset::task_key(&self.tenant, name), READ_TIMEOUT).await
    }

    /// The record of one version of a task; nothing where there is no such version.
    pub async fn version(&self, task: &TaskName, version: &VersionName) -> Result<Option<VersionRecord>, ReadError> {
        self.catalog_entry(&asset::version_key(&self.tenant, task, version), READ_TIMEOUT).await
    }

    /// Every task of the tenant, by name.
    pub async fn tasks(&self) -> Result<Vec<TaskRecord>, ReadError> {
        let filter = format!("$KV.{}.{}.task.*", asset::CATALOG, self.tenant);
        let scan = Scan { filter, messages_max: TASKS_MAX };
        let mut tasks = BTreeMap::new();
        for stored in scan::forward(&self.nats, &catalog_stream(), &scan).await? {
            let subject = stored.subject.clone();
            match parse::<TaskRecord>(stored)? {
                Some(task) => tasks.insert(subject, task),
                None => tasks.remove(&subject),
            };
        }
        Ok(tasks.into_values().collect())
    }

    /// The value of a key of the catalogue.
    pub(crate) async fn catalog_entry<T: DeserializeOwned>(
        &self,
        key: &str,
        timeout: Duration,
    ) -> Result<Option<T>, ReadError> {
        let subject = format!("$KV.{}.{key}", asset::CATALOG);
        match read::last(&self.nats, &catalog_stream(), &subject, timeout).await? {
            Some(stored) => parse(stored),
            None => Ok(None),
        }
    }
}

fn catalog_stream() -> String {
    format!("KV_{}", asset::CATALOG)
}

fn parse<T: DeserializeOwned>(stored: Stored) -> Result<Option<T>, ReadError> {
    if stored.is_tombstone() {
        return Ok(None);
    }
    let damaged =
        |error: serde_json::Error| ReadError::Damaged { what: stored.subject.clone(), reason: error.to_string() };
    serde_json::from_slice(&stored.payload).map(Some).map_err(damaged)
}

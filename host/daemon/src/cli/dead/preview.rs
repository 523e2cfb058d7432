//! What a replay would do: which jobs, on which versions, and which it would refuse.

use super::super::bulk::told_count;
use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use super::act::REPLAY;
use lovage_client::{Client, ReplayOptions, StoredLetter};
use lovage_job::catalog::{TaskRecord, VersionEntry, VersionRef};
use lovage_job::header;
use lovage_job::name::TaskName;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The letters that a preview tells one by one.
const TOLD_MAX: usize = 1_000;

/// The tasks that letters name, each read once for a command.
#[derive(Default)]
pub(super) struct Tasks(Mutex<HashMap<TaskName, Option<TaskRecord>>>);

impl Tasks {
    /// The version that a replay runs; a reason where it would be buried again at once.
    pub(super) async fn version(
        &self,
        client: &Client,
        stored: &StoredLetter,
        options: &ReplayOptions,
    ) -> Result<Option<VersionEntry>, Failure> {
        let letter = &stored.letter;
        let id = &letter.id;
        let not = |reason: String| Failure::new(Exit::NotFound, format!("job {id} was not replayed: {reason}"));
        let Some((_, task)) = letter.place() else { return Ok(None) };
        let record = self.task(client, &task).await?.ok_or_else(|| not(format!("there is no task {task}")))?;
        let wished = letter.headers.get(header::VERSION).and_then(|text| text.parse::<VersionRef>().ok());
        let wanted = options.version.as_ref().or(wished.as_ref());
        record.resolve(wanted, id).cloned().map(Some).map_err(|error| not(error.to_string()))
    }

    async fn task(&self, client: &Client, task: &TaskName) -> Result<Option<TaskRecord>, Failure> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(task).cloned();
        if let Some(record) = known {
            return Ok(record);
        }
        let record = client.task(task).await.or_exit(Exit::Broker)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(task.clone(), record.clone());
        Ok(record)
    }
}

/// What a dry run tells.
#[derive(Default)]
pub(super) struct Preview {
    rows: Vec<Vec<String>>,
    values: Vec<Value>,
    count: u64,
}

impl Preview {
    /// Adds a letter and the version that it would run.
    pub(super) fn add(&mut self, stored: &StoredLetter, version: Result<Option<VersionEntry>, Failure>) {
        self.count += 1;
        if self.values.len() >= TOLD_MAX {
            return;
        }
        let task = stored.letter.place().map(|(_, task)| task);
        let (version, error) = match version {
            Ok(version) => (version, None),
            Err(failure) => (None, Some(failure.message)),
        };
        let name = version.as_ref().map(|version| version.version.to_string()).unwrap_or_default();
        let digest = version.as_ref().map(|version| version.digest.short().to_owned()).unwrap_or_default();
        let task_name = task.as_ref().map(ToString::to_string).unwrap_or_default();
        let id = &stored.letter.id;
        self.rows.push(vec![id.to_string(), task_name, name, digest, error.clone().unwrap_or_default()]);
        self.values.push(json!({
            "id": id, "task": task, "version": version.as_ref().map(|version| &version.version),
            "digest": version.as_ref().map(|version| &version.digest), "error": error,
        }));
    }

    /// Prints it all.
    pub(super) fn print(self, output: Output) -> Result<(), Failure> {
        if output.json {
            return output.value(&json!({"count": self.count, "dry_run": true, "letters": self.values}));
        }
        if !self.rows.is_empty() {
            output.table(&["ID", "TASK", "VERSION", "DIGEST", "REFUSED"], self.rows)?;
        }
        told_count(self.count, REPLAY, true, output)
    }
}

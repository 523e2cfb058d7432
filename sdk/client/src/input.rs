//! Checking task and input before submission, so that a typing error is told at once and not by a worker later.
//!
//! The check is a courtesy: workers check again. Where the catalogue cannot be read (no right, no bucket, no answer)
//! jobs are submitted unchecked.

use crate::client::{Client, Gate, REST};
use crate::prepare::Prepared;
use crate::read::ReadError;
use lovage_job::catalog::{CatalogError, TaskRecord, VersionEntry, VersionRecord};
use lovage_job::name::{Digest, TaskName};
use lovage_job::schema::InputCheck;
use lovage_job::subject::asset;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How old a task's record may be.
const FRESH: Duration = Duration::from_secs(1);
/// How long to wait for the catalogue.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How many tasks and versions are remembered.
const REMEMBERED_MAX: usize = 256;
/// How similar a name must be to be suggested, and how many are.
const SIMILAR: f64 = 0.75;
const SUGGESTED_MAX: usize = 3;

/// A task or an input that a worker would refuse.
#[derive(Debug)]
pub(crate) enum InputFault {
    UnknownTask { task: TaskName, nearest: Vec<TaskName> },
    UnknownVersion(CatalogError),
    BadInput { task: TaskName, reason: String },
}

/// A task's record; nothing where there is no such task.
type KnownTask = Option<Arc<TaskRecord>>;
/// A version's check; nothing where its schema cannot be used.
type KnownCheck = Option<Arc<InputCheck>>;

/// What is remembered of the catalogue.
#[derive(Default)]
pub(crate) struct InputCache {
    gate: Gate,
    tasks: Mutex<HashMap<TaskName, (Instant, KnownTask)>>,
    checks: Mutex<HashMap<(TaskName, Digest), KnownCheck>>,
    /// One request to the catalogue at a time: a thousand jobs that find the record too old ask once.
    asking: tokio::sync::Mutex<()>,
}

impl InputCache {
    fn task(&self, name: &TaskName) -> Option<KnownTask> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.get(name).filter(|(read, _)| read.elapsed() < FRESH).map(|(_, task)| task.clone())
    }

    fn check(&self, key: &(TaskName, Digest)) -> Option<KnownCheck> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

/// Puts a value in a map that forgets everything when it is full: cheap, and the next second fills it again.
fn remember<K: std::hash::Hash + Eq, V>(map: &Mutex<HashMap<K, V>>, key: K, value: V) {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    if map.len() >= REMEMBERED_MAX {
        map.clear();
    }
    map.insert(key, value);
}

impl Client {
    /// Checks that the job's task and version exist, and that its payload is what they take.
    pub(crate) async fn check_input(&self, job: &Prepared) -> Result<(), InputFault> {
        let task = &job.subject.task;
        if lovage_job::flow::is_webhook(task) {
            let bad = |reason| InputFault::BadInput { task: task.clone(), reason };
            return lovage_job::flow::WebhookCall::from_json(&job.payload).map(|_| ()).map_err(bad);
        }
        let Some(known) = self.known_task(task).await else { return Ok(()) };
        let Some(record) = known else {
            return Err(InputFault::UnknownTask { task: task.clone(), nearest: self.nearest(task).await });
        };
        let entry = record.resolve(job.version.as_ref(), &job.id).map_err(InputFault::UnknownVersion)?;
        match self.input_check(task, entry).await {
            Some(check) => check
                .check(&job.payload)
                .map_err(|error| InputFault::BadInput { task: task.clone(), reason: error.to_string() }),
            None => Ok(()),
        }
    }

    /// The record of a task, of which `Some(None)` says that there is none; nothing where the catalogue cannot be read.
    async fn known_task(&self, name: &TaskName) -> Option<KnownTask> {
        let cache = &self.memory.inputs;
        if !cache.gate.is_open() {
            return None;
        }
        if let Some(task) = cache.task(name) {
            return Some(task);
        }
        let _one_asks = cache.asking.lock().await;
        if let Some(task) = cache.task(name) {
            return Some(task);
        }
        if !cache.gate.is_open() {
            return None;
        }
        match self.catalog_entry::<TaskRecord>(&asset::task_key(&self.tenant, name), TIMEOUT).await {
            Ok(task) => {
                let task = task.map(Arc::new);
                remember(&cache.tasks, name.clone(), (Instant::now(), task.clone()));
                Some(task)
            }
            Err(error) => {
                match error {
                    ReadError::Silent { .. } | ReadError::Forbidden { .. } => cache.gate.close(REST),
                    ReadError::Missing { .. }
                    | ReadError::Refused { .. }
                    | ReadError::Damaged { .. }
                    | ReadError::Body(_) => cache.gate.close(FRESH),
                }
                None
            }
        }
    }

    /// The check of a version; nothing where it cannot be read or has a schema that cannot be used.
    async fn input_check(&self, task: &TaskName, entry: &VersionEntry) -> KnownCheck {
        let cache = &self.memory.inputs;
        let key = (task.clone(), entry.digest.clone());
        if let Some(check) = cache.check(&key) {
            return check;
        }
        let _one_asks = cache.asking.lock().await;
        if let Some(check) = cache.check(&key) {
            return check;
        }
        let path = asset::version_key(&self.tenant, task, &entry.version);
        let version = self.catalog_entry::<VersionRecord>(&path, TIMEOUT).await.ok()??;
        let check = InputCheck::new(&version.export.input).ok().map(Arc::new);
        remember(&cache.checks, key, check.clone());
        check
    }

    /// Tasks with a similar name, where the user may list them.
    async fn nearest(&self, wanted: &TaskName) -> Vec<TaskName> {
        let tasks = tokio::time::timeout(TIMEOUT, self.tasks()).await;
        let names = tasks.ok().and_then(Result::ok).unwrap_or_default().into_iter().map(|task| task.task);
        nearest(wanted, names)
    }
}

fn nearest(wanted: &TaskName, names: impl Iterator<Item = TaskName>) -> Vec<TaskName> {
    let score = |name: TaskName| (strsim::jaro_winkler(wanted.as_str(), name.as_str()), name);
    let mut similar: Vec<_> = names.map(score).filter(|(score, _)| *score >= SIMILAR).collect();
    similar.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    similar.into_iter().take(SUGGESTED_MAX).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_are_suggested() {
        let names = ["word-stats", "word-start", "resize", "add"].map(|name| name.parse().unwrap());
        let found = nearest(&"word-stat".parse().unwrap(), names.into_iter());
        assert_eq!(found.iter().map(TaskName::as_str).collect::<Vec<_>>(), ["word-stats", "word-start"]);
    }

    #[test]
    fn memory_is_bounded() {
        let map = Mutex::new(HashMap::new());
        for n in 0..3 * REMEMBERED_MAX {
            remember(&map, n, ());
        }
        assert!(map.lock().unwrap().len() <= REMEMBERED_MAX);
    }
}

//! The catalogue as this worker applies it. A version is live here once it is ready to run, and only then does an
//! alias move to it: jobs never wait for a deploy, and jobs in flight keep the version they began with.

use super::load::{LoadFault, Loader};
use super::ready::ReadyTask;
use crate::audit::Auditor;
use crate::nats::store::Catalog;
use crate::ports::{BrokerError, Resolution, Tasks};
use crate::tenant_book::TenantBook;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::capability::{Grants, Missing};
use lovage_job::catalog::{TaskRecord, VersionEntry, VersionRef};
use lovage_job::name::{Digest, JobId, TaskName, TenantName, VersionName};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How often a version is loaded again where the broker or the machine failed for the moment.
const LOAD_TRIES: usize = 30;
/// The pause in between.
const LOAD_PAUSE: Duration = Duration::from_secs(1);

/// The catalogue as this worker applies it.
pub struct Live {
    loader: Loader,
    catalog: Catalog,
    book: Arc<TenantBook>,
    auditor: Arc<dyn Auditor>,
    tasks: RwLock<HashMap<TenantName, HashMap<TaskName, Known>>>,
}

/// A task as this worker applies it.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Its versions and aliases; nothing before the first is ready.
    record: Option<Arc<TaskRecord>>,
    /// What it is granted, which changes at once and waits for no version.
    grants: Arc<Grants>,
}

impl Live {
    /// An empty catalogue.
    pub fn new(loader: Loader, catalog: Catalog, book: Arc<TenantBook>, auditor: Arc<dyn Auditor>) -> Self {
        Self { loader, catalog, book, auditor, tasks: RwLock::default() }
    }

    /// Applies a changed task: makes ready what its aliases name, then moves the aliases. An alias whose new version
    /// cannot be run here stays where it was.
    pub async fn apply(&self, tenant: &TenantName, mut record: TaskRecord) {
        let mut failed = Vec::new();
        let names: Vec<VersionName> =
            record.aliases.values().flat_map(|targets| targets.0.iter().map(|side| side.version.clone())).collect();
        for version in names {
            let loaded = match record.version(&version) {
                Some(entry) => self.load_in_time(tenant, &record.task, entry).await,
                None => Err(LoadFault::Missing { task: record.task.clone(), version: version.clone() }),
            };
            match loaded {
                // refused at each start while the policy says so; a key that comes later must find the alias moved
                Ok(()) | Err(LoadFault::Refused(_)) => {}
                Err(error) => {
                    tracing::warn!(tenant = %tenant, task = %record.task, version = %version, error = %error, "version cannot be run here");
                    failed.push(version);
                }
            }
        }
        let before = self.record(tenant, &record.task);
        if let Some(before) = before {
            for (alias, targets) in &mut record.aliases {
                let broken = targets.0.iter().any(|side| failed.contains(&side.version));
                let earlier = before.aliases.get(alias);
                if let Some(earlier) = earlier.filter(|_| broken) {
                    *targets = earlier.clone();
                }
            }
        }
        self.put(tenant, record);
    }

    /// Loads a version, again where the broker or the machine failed for the moment.
    async fn load_in_time(&self, tenant: &TenantName, task: &TaskName, entry: &VersionEntry) -> Result<(), LoadFault> {
        for _ in 0..LOAD_TRIES {
            match self.loader.load(tenant, task, entry).await {
                Err(LoadFault::Passing(error)) => {
                    tracing::debug!(task = %task, version = %entry.version, error = %error, "version not loaded yet");
                    tokio::time::sleep(LOAD_PAUSE).await;
                }
                loaded => return loaded.map(|_| ()),
            }
        }
        self.loader.load(tenant, task, entry).await.map(|_| ())
    }

    /// Forgets a task that was removed.
    pub fn remove(&self, tenant: &TenantName, task: &TaskName) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(tasks) = tasks.get_mut(tenant) {
            tasks.remove(task);
        }
    }

    fn put(&self, tenant: &TenantName, record: TaskRecord) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        let known = tasks.entry(tenant.clone()).or_default().entry(record.task.clone());
        let grants = || Known { record: None, grants: Arc::new(record.grants.clone()) };
        let known = known.or_insert_with(grants);
        known.record = Some(Arc::new(record));
    }

    fn record(&self, tenant: &TenantName, task: &TaskName) -> Option<Arc<TaskRecord>> {
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        tasks.get(tenant)?.get(task)?.record.clone()
    }

    /// Puts what a task is granted in place of what it was. Apart from its versions: those of an earlier state may still
    /// be made ready, and what was taken away must not come back with them.
    fn grant(&self, tenant: &TenantName, task: &TaskName, grants: &Grants) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        let known = tasks.entry(tenant.clone()).or_default().entry(task.clone()).or_default();
        if *known.grants != *grants {
            known.grants = Arc::new(grants.clone());
        }
    }

    fn grants(&self, tenant: &TenantName, task: &TaskName) -> Arc<Grants> {
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        tasks.get(tenant).and_then(|tasks| tasks.get(task)).map(|known| known.grants.clone()).unwrap_or_default()
    }

    /// What of a task's grants is in force now; or why its component cannot run with that.
    fn in_force(
        &self,
        tenant: &TenantName,
        task: &TaskName,
        ready: &ReadyTask,
    ) -> Result<Result<Arc<Grants>, String>, BrokerError> {
        let granted = self.grants(tenant, task);
        if granted.is_empty() {
            return Ok(missing(task, &granted, ready).map_or(Ok(granted), Err));
        }
        let record = self.book.get(tenant);
        let record = record.ok_or_else(|| BrokerError(format!("the record of tenant {tenant} is not here yet")))?;
        let Err(above) = granted.within(&record.ceiling) else {
            return Ok(missing(task, &granted, ready).map_or(Ok(granted), Err));
        };
        let note = AuditNote::new(tenant, AuditKind::Grants, "start above the ceiling", task);
        self.auditor.refused(task.as_str(), note.refused(&above));
        let (left, _) = granted.under(&record.ceiling);
        let reason = missing(task, &left, ready);
        if reason.is_some() && missing(task, &granted, ready).is_none() {
            return Ok(Err(format!("task {task} is granted {above}")));
        }
        Ok(reason.map_or(Ok(Arc::new(left)), Err))
    }

    /// A version that is ready, with what its task is granted.
    async fn granted(
        &self,
        tenant: &TenantName,
        task: &TaskName,
        ready: Arc<ReadyTask>,
    ) -> Result<Resolution, BrokerError> {
        if let Ok(grants) = self.in_force(tenant, task, &ready)? {
            return Ok(Resolution::Ready(ready, grants));
        }
        // what was granted a moment ago may not have come here yet
        if let Some(record) = self.catalog.task(tenant, task).await? {
            self.grant(tenant, task, &record.grants);
        }
        Ok(match self.in_force(tenant, task, &ready)? {
            Ok(grants) => Resolution::Ready(ready, grants),
            Err(reason) => Resolution::Broken(reason),
        })
    }

    /// What a load comes to for a job.
    async fn loaded(
        &self,
        tenant: &TenantName,
        task: &TaskName,
        loaded: Result<Arc<ReadyTask>, LoadFault>,
    ) -> Result<Resolution, BrokerError> {
        match loaded {
            Ok(ready) => self.granted(tenant, task, ready).await,
            Err(LoadFault::Broken(reason)) => Ok(Resolution::Broken(reason)),
            Err(LoadFault::Refused(fault)) => Ok(Resolution::Broken(fault.to_string())),
            Err(fault @ (LoadFault::Missing { .. } | LoadFault::Other { .. })) => {
                Ok(Resolution::Unknown(fault.to_string()))
            }
            Err(LoadFault::Passing(error)) => Err(error),
        }
    }

    /// The version that the catalogue itself names, for a job that this worker's view does not know yet: whoever
    /// pushes a task may publish its first job a moment later.
    async fn ask(
        &self,
        tenant: &TenantName,
        task: &TaskName,
        wanted: Option<&VersionRef>,
        job: &JobId,
    ) -> Result<Result<VersionEntry, String>, BrokerError> {
        let Some(record) = self.catalog.task(tenant, task).await? else {
            return Ok(Err(format!("there is no task {task} of tenant {tenant}; push one under that name")));
        };
        let found = record.resolve(wanted, job).cloned().map_err(|error| error.to_string());
        if self.record(tenant, task).is_none() {
            self.put(tenant, record);
        }
        Ok(found)
    }
}

/// Why a component cannot run with these grants.
fn missing(task: &TaskName, grants: &Grants, ready: &ReadyTask) -> Option<String> {
    let Missing { interface, kind } = grants.missing(&ready.imports)?;
    let form = kind.form();
    Some(format!(
        "the component imports {interface}, and task {task} is not granted {kind}; `lovage task allow {task} {form}` grants it"
    ))
}

impl Tasks for Live {
    async fn resolve(
        &self,
        tenant: &TenantName,
        task: &TaskName,
        wanted: Option<&VersionRef>,
        pinned: Option<&Digest>,
        job: &JobId,
    ) -> Result<Resolution, BrokerError> {
        // a job that names a component runs that one, whatever an earlier attempt is said to have run
        let pinned = pinned.cloned().map(VersionRef::Digest);
        let wanted = wanted.filter(|wanted| matches!(wanted, VersionRef::Digest(_))).or(pinned.as_ref()).or(wanted);
        let known = self.record(tenant, task);
        let here = known.and_then(|record| record.resolve(wanted, job).ok().cloned());
        if let Some(entry) = here {
            if let Some(ready) = self.loader.ready(tenant, task, &entry) {
                return self.granted(tenant, task, ready).await;
            }
            match self.loader.load(tenant, task, &entry).await {
                // what is known here may be behind the catalogue
                Err(LoadFault::Missing { .. } | LoadFault::Other { .. }) => {}
                loaded => return self.loaded(tenant, task, loaded).await,
            }
        }
        let entry = match self.ask(tenant, task, wanted, job).await? {
            Ok(entry) => entry,
            Err(reason) => return Ok(Resolution::Unknown(reason)),
        };
        let loaded = self.loader.load(tenant, task, &entry).await;
        self.loaded(tenant, task, loaded).await
    }
}

/// Applies changes of tasks in the order they come, each task on its own, so that a slow compilation holds up no
/// other task.
pub struct Appliers {
    live: Arc<Live>,
    newest: HashMap<(TenantName, TaskName), tokio::sync::watch::Sender<Option<TaskRecord>>>,
}

impl Appliers {
    /// Nothing to apply yet.
    pub fn new(live: Arc<Live>) -> Self {
        Self { live, newest: HashMap::new() }
    }

    /// Takes a change of the catalogue. While one state of a task is made ready, only the newest further one waits.
    pub fn change(&mut self, key: &str, value: Option<&[u8]>) {
        let mut tokens = key.splitn(3, '.');
        let (Some(tenant), Some("task"), Some(task)) = (tokens.next(), tokens.next(), tokens.next()) else { return };
        let (Ok(tenant), Ok(task)) = (tenant.parse::<TenantName>(), task.parse::<TaskName>()) else { return };
        let Some(value) = value else {
            self.newest.remove(&(tenant.clone(), task.clone()));
            self.live.remove(&tenant, &task);
            return;
        };
        match serde_json::from_slice::<TaskRecord>(value) {
            Ok(record) => {
                self.live.grant(&tenant, &task, &record.grants);
                self.newest(tenant, task).send_replace(Some(record))
            }
            Err(error) => {
                tracing::warn!(key, error = %error, "a task in the catalogue cannot be read");
                None
            }
        };
    }

    fn newest(&mut self, tenant: TenantName, task: TaskName) -> &tokio::sync::watch::Sender<Option<TaskRecord>> {
        let live = self.live.clone();
        self.newest.entry((tenant.clone(), task)).or_insert_with(|| {
            let (sender, mut receiver) = tokio::sync::watch::channel(None);
            // ends when the task is removed or the catalogue is no longer followed
            tokio::spawn(async move {
                while receiver.changed().await.is_ok() {
                    let record = receiver.borrow_and_update().clone();
                    if let Some(record) = record {
                        live.apply(&tenant, record).await;
                    }
                }
            });
            sender
        })
    }
}

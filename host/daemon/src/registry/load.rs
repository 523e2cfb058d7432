//! Makes versions ready: record, component, compilation in a child process, linking. Callers that want the same
//! version share one load.

use super::gate::{Gate, GateFault, Vouched};
use super::ground::Ground;
use super::ready::{LimitPolicy, ReadyTask};
use crate::counters::{Compiled, Counters};
use crate::nats::store::{Catalog, Components};
use crate::ports::{BrokerError, Compilation, Tracer};
use lovage_job::catalog::VersionEntry;
use lovage_job::name::{Digest, TaskName, TenantName, VersionName};
use lovage_job::signature::{Claim, SignatureFault};
use lovage_sandbox::{ArtifactPath, CompileError, Compiler, LoadError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::OnceCell;

/// A version that cannot be run, or not now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadFault {
    /// The version is at fault; the text is fit for outsiders.
    #[error("{0}")]
    Broken(String),
    /// There is no such version in the catalogue.
    #[error("task {task} has no version {version}")]
    Missing {
        /// The task.
        task: TaskName,
        /// The version.
        version: VersionName,
    },
    /// The catalogue has another component under that name, which is not what was resolved.
    #[error("version {version} of task {task} is {there}, where {wanted} was asked for")]
    Other {
        /// The task.
        task: TaskName,
        /// The version.
        version: VersionName,
        /// What it is.
        there: Digest,
        /// What was resolved.
        wanted: Digest,
    },
    /// The tenant's policy does not let it run; a key or a signature that comes later may.
    #[error(transparent)]
    Refused(#[from] SignatureFault),
    /// The broker or the machine is; a retry is useful.
    #[error(transparent)]
    Passing(#[from] BrokerError),
}

impl From<GateFault> for LoadFault {
    fn from(fault: GateFault) -> Self {
        match fault {
            GateFault::Refused(fault) => Self::Refused(fault),
            GateFault::Passing(error) => Self::Passing(error),
        }
    }
}

/// Which version. The digest too: a name that was removed may come back with another component.
type Key = (TenantName, TaskName, VersionName, Digest);

fn key(tenant: &TenantName, task: &TaskName, entry: &VersionEntry) -> Key {
    (tenant.clone(), task.clone(), entry.version.clone(), entry.digest.clone())
}

/// Makes versions ready and keeps them.
pub struct Loader {
    ground: Ground,
    compiler: Compiler,
    catalog: Catalog,
    components: Components,
    policy: LimitPolicy,
    gate: Gate,
    counters: Arc<Counters>,
    tracer: Option<Arc<dyn Tracer>>,
    loads: Mutex<HashMap<Key, Slot>>,
    /// The most versions that are kept ready.
    kept_max: usize,
}

#[derive(Debug, Clone)]
struct Slot {
    cell: Arc<OnceCell<Result<Arc<ReadyTask>, LoadFault>>>,
    used: std::time::Instant,
}

/// How many versions a worker keeps ready.
const KEPT_MAX: usize = 1_000;

impl Loader {
    /// A loader without anything ready.
    pub fn new(
        ground: Ground,
        compiler: Compiler,
        catalog: Catalog,
        components: Components,
        policy: LimitPolicy,
        gate: Gate,
        (counters, tracer): (Arc<Counters>, Option<Arc<dyn Tracer>>),
    ) -> Self {
        let (loads, kept_max) = (Mutex::default(), KEPT_MAX);
        Self { ground, compiler, catalog, components, policy, gate, counters, tracer, loads, kept_max }
    }

    /// The version, where it is ready already and may run.
    pub fn ready(&self, tenant: &TenantName, task: &TaskName, entry: &VersionEntry) -> Option<Arc<ReadyTask>> {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = loads.get_mut(&key(tenant, task, entry))?;
        slot.used = std::time::Instant::now();
        let ready = slot.cell.get()?.as_ref().ok().cloned();
        drop(loads);
        ready.filter(|ready| self.gate.stands(ready))
    }

    /// Makes a version ready, or finds it ready; and looks whether it may run.
    pub async fn load(
        &self,
        tenant: &TenantName,
        task: &TaskName,
        entry: &VersionEntry,
    ) -> Result<Arc<ReadyTask>, LoadFault> {
        let key = key(tenant, task, entry);
        match self.load_once(&key).await {
            // it may have been signed since it was made ready, so its record is read anew
            Err(LoadFault::Refused(_)) => self.load_once(&key).await,
            loaded => loaded,
        }
    }

    async fn load_once(&self, key: &Key) -> Result<Arc<ReadyTask>, LoadFault> {
        let cell = self.cell(key);
        let loaded = match cell.get_or_init(|| self.prepare(key)).await.clone() {
            Ok(ready) => self.gate.check(&ready.vouched).await.map(|()| ready).map_err(LoadFault::from),
            Err(fault) => Err(fault),
        };
        match &loaded {
            Ok(_) | Err(LoadFault::Broken(_)) => {}
            Err(
                LoadFault::Passing(_) | LoadFault::Missing { .. } | LoadFault::Other { .. } | LoadFault::Refused(_),
            ) => {
                self.forget(key, &cell);
            }
        }
        loaded
    }

    fn cell(&self, key: &Key) -> Arc<OnceCell<Result<Arc<ReadyTask>, LoadFault>>> {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        if loads.len() >= self.kept_max && !loads.contains_key(key) {
            let oldest = loads.iter().min_by_key(|(_, slot)| slot.used).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| loads.remove(&oldest));
        }
        let now = std::time::Instant::now();
        loads.entry(key.clone()).or_insert_with(|| Slot { cell: Arc::default(), used: now }).cell.clone()
    }

    /// Drops a load that failed for a passing reason, so that the next job tries again.
    fn forget(&self, key: &Key, cell: &Arc<OnceCell<Result<Arc<ReadyTask>, LoadFault>>>) {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        if loads.get(key).is_some_and(|slot| Arc::ptr_eq(&slot.cell, cell)) {
            loads.remove(key);
        }
    }

    /// Compiles what is not there compiled, and counts which it was.
    async fn compile(
        &self,
        (tenant, task, version): (&TenantName, &TaskName, &VersionName),
        digest: &Digest,
        component: &[u8],
    ) -> Result<ArtifactPath, CompileError> {
        if let Some(there) = self.compiler.cached(digest).await? {
            self.counters.compiled(Compiled::Cached, Duration::ZERO);
            return Ok(there);
        }
        let (begun, clock) = (Instant::now(), SystemTime::now());
        let compiled = self.compiler.compile(digest, component).await;
        let how = if compiled.is_ok() { Compiled::Compiled } else { Compiled::Failed };
        self.counters.compiled(how, begun.elapsed());
        if let Some(tracer) = &self.tracer {
            let error = compiled.as_ref().err().map(ToString::to_string);
            tracer.compiled(Compilation { tenant, task, version, digest, begun: clock, error });
        }
        compiled
    }

    async fn prepare(&self, (tenant, task, version, wanted): &Key) -> Result<Arc<ReadyTask>, LoadFault> {
        let record = self.catalog.version(tenant, task, version).await?;
        let missing = || LoadFault::Missing { task: task.clone(), version: version.clone() };
        let record = record.ok_or_else(missing)?;
        if record.digest != *wanted {
            let (task, version, there) = (task.clone(), version.clone(), record.digest);
            return Err(LoadFault::Other { task, version, there, wanted: wanted.clone() });
        }
        // of what was asked for, not of what the record says of itself: a record that was put under another name is not
        // what was signed
        let digest = record.digest.clone();
        let claim = Claim { tenant: tenant.clone(), task: task.clone(), version: version.clone(), digest };
        let vouched = Arc::new(Vouched::new(claim, record.signatures.clone()));
        self.gate.check(&vouched).await?;
        let component = self.components.get(tenant, &record.digest).await?;
        let component = component
            .ok_or_else(|| LoadFault::Broken(format!("the component {} is not in the store", record.digest)))?;
        let actual = Digest::of(&component);
        if actual != record.digest {
            let reason = format!("the stored component has digest {actual} where {} is expected", record.digest);
            return Err(LoadFault::Broken(reason));
        }
        let artifact =
            self.compile((tenant, task, version), &record.digest, &component).await.map_err(compile_fault)?;
        let broken = |error: &dyn std::fmt::Display| LoadFault::Broken(error.to_string());
        let task_here = self.ground.task(tenant, &record.digest, artifact, &record.export.entry);
        let sandboxed = task_here.map_err(link_fault)?;
        let ready = ReadyTask::new(&record, sandboxed, &self.policy, vouched).map_err(|error| broken(&error))?;
        tracing::info!(tenant = %tenant, task = %task, version = %version, component.digest = %record.digest, "version ready");
        Ok(Arc::new(ready))
    }
}

/// A cached artefact that went away or was touched is compiled again for the next job; the rest is the component's.
fn link_fault(error: LoadError) -> LoadFault {
    match error {
        LoadError::Artifact(_) => LoadFault::Passing(BrokerError(error.to_string())),
        error => LoadFault::Broken(error.to_string()),
    }
}

fn compile_fault(error: CompileError) -> LoadFault {
    match error {
        CompileError::Host { .. } => LoadFault::Passing(BrokerError(error.to_string())),
        CompileError::TooExpensive { .. } | CompileError::Invalid { .. } => LoadFault::Broken(error.to_string()),
    }
}

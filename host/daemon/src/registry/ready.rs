//! A version that is ready to run: compiled, linked, its input check and limits prepared.

use super::gate::Vouched;
use super::ground::Sandboxed;
use lovage_job::capability::CapabilityKind;
use lovage_job::catalog::VersionRecord;
use lovage_job::limits::Limits;
use lovage_job::name::{Digest, VersionName};
use lovage_job::retry::RetryPolicy;
use lovage_job::schema::{InputCheck, SchemaError};
use std::sync::Arc;
use std::time::Duration;

/// A version that is ready to run.
#[derive(Debug)]
pub struct ReadyTask {
    /// The version's name.
    pub version: VersionName,
    /// Its component.
    pub digest: Digest,
    /// The sandbox's side of it.
    pub sandboxed: Sandboxed,
    /// What each attempt may use.
    pub limits: Arc<Limits>,
    /// When its jobs are tried again.
    pub retry: RetryPolicy,
    /// Checks payloads.
    pub input: InputCheck,
    /// The program's arguments.
    pub args: Arc<[String]>,
    /// The program's environment.
    pub env: Arc<[(String, String)]>,
    /// How long its results are kept, where it says so.
    pub result_keep: Option<Duration>,
    /// What the component imports, which decides what it must be granted.
    pub imports: Arc<[String]>,
    /// Whether the component imports anything that its worker does for it.
    pub asks: bool,
    /// Whose signatures it has.
    pub vouched: Arc<Vouched>,
}

/// What the operator allows.
#[derive(Debug, Clone, Default)]
pub struct LimitPolicy {
    /// The limits of a task that asks for none.
    pub default: Limits,
    /// What no task may pass.
    pub ceiling: Limits,
}

/// The longest time that results are kept.
const RESULT_KEEP_MAX: Duration = Duration::from_secs(30 * 86_400);

impl ReadyTask {
    /// Puts together what a version needs to run.
    pub fn new(
        record: &VersionRecord,
        sandboxed: Sandboxed,
        policy: &LimitPolicy,
        vouched: Arc<Vouched>,
    ) -> Result<Self, SchemaError> {
        Ok(Self {
            version: record.version.clone(),
            digest: record.digest.clone(),
            sandboxed,
            limits: Arc::new(limits_of(record, policy)),
            retry: record.retry.clone(),
            input: InputCheck::new(&record.export.input)?,
            args: record.args.clone().into(),
            env: record.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            imports: record.imports.clone().into(),
            asks: record.imports.iter().any(|name| asks(name)),
            vouched,
            result_keep: record.result_ttl_seconds.map(|s| Duration::from_secs(s).min(RESULT_KEEP_MAX)),
        })
    }
}

/// Whether an import is done by the worker for its guest.
fn asks(import: &str) -> bool {
    let path = import.split('@').next().unwrap_or_default();
    matches!(path, "lovage:task/checkpoint" | "wasi:http/outgoing-handler")
        || CapabilityKind::needed_for(import).is_some()
}

/// The operator's defaults, then what the author asks for, then what was asked for at push, under the ceiling.
pub fn limits_of(record: &VersionRecord, policy: &LimitPolicy) -> Limits {
    policy.default.clone().with(&record.export.limits).with(&record.limits).capped(&policy.ceiling)
}

//! Subjects, streams and buckets: every name on the broker, built from checked names only.
//!
//! The topology and its reasons are in `host/docs/ARCHITECTURE.md`.

use crate::name::{
    BucketName, ContainerName, JobId, NameError, QueueName, ScheduleName, SecretName, TaskName, TenantName, VersionName,
};
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The priority of a job: which of the three lanes of its queue it waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// Before the others.
    High,
    /// Where jobs go that say nothing.
    Normal,
    /// After the others, but never starved.
    Low,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Lane; 3] = [Self::High, Self::Normal, Self::Low];

    /// The token in subjects.
    pub fn token(self) -> &'static str {
        match self {
            Self::High => "job-high",
            Self::Normal => "job",
            Self::Low => "job-low",
        }
    }

    /// The name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// Reads the token of a subject.
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.token() == token)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A subject that is not that of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// The wrong number of tokens, or a wrong one.
    #[error("subject {0:?} is not lovage.<tenant>.<job|job-high|job-low>.<queue>.<task>[.<job id>]")]
    Shape(String),
    /// A token is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Where a job is published: `lovage.<tenant>.<lane>.<queue>.<task>[.<job id>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSubject {
    /// Whose job it is.
    pub tenant: TenantName,
    /// Its priority.
    pub lane: Lane,
    /// Where it waits.
    pub queue: QueueName,
    /// What it runs.
    pub task: TaskName,
    /// Its id, where the publisher chose one.
    pub id: Option<JobId>,
}

impl JobSubject {
    /// Reads a subject.
    pub fn parse(subject: &str) -> Result<Self, SubjectError> {
        let shape = || SubjectError::Shape(subject.chars().take(200).collect());
        let mut tokens = subject.split('.');
        let mut next = || tokens.next().ok_or_else(shape);
        if next()? != "lovage" {
            return Err(shape());
        }
        let tenant = next()?.parse()?;
        let lane = Lane::from_token(next()?).ok_or_else(shape)?;
        let (queue, task) = (next()?.parse()?, next()?.parse()?);
        let id = tokens.next().map(str::parse).transpose()?;
        if tokens.next().is_some() {
            return Err(shape());
        }
        Ok(Self { tenant, lane, queue, task, id })
    }

    /// Where a schedule puts the job when it is due; the jobs stream takes it from there.
    pub fn due(&self, id: &JobId) -> String {
        format!("lovage.{}.due.{}.{}.{}.{id}", self.tenant, self.lane.token(), self.queue, self.task)
    }
}

impl fmt::Display for JobSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lovage.{}.{}.{}.{}", self.tenant, self.lane.token(), self.queue, self.task)?;
        match &self.id {
            Some(id) => write!(f, ".{id}"),
            None => Ok(()),
        }
    }
}

/// What a schedule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleKind {
    /// The next attempt of a job.
    Retry,
    /// The first attempt of a job that was submitted for later.
    Delay,
    /// A tick of a schedule.
    Tick,
}

impl ScheduleKind {
    /// The token in subjects.
    pub fn token(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Delay => "delay",
            Self::Tick => "tick",
        }
    }
}

/// The subject that holds a job until it is due.
pub fn schedule(tenant: &TenantName, kind: ScheduleKind, id: &JobId) -> String {
    format!("lovage.{tenant}.sched.{}.{id}", kind.token())
}

/// The subject that holds a planned tick of a schedule. `since` tells one definition of the schedule from the next, so
/// that the ticks of an old one can be removed without a look at those of the new one.
pub fn tick(tenant: &TenantName, name: &ScheduleName, since: UnixMs, slot: UnixMs) -> String {
    format!("lovage.{tenant}.sched.{}.{name}.{}.{}", ScheduleKind::Tick.token(), since.0, slot.0)
}

/// The filter of the planned ticks of one definition of a schedule.
pub fn tick_filter(tenant: &TenantName, name: &ScheduleName, since: UnixMs) -> String {
    format!("lovage.{tenant}.sched.{}.{name}.{}.*", ScheduleKind::Tick.token(), since.0)
}

/// Where jobs wait that may not run yet: for a limit, a pause, or another run of their schedule. One token of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lot(String);

impl Lot {
    /// The lot of those that wait for `what` of the name `name`, such as `task` and `word-stats`; with a key, of those
    /// with that key.
    pub fn new(what: &'static str, name: &str, key: Option<&str>) -> Self {
        let digest = key.map(|key| crate::name::Digest::of(key.as_bytes()).short().to_owned());
        Self(match digest {
            Some(digest) => format!("{what}_{name}_{digest}"),
            None => format!("{what}_{name}"),
        })
    }

    /// Reads a token.
    pub fn parse(token: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        (!token.is_empty() && token.len() <= LOT_LENGTH_MAX && token.bytes().all(plain)).then(|| Self(token.to_owned()))
    }

    /// The lot of those that have a place under a rate and wait for its time, beside the lot of those that wait for room.
    pub fn of_rate(&self) -> Self {
        Self(format!("rate_{}", self.0))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest token of a lot, in bytes.
const LOT_LENGTH_MAX: usize = 96;

impl fmt::Display for Lot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The subject that holds a job in a lot.
pub fn waiting(tenant: &TenantName, lot: &Lot, id: &JobId) -> String {
    format!("lovage.{tenant}.sched.wait.{lot}.{id}")
}

/// The filter of the jobs in a lot.
pub fn waiting_filter(tenant: &TenantName, lot: &Lot) -> String {
    format!("lovage.{tenant}.sched.wait.{lot}.*")
}

/// The subject of a job's dead letter.
pub fn dead(tenant: &TenantName, queue: &QueueName, task: &TaskName, id: &JobId) -> String {
    format!("lovage.{tenant}.dead.{queue}.{task}.{id}")
}

/// The dead letters of messages that are no jobs: they have no queue or task to name.
pub fn dead_undecodable(tenant: &TenantName, id: &JobId) -> String {
    format!("lovage.{tenant}.dead.-.-.{id}")
}

/// The filter of a tenant's dead letters.
pub fn dead_filter(tenant: &TenantName) -> String {
    format!("lovage.{tenant}.dead.>")
}

/// The subject of an event.
pub fn event(tenant: &TenantName, task: &TaskName, id: &JobId, kind: &str) -> String {
    format!("lovage.{tenant}.event.{task}.{id}.{kind}")
}

/// The filter of a tenant's events.
pub fn event_filter(tenant: &TenantName) -> String {
    format!("lovage.{tenant}.event.>")
}

/// The filter of one lane of a queue.
pub fn lane_filter(tenant: &TenantName, lane: Lane, queue: &QueueName) -> String {
    format!("lovage.{tenant}.{}.{queue}.>", lane.token())
}

/// The filter of one job in one lane, whatever its queue and task.
pub fn job_filter(tenant: &TenantName, lane: Lane, id: &JobId) -> String {
    format!("lovage.{tenant}.{}.*.*.{id}", lane.token())
}

/// The subject of a command to the workers of a tenant, such as `cancel`.
pub fn control(tenant: &TenantName, command: &str, id: &JobId) -> String {
    format!("lovage.{tenant}.control.{command}.{id}")
}

/// The names of a tenant's streams and buckets.
pub mod asset {
    use super::{
        BucketName, ContainerName, JobId, Lane, QueueName, ScheduleName, SecretName, TaskName, TenantName, VersionName,
    };

    /// The stream of waiting jobs.
    pub fn jobs(tenant: &TenantName) -> String {
        format!("JOBS_{tenant}")
    }

    /// The stream of schedules.
    pub fn schedules(tenant: &TenantName) -> String {
        format!("SCHED_{tenant}")
    }

    /// The stream of dead letters.
    pub fn dead(tenant: &TenantName) -> String {
        format!("DEAD_{tenant}")
    }

    /// The consumer of one lane of a queue.
    pub fn consumer(lane: Lane, queue: &QueueName) -> String {
        format!("{}_{queue}", lane.token())
    }

    /// The bucket of results.
    pub fn results(tenant: &TenantName) -> String {
        format!("results-{tenant}")
    }

    /// The subject of a result within its bucket.
    pub fn result_subject(tenant: &TenantName, id: &JobId) -> String {
        format!("$KV.results-{tenant}.{id}")
    }

    /// The object store of components.
    pub fn components(tenant: &TenantName) -> String {
        format!("components-{tenant}")
    }

    /// The object store of payloads and results that are too large for a message.
    pub fn payloads(tenant: &TenantName) -> String {
        format!("payloads-{tenant}")
    }

    /// Whether a stream is the tenant's alone: `JOBS_<tenant>`, `KV_results-<tenant>`, `OBJ_payloads-<tenant>` and the
    /// like. The part before is one word, so that of the tenants `b` and `a-b` each has its own; so streams and buckets
    /// that tenants share are named with one word.
    pub fn is_of(tenant: &TenantName, stream: &str) -> bool {
        let word = |text: &str, letter: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(letter);
        let bucket = stream.strip_prefix("KV_").or_else(|| stream.strip_prefix("OBJ_"));
        match bucket {
            Some(bucket) => {
                let kind = bucket.strip_suffix(tenant.as_str()).and_then(|kind| kind.strip_suffix('-'));
                kind.is_some_and(|kind| word(kind, u8::is_ascii_lowercase))
            }
            None => {
                let kind = stream.strip_suffix(tenant.as_str()).and_then(|kind| kind.strip_suffix('_'));
                kind.is_some_and(|kind| word(kind, u8::is_ascii_uppercase))
            }
        }
    }

    /// The bucket of what a tenant's tasks keep under keys.
    pub fn keyvalue(tenant: &TenantName) -> String {
        format!("kv-{tenant}")
    }

    /// The subject of a key in a bucket of a tenant's; the key may be anything.
    pub fn keyvalue_subject(tenant: &TenantName, bucket: &BucketName, key: &str) -> String {
        format!("$KV.kv-{tenant}.{bucket}.{}", crate::storage::encoded(key))
    }

    /// The subjects of all keys of a bucket.
    pub fn keyvalue_filter(tenant: &TenantName, bucket: &BucketName) -> String {
        format!("$KV.kv-{tenant}.{bucket}.*")
    }

    /// The object store of a tenant's blobs.
    pub fn blobs(tenant: &TenantName) -> String {
        format!("blobs-{tenant}")
    }

    /// The object that a blob is; its name may be anything.
    pub fn blob_object(container: &ContainerName, name: &str) -> String {
        format!("{container}/{}", crate::storage::encoded(name))
    }

    /// The bucket of the sealed secrets of all tenants.
    pub const SECRETS: &str = "secrets";

    /// The key of a secret.
    pub fn secret_key(tenant: &TenantName, name: &SecretName) -> String {
        format!("{tenant}.{name}")
    }

    /// The bucket of tasks, versions and aliases of all tenants.
    pub const CATALOG: &str = "catalog";
    /// The bucket of tenants.
    pub const TENANTS: &str = "tenants";
    /// The bucket of cancels and pauses.
    pub const CONTROL: &str = "control";

    /// The bucket of schedules.
    pub const SCHEDULES: &str = "schedules";
    /// The bucket of what is known of the ticks of schedules.
    pub const TICKS: &str = "ticks";

    /// The key of a schedule.
    pub fn schedule_key(tenant: &TenantName, name: &ScheduleName) -> String {
        format!("{tenant}.{name}")
    }

    /// The key that says up to which slot a schedule is planned.
    pub fn cursor_key(tenant: &TenantName, name: &ScheduleName) -> String {
        format!("{tenant}.cursor.{name}")
    }

    /// The key that says which run of a schedule is under way.
    pub fn runs_key(tenant: &TenantName, name: &ScheduleName) -> String {
        format!("{tenant}.runs.{name}")
    }

    /// The key of the claim of one run of a schedule.
    pub fn claim_key(tenant: &TenantName, name: &ScheduleName, id: &JobId) -> String {
        format!("{tenant}.claim.{name}.{id}")
    }

    /// The bucket of the secrets that webhooks are signed with.
    pub const WEBHOOKS: &str = "webhooks";

    /// The key of a tenant's webhook secrets.
    pub fn webhook_key(tenant: &TenantName) -> String {
        format!("{tenant}.secrets")
    }

    /// The bucket of what is noted beside a tenant's jobs: keys that make jobs one, groups, and checkpoints.
    pub fn state(tenant: &TenantName) -> String {
        format!("state-{tenant}")
    }

    /// The subject of an entry of a key that makes jobs one.
    pub fn unique_subject(tenant: &TenantName, digest: &str) -> String {
        format!("$KV.state-{tenant}.unique.{digest}")
    }

    /// The subject of the record of a group.
    pub fn group_subject(tenant: &TenantName, group: &crate::name::GroupId) -> String {
        format!("$KV.state-{tenant}.group.{group}")
    }

    /// The subject of a value that a job keeps from one attempt to the next, by its plain name.
    pub fn checkpoint_subject(tenant: &TenantName, id: &JobId, name: &str) -> String {
        format!("$KV.state-{tenant}.checkpoint.{id}.{name}")
    }

    /// The key of a task in the catalogue.
    pub fn task_key(tenant: &TenantName, task: &TaskName) -> String {
        format!("{tenant}.task.{task}")
    }

    /// The key of a version in the catalogue.
    pub fn version_key(tenant: &TenantName, task: &TaskName, version: &VersionName) -> String {
        format!("{tenant}.version.{task}.{version}")
    }

    /// The key of a cancel in the control bucket.
    pub fn cancel_key(tenant: &TenantName, id: &JobId) -> String {
        format!("{tenant}.cancel.{id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_subject_reads_back() {
        for text in ["lovage.acme.job.default.add", "lovage.acme.job-high.mail.word-stats.Job_7"] {
            assert_eq!(JobSubject::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_subjects_are_refused() {
        for bad in [
            "",
            "lovage",
            "lovage.acme.job.default",
            "lovage.acme.job.default.add.id.more",
            "lovage.acme.jobs.default.add",
            "lovage.acme.due.default.add",
            "other.acme.job.default.add",
            "lovage.ACME.job.default.add",
            "lovage.acme.job.*.add",
            "lovage.acme.job.default.>",
            "lovage.acme.job..add",
            "lovage.acme.job.default.add.",
        ] {
            JobSubject::parse(bad).unwrap_err();
        }
    }

    #[test]
    fn a_due_job_is_the_same_subject_in_another_tree() {
        let subject = JobSubject::parse("lovage.acme.job-low.q.t").unwrap();
        let due = subject.due(&"id".parse().unwrap());
        assert_eq!(due, "lovage.acme.due.job-low.q.t.id");
        let mapped = due.replace(".due.", ".");
        assert_eq!(JobSubject::parse(&mapped).unwrap().task.as_str(), "t");
    }

    #[test]
    fn a_tenants_streams_are_told_from_all_others() {
        let name = |text: &str| text.parse::<TenantName>().unwrap();
        for tenant in ["b", "a-b", "a_b", "catalog", "payloads-b"].map(name) {
            let own = [
                asset::jobs(&tenant),
                asset::schedules(&tenant),
                asset::dead(&tenant),
                format!("LOGS_{tenant}"),
                format!("KV_{}", asset::results(&tenant)),
                format!("KV_{}", asset::state(&tenant)),
                format!("OBJ_{}", asset::components(&tenant)),
                format!("OBJ_{}", asset::payloads(&tenant)),
            ];
            for other in ["b", "a-b", "a_b", "catalog", "payloads-b", "acme"].map(name) {
                assert_eq!(own.iter().all(|stream| asset::is_of(&other, stream)), other == tenant);
                assert_eq!(own.iter().any(|stream| asset::is_of(&other, stream)), other == tenant, "{tenant} {other}");
            }
            for shared in ["KV_catalog", "KV_tenants", "KV_limits", "METER", "JOBS_", "_b", "KV_-b", "jobs_b"] {
                assert!(!asset::is_of(&tenant, shared), "{tenant} {shared}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = JobSubject::parse(&text);
        }

        #[test]
        fn what_parses_holds_no_wildcard(text in "[a-z.*> -]{0,60}") {
            if let Ok(subject) = JobSubject::parse(&text) {
                prop_assert!(!subject.to_string().contains(['*', '>', ' ']));
            }
        }
    }
}

//! What a limit counts together and what a pause stops, and where each is kept.

use crate::job::Job;
use crate::name::{QueueName, TaskName, TenantName};
use crate::subject::Lot;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a limit counts together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "scope", content = "name", rename_all = "kebab-case")]
pub enum LimitScope {
    /// Every job of the tenant.
    Tenant,
    /// The jobs of a queue.
    Queue(QueueName),
    /// The jobs of a task.
    Task(TaskName),
    /// The jobs of a task that have the same `Lovage-Limit-Key`; those without one are not counted.
    Key(TaskName),
}

/// What a pause stops.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "scope", content = "name", rename_all = "kebab-case")]
pub enum PauseScope {
    /// Every job of the tenant.
    Tenant,
    /// The jobs of a queue.
    Queue(QueueName),
    /// The jobs of a task.
    Task(TaskName),
}

/// A scope that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope of a limit or a pause")]
pub struct ScopeError(pub String);

/// The lot of a tenant, which has one of each kind only.
const ALL: &str = "all";

impl LimitScope {
    /// The key in the control bucket.
    pub fn control_key(&self, tenant: &TenantName) -> String {
        match self {
            Self::Tenant => format!("{tenant}.limit.tenant"),
            Self::Queue(queue) => format!("{tenant}.limit.queue.{queue}"),
            Self::Task(task) => format!("{tenant}.limit.task.{task}"),
            Self::Key(task) => format!("{tenant}.limit.key.{task}"),
        }
    }

    /// Reads the part of a key after `<tenant>.limit.`.
    pub fn from_key(rest: &str) -> Result<Self, ScopeError> {
        let bad = || ScopeError(rest.chars().take(80).collect());
        match rest.split_once('.') {
            None if rest == "tenant" => Ok(Self::Tenant),
            Some(("queue", name)) => name.parse().map(Self::Queue).map_err(|_| bad()),
            Some(("task", name)) => name.parse().map(Self::Task).map_err(|_| bad()),
            Some(("key", name)) => name.parse().map(Self::Key).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }

    /// Where the jobs wait that this limit counts together with `job`; nothing where it does not count that job.
    pub fn lot_of(&self, job: &Job) -> Option<Lot> {
        match self {
            Self::Tenant => self.lot(),
            Self::Queue(queue) if *queue == job.subject.queue => self.lot(),
            Self::Task(task) if *task == job.subject.task => self.lot(),
            Self::Key(task) if *task == job.subject.task => {
                job.wishes.limit_key.as_deref().map(|key| Lot::new("key", task.as_str(), Some(key)))
            }
            Self::Queue(_) | Self::Task(_) | Self::Key(_) => None,
        }
    }

    /// The one lot of this limit; nothing for a limit per key, which has one for each key.
    pub fn lot(&self) -> Option<Lot> {
        match self {
            Self::Tenant => Some(Lot::new("tenant", ALL, None)),
            Self::Queue(queue) => Some(Lot::new("queue", queue.as_str(), None)),
            Self::Task(task) => Some(Lot::new("task", task.as_str(), None)),
            Self::Key(_) => None,
        }
    }
}

impl PauseScope {
    /// The key in the control bucket.
    pub fn control_key(&self, tenant: &TenantName) -> String {
        match self {
            Self::Tenant => format!("{tenant}.pause.tenant"),
            Self::Queue(queue) => format!("{tenant}.pause.queue.{queue}"),
            Self::Task(task) => format!("{tenant}.pause.task.{task}"),
        }
    }

    /// Reads the part of a key after `<tenant>.pause.`.
    pub fn from_key(rest: &str) -> Result<Self, ScopeError> {
        let bad = || ScopeError(rest.chars().take(80).collect());
        match rest.split_once('.') {
            None if rest == "tenant" => Ok(Self::Tenant),
            Some(("queue", name)) => name.parse().map(Self::Queue).map_err(|_| bad()),
            Some(("task", name)) => name.parse().map(Self::Task).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }

    /// Where the jobs of a paused task wait. Those of a paused queue or tenant stay in their queues.
    pub fn lot(&self) -> Option<Lot> {
        match self {
            Self::Task(task) => Some(Lot::new("pause", task.as_str(), None)),
            Self::Tenant | Self::Queue(_) => None,
        }
    }
}

impl fmt::Display for LimitScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => f.write_str("tenant"),
            Self::Queue(queue) => write!(f, "queue {queue}"),
            Self::Task(task) => write!(f, "task {task}"),
            Self::Key(task) => write!(f, "key of task {task}"),
        }
    }
}

impl fmt::Display for PauseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => f.write_str("tenant"),
            Self::Queue(queue) => write!(f, "queue {queue}"),
            Self::Task(task) => write!(f, "task {task}"),
        }
    }
}

/// Whether a lot is one of the lots of the limit per key of a task.
pub fn is_key_lot(lot: &str, task: &TaskName) -> bool {
    let lot = lot.strip_prefix("rate_").unwrap_or(lot);
    let rest = lot.strip_prefix("key_").and_then(|rest| rest.strip_prefix(task.as_str()));
    let digest = rest.and_then(|rest| rest.strip_prefix('_'));
    digest.is_some_and(|digest| digest.len() == 12 && digest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What the jobs in a lot wait for, for people.
pub fn about_lot(lot: &str) -> String {
    match lot.split_once('_') {
        Some(("tenant", _)) => "the limit of the tenant".to_owned(),
        Some(("queue", queue)) => format!("the limit of queue {queue}"),
        Some(("task", task)) => format!("the limit of task {task}"),
        Some(("key", rest)) => match rest.rsplit_once('_') {
            Some((task, _)) => format!("the limit of its key of task {task}"),
            None => lot.to_owned(),
        },
        Some(("rate", limit)) => format!("its turn under {}", about_lot(limit)),
        Some(("pause", task)) => format!("task {task} to be resumed"),
        Some((what, name)) => format!("{what} {name}"),
        None => lot.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let tenant: TenantName = "acme".parse().unwrap();
        for rest in ["tenant", "queue.mail", "task.word-stats", "key.word-stats"] {
            let scope = LimitScope::from_key(rest).unwrap();
            assert_eq!(scope.control_key(&tenant), format!("acme.limit.{rest}"));
        }
        for rest in ["tenant", "queue.mail", "task.word-stats"] {
            let scope = PauseScope::from_key(rest).unwrap();
            assert_eq!(scope.control_key(&tenant), format!("acme.pause.{rest}"));
        }
    }

    #[test]
    fn unknown_scopes_are_refused() {
        for bad in ["", "tenant.x", "queue", "queue.", "queue.A", "worker.x", "task.a.b", "key"] {
            assert!(LimitScope::from_key(bad).is_err() && PauseScope::from_key(bad).is_err(), "{bad}");
        }
        assert!(PauseScope::from_key("key.x").is_err());
    }

    #[test]
    fn lots_of_keys_are_told_from_those_of_other_tasks() {
        let (a, ab): (TaskName, TaskName) = ("a".parse().unwrap(), "a_b".parse().unwrap());
        let lot = Lot::new("key", "a_b", Some("customer"));
        assert!(is_key_lot(lot.as_str(), &ab) && !is_key_lot(lot.as_str(), &a));
        assert!(is_key_lot(lot.of_rate().as_str(), &ab));
        assert_eq!(about_lot("rate_task_mail"), "its turn under the limit of task mail");
        assert!(!is_key_lot("task_a", &a) && !is_key_lot("key_a", &a) && !is_key_lot("", &a));
        assert_eq!(about_lot(lot.as_str()), "the limit of its key of task a_b");
        assert_eq!(about_lot("tenant_all"), "the limit of the tenant");
        assert_eq!(about_lot("schedule_nightly"), "schedule nightly");
    }
}

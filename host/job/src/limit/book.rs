//! The limits and pauses of one tenant, as they are told by the control bucket, and what they mean for a job.

use super::{Limit, LimitScope, PauseScope};
use crate::job::Job;
use crate::name::{QueueName, TaskName, TenantName};
use crate::subject::Lot;
use std::collections::{BTreeMap, BTreeSet};

/// The limits and pauses of one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// The limit of the whole tenant is the stricter one of what was told and of its quota.
    limits: BTreeMap<LimitScope, Limit>,
    pauses: BTreeSet<PauseScope>,
    told_of_tenant: Option<Limit>,
    quota: Option<u32>,
    spent: bool,
}

/// What holds for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRules {
    /// Where it is paused.
    pub stopped: Option<Stopped>,
    /// The limits that count it.
    pub limits: Vec<Applied>,
}

/// How a paused job waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// In its queue, which nobody asks for jobs.
    InQueue,
    /// In the lot of its task.
    InLot(Lot),
}

/// A limit that counts a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What it counts together.
    pub scope: LimitScope,
    /// Where those wait that it refuses.
    pub lot: Lot,
    /// How many.
    pub limit: Limit,
}

/// An entry of the control bucket that is a limit or a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A limit; nothing where it was removed.
    Limit(LimitScope, Option<Limit>),
    /// A pause; false where it was taken back.
    Pause(PauseScope, bool),
}

/// What is to be done because an entry changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing is new.
    None,
    /// Queues were closed or opened.
    Queues,
    /// There may be more room under a limit: places are handed over.
    Room(LimitScope),
    /// What waits under a limit looks again: it was removed, or places under its rate are void.
    Void(LimitScope),
    /// What waits in a lot may run.
    Open(Lot),
}

impl Entry {
    /// Reads an entry; nothing where the key is that of something else, an error where the value is damaged.
    pub fn parse(key: &str, value: Option<&[u8]>) -> Result<Option<(TenantName, Self)>, String> {
        let mut tokens = key.splitn(3, '.');
        let (Some(tenant), Some(kind), Some(rest)) = (tokens.next(), tokens.next(), tokens.next()) else {
            return Ok(None);
        };
        let tenant = || tenant.parse::<TenantName>().map_err(|error| error.to_string());
        match kind {
            "limit" => {
                let scope = LimitScope::from_key(rest).map_err(|error| error.to_string())?;
                let limit = value.map(serde_json::from_slice).transpose().map_err(|error| error.to_string())?;
                Ok(Some((tenant()?, Self::Limit(scope, limit))))
            }
            "pause" => {
                let scope = PauseScope::from_key(rest).map_err(|error| error.to_string())?;
                Ok(Some((tenant()?, Self::Pause(scope, value.is_some()))))
            }
            _ => Ok(None),
        }
    }
}

impl Book {
    /// Notes an entry. To note it again changes nothing.
    pub fn note(&mut self, entry: Entry) -> Change {
        match entry {
            Entry::Limit(scope, limit) => self.note_limit(scope, limit),
            Entry::Pause(scope, true) => {
                let queues = scope.lot().is_none();
                if self.pauses.insert(scope) && queues { Change::Queues } else { Change::None }
            }
            Entry::Pause(scope, false) => match (self.pauses.remove(&scope), scope.lot()) {
                (true, Some(lot)) => Change::Open(lot),
                (true, None) => Change::Queues,
                (false, _) => Change::None,
            },
        }
    }

    /// Sets how many jobs the tenant's quota lets run at once.
    pub fn set_quota(&mut self, concurrency: Option<u32>) -> Change {
        self.quota = concurrency;
        self.note_limit_of_tenant()
    }

    /// Sets whether the tenant has used up what it may use for now, so that nobody asks for its jobs.
    pub fn set_spent(&mut self, spent: bool) -> Change {
        if std::mem::replace(&mut self.spent, spent) == spent { Change::None } else { Change::Queues }
    }

    fn note_limit_of_tenant(&mut self) -> Change {
        let told = self.told_of_tenant.as_ref();
        let most = [told.and_then(Limit::concurrency), self.quota].into_iter().flatten().min();
        let limit = Limit::new(most, told.and_then(Limit::rate).cloned()).ok();
        self.put_limit(LimitScope::Tenant, limit)
    }

    fn note_limit(&mut self, scope: LimitScope, limit: Option<Limit>) -> Change {
        if scope == LimitScope::Tenant {
            self.told_of_tenant = limit;
            return self.note_limit_of_tenant();
        }
        self.put_limit(scope, limit)
    }

    fn put_limit(&mut self, scope: LimitScope, limit: Option<Limit>) -> Change {
        let before = match &limit {
            Some(limit) => self.limits.insert(scope.clone(), limit.clone()),
            None => self.limits.remove(&scope),
        };
        match (before, limit) {
            (None, _) => Change::None,
            (Some(_), None) => Change::Void(scope),
            (Some(before), Some(after)) if before == after => Change::None,
            (Some(before), Some(after)) if before.rate() != after.rate() || after.concurrency().is_none() => {
                Change::Void(scope)
            }
            (Some(_), Some(_)) => Change::Room(scope),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.pauses.is_empty() && !self.spent
    }

    /// The limit of a scope.
    pub fn limit(&self, scope: &LimitScope) -> Option<&Limit> {
        self.limits.get(scope)
    }

    /// Every limit.
    pub fn limits(&self) -> impl Iterator<Item = (&LimitScope, &Limit)> {
        self.limits.iter()
    }

    /// Whether nobody may ask for the jobs of a queue.
    pub fn is_queue_paused(&self, queue: &QueueName) -> bool {
        self.spent
            || self.pauses.iter().any(|pause| match pause {
                PauseScope::Tenant => true,
                PauseScope::Queue(paused) => paused == queue,
                PauseScope::Task(_) => false,
            })
    }

    fn stopped(&self, queue: &QueueName, task: &TaskName) -> Option<Stopped> {
        if self.is_queue_paused(queue) {
            return Some(Stopped::InQueue);
        }
        let of_task = |pause: &&PauseScope| matches!(pause, PauseScope::Task(paused) if paused == task);
        self.pauses.iter().find(of_task).and_then(PauseScope::lot).map(Stopped::InLot)
    }

    /// What holds for a job; nothing where it may simply run.
    pub fn rules_of(&self, job: &Job) -> Option<JobRules> {
        let stopped = self.stopped(&job.subject.queue, &job.subject.task);
        let applied = |(scope, limit): (&LimitScope, &Limit)| {
            let lot = scope.lot_of(job)?;
            Some(Applied { scope: scope.clone(), lot, limit: limit.clone() })
        };
        let limits: Vec<Applied> = self.limits.iter().filter_map(applied).collect();
        (stopped.is_some() || !limits.is_empty()).then_some(JobRules { stopped, limits })
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;

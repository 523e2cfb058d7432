//! The limits and pauses of all tenants as this worker knows them, and whether its pulls may ask for jobs.
//!
//! They are read once before the first pull, so that a worker which starts while a queue is paused never asks for its
//! jobs, and watched from then on.

use super::control::Change as Told;
use super::lots;
use crate::ports::BrokerError;
use async_nats::Client;
use lovage_job::job::Job;
use lovage_job::limit::{Book, Change, Entry, JobRules, Limit, LimitScope};
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::asset;
use lovage_job::tenant::Spent;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

/// What the control bucket holds of limits and pauses.
pub const PATTERNS: [&str; 2] = ["*.limit.>", "*.pause.>"];
/// The most entries that are read at the start.
const ENTRIES_MAX: usize = 100_000;

/// The limits and pauses of all tenants.
#[derive(Debug)]
pub struct Rules {
    books: RwLock<HashMap<TenantName, Book>>,
    /// Whether there is any book: most workers have none, and their jobs pass without a lock.
    any: AtomicBool,
    /// Whether this worker asks for no jobs at all.
    quiet: AtomicBool,
    /// Told of each change of what may be asked for.
    opened: watch::Sender<u64>,
}

impl Default for Rules {
    fn default() -> Self {
        let (any, quiet) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { books: RwLock::default(), any, quiet, opened: watch::Sender::new(0) }
    }
}

impl Rules {
    /// Reads what there is now.
    pub async fn load(&self, client: &Client) -> Result<(), BrokerError> {
        let stream = format!("KV_{}", asset::CONTROL);
        for pattern in PATTERNS {
            let (filter, mut next, mut seen) = (format!("$KV.{}.{pattern}", asset::CONTROL), 1, 0);
            while seen < ENTRIES_MAX {
                let entries = lots::read(client, &stream, &filter, next, lots::BATCH).await?;
                let Some(last) = entries.last() else { break };
                next = last.sequence + 1;
                seen += entries.len();
                for entry in &entries {
                    let key = entry.subject.splitn(3, '.').nth(2).unwrap_or_default().to_owned();
                    let value = (!entry.is_tombstone()).then(|| entry.message.payload.clone());
                    let _nothing_waits_on_this_worker_yet = self.apply(&Told { key, value });
                }
            }
        }
        Ok(())
    }

    /// Takes a change of the control bucket.
    pub fn apply(&self, told: &Told) -> Option<(TenantName, Change)> {
        let (tenant, entry) = match Entry::parse(&told.key, told.value.as_deref()) {
            Ok(entry) => entry?,
            Err(error) => {
                tracing::warn!(key = told.key, error, "a limit or pause cannot be read and is left out");
                return None;
            }
        };
        let change = self.change(&tenant, |book| book.note(entry));
        Some((tenant, change))
    }

    /// Sets how many jobs a tenant's quota lets run at once. Returns what is to be done because it changed.
    pub fn set_concurrency(&self, tenant: &TenantName, most: Option<u32>) -> Option<Change> {
        let change = self.change(tenant, |book| book.set_quota(most));
        (change != Change::None).then_some(change)
    }

    /// Sets for what a tenant's jobs wait because it has used up what it may use, or that they may run.
    pub fn set_spent(&self, tenant: &TenantName, spent: Option<Spent>) {
        // most tenants, at most times: no lock to write
        if spent.is_none() && (!self.any.load(Ordering::Acquire) || !self.read().contains_key(tenant)) {
            return;
        }
        let change = self.change(tenant, |book| book.set_spent(spent.is_some()));
        match (change, spent) {
            (Change::None, _) => {}
            (_, Some(spent)) => tracing::info!(tenant = %tenant, what = spent.as_str(), "used up: its jobs wait"),
            (_, None) => tracing::info!(tenant = %tenant, "its jobs may run again"),
        }
    }

    fn change(&self, tenant: &TenantName, change: impl FnOnce(&mut Book) -> Change) -> Change {
        let mut books = self.write();
        let book = books.entry(tenant.clone()).or_default();
        let change = change(book);
        if book.is_empty() {
            books.remove(tenant);
        }
        self.any.store(!books.is_empty(), Ordering::Release);
        drop(books);
        if change == Change::Queues {
            self.tell();
        }
        change
    }

    /// What holds for a job.
    pub fn of(&self, job: &Job) -> Option<JobRules> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.read().get(&job.subject.tenant)?.rules_of(job)
    }

    /// The limit of a scope.
    pub fn limit(&self, tenant: &TenantName, scope: &LimitScope) -> Option<Limit> {
        self.read().get(tenant)?.limit(scope).cloned()
    }

    /// Every limit of jobs at once.
    pub fn scopes(&self) -> Vec<(TenantName, LimitScope)> {
        let books = self.read();
        let of = |(tenant, book): (&TenantName, &Book)| {
            let counted = book.limits().filter(|(_, limit)| limit.concurrency().is_some());
            counted.map(|(scope, _)| (tenant.clone(), scope.clone())).collect::<Vec<_>>()
        };
        books.iter().flat_map(of).collect()
    }

    /// Whether the jobs of a queue may be asked for.
    pub fn is_open(&self, tenant: &TenantName, queue: &QueueName) -> bool {
        if self.quiet.load(Ordering::Acquire) {
            return false;
        }
        !self.any.load(Ordering::Acquire) || !self.read().get(tenant).is_some_and(|book| book.is_queue_paused(queue))
    }

    /// Asks for no more jobs, or for jobs again.
    pub fn set_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Release);
        self.tell();
    }

    /// Tells when [`Rules::is_open`] may have changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.opened.subscribe()
    }

    fn tell(&self) {
        self.opened.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<TenantName, Book>> {
        self.books.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<TenantName, Book>> {
        self.books.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(key: &str, value: Option<&'static str>) -> Told {
        Told { key: key.into(), value: value.map(Into::into) }
    }

    #[test]
    fn pauses_and_quiet_close_the_queues_they_name() {
        let (rules, tenant) = (Rules::default(), "acme".parse().unwrap());
        let (mail, slow) = ("mail".parse().unwrap(), "slow".parse().unwrap());
        let mut changes = rules.changes();
        assert!(rules.is_open(&tenant, &mail));
        rules.apply(&told("acme.pause.queue.mail", Some("{}")));
        assert!(!rules.is_open(&tenant, &mail) && rules.is_open(&tenant, &slow));
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        rules.apply(&told("acme.pause.queue.mail", None));
        assert!(rules.is_open(&tenant, &mail) && changes.has_changed().unwrap());
        rules.set_quiet(true);
        assert!(!rules.is_open(&tenant, &mail) && !rules.is_open(&tenant, &slow));
    }

    #[test]
    fn junk_changes_nothing() {
        let rules = Rules::default();
        for (key, value) in [("acme.limit.task.t", "junk"), ("acme.limit.zone.t", "{}"), ("", ""), ("x.pause", "{}")] {
            assert_eq!(rules.apply(&told(key, Some(value))), None, "{key}");
        }
        assert!(!rules.any.load(Ordering::Acquire));
    }
}

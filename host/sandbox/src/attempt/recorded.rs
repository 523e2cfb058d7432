//! Services that keep everything in memory: for a run without a broker, and for tests of tasks. The limits are those of
//! a worker.

pub(crate) mod group;
mod storage;

use self::group::RecordedGroup;
use self::storage::Shelves;
use crate::attempt::services::{Answer, Ask, ChildGroup, ChildId, ChildJob, GroupHeld, Refusal, Services};
use futures::FutureExt;
use futures::future::BoxFuture;
use lovage_job::child::{ChildLimit, ChildName, FANOUT_DEFAULT, child_id, depth_below};
use lovage_job::ledger::{Ledger, stored_name};
use lovage_job::name::{JobId, QueueName, TaskName};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A child that was submitted here and runs nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedChild {
    /// The id that it would have.
    pub id: JobId,
    /// What its job asked for.
    pub job: ChildJob,
}

/// Services in memory, of all attempts of one job.
#[derive(Debug)]
pub struct Recorded {
    parent: JobId,
    depth: u32,
    fanout: u32,
    may_submit: bool,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    children: Vec<RecordedChild>,
    groups: Vec<RecordedGroup>,
    values: BTreeMap<String, Vec<u8>>,
    shelves: Shelves,
    ledger: Ledger,
    submits: u32,
    numbered: u32,
    groups_numbered: u32,
}

impl Recorded {
    /// Nothing recorded yet of the job `parent`.
    pub fn new(parent: JobId) -> Self {
        Self { parent, depth: 0, fanout: FANOUT_DEFAULT, may_submit: true, book: Mutex::default() }
    }

    /// The job lies so deep in jobs that submit jobs.
    #[must_use]
    pub fn depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// The job may have so many children.
    #[must_use]
    pub fn fanout(mut self, fanout: u32) -> Self {
        self.fanout = fanout;
        self
    }

    /// The component was not granted to submit.
    #[must_use]
    pub fn without_grants(mut self) -> Self {
        self.may_submit = false;
        self
    }

    /// Begins another attempt: what was kept and submitted stays.
    pub fn next_attempt(&self) {
        let mut book = self.book();
        (book.submits, book.numbered, book.groups_numbered) = (0, 0, 0);
    }

    /// The children, in the order in which they were first submitted.
    pub fn children(&self) -> Vec<RecordedChild> {
        self.book().children.clone()
    }

    /// What was kept, by key.
    pub fn checkpoints(&self) -> BTreeMap<String, Vec<u8>> {
        self.book().values.clone()
    }

    /// Keeps a value as an earlier attempt would have.
    pub fn keep(&self, key: &str, value: Vec<u8>) -> Result<(), Refusal> {
        let limit = |text: String| Refusal::Limit(text);
        let name = stored_name(key).map_err(|error| limit(error.to_string()))?;
        let mut book = self.book();
        book.ledger.enter(&name, value.len()).map_err(|error| limit(error.to_string()))?;
        book.values.insert(key.to_owned(), value);
        Ok(())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_grant(&self) -> Result<(), Refusal> {
        let denied = || Refusal::Denied("the component was not granted to submit jobs".to_owned());
        self.may_submit.then_some(()).ok_or_else(denied)
    }

    fn submit_child(&self, job: ChildJob) -> Result<ChildId, Refusal> {
        self.check_grant()?;
        let limit = |limit: ChildLimit| Refusal::Limit(limit.to_string());
        depth_below(self.depth).map_err(limit)?;
        let mut book = self.book();
        if book.submits >= self.fanout {
            return Err(limit(ChildLimit::Attempt { most: self.fanout }));
        }
        book.submits += 1;
        let name = match job.key.clone() {
            Some(key) => ChildName::Key(key),
            None => {
                book.numbered += 1;
                ChildName::Number(book.numbered - 1)
            }
        };
        let invalid = |error: lovage_job::name::NameError| Refusal::Invalid(error.to_string());
        job.task.parse::<TaskName>().map_err(invalid)?;
        job.queue.as_ref().map_or(Ok(()), |queue| queue.parse::<QueueName>().map(|_| ())).map_err(invalid)?;
        job.followers().map_err(|error| Refusal::Invalid(error.to_string()))?;
        let id = child_id(&self.parent, &name);
        let existing = book.children.iter().any(|child| child.id == id);
        if !existing {
            book.ledger.room_for_child(self.fanout).map_err(limit)?;
            book.ledger.add_child();
            book.children.push(RecordedChild { id: id.clone(), job });
        }
        Ok(ChildId { id: id.to_string(), existing })
    }
}

impl Services for Recorded {
    fn submit(&self, job: ChildJob) -> BoxFuture<'_, Result<ChildId, Refusal>> {
        let submitted = self.submit_child(job);
        async { submitted }.boxed()
    }

    fn submit_group(&self, group: ChildGroup) -> BoxFuture<'_, Result<GroupHeld, Refusal>> {
        let submitted = self.add_group(group);
        async { submitted }.boxed()
    }

    fn save(&self, key: String, value: Vec<u8>) -> BoxFuture<'_, Result<(), Refusal>> {
        let kept = self.keep(&key, value);
        async { kept }.boxed()
    }

    fn load(&self, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, Refusal>> {
        let found = self.book().values.get(&key).cloned();
        async { Ok(found) }.boxed()
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Refusal>> {
        let answer = self.answer(ask);
        async { answer }.boxed()
    }
}

//! Dead letters: reading and purging them.

use crate::client::Client;
use crate::read::{self, ReadError, Stored};
use crate::scan::{self, Scan};
use lovage_job::dead::DeadLetter;
use lovage_job::name::{JobId, QueueName, TaskName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::subject::{asset, dead_filter};

/// The letters of a page that names no limit.
const LIMIT_DEFAULT: usize = 50;
/// The most letters of a page.
const LIMIT_MAX: usize = 1_000;
/// How many messages one call looks at.
const LOOKED_AT_MAX: usize = 100_000;

/// A dead letter and its place in the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredLetter {
    /// Its sequence in the stream of dead letters.
    pub sequence: u64,
    /// The letter.
    pub letter: DeadLetter,
}

/// Which dead letters; all that is named must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Where the jobs waited.
    pub queue: Option<QueueName>,
    /// What they ran.
    pub task: Option<TaskName>,
    /// How they ended.
    pub outcome: Option<OutcomeKind>,
    /// How many at most; 50 where nothing is said, never more than 1,000.
    pub limit: Option<usize>,
    /// Only letters with a smaller sequence than this, for the next page.
    pub before: Option<u64>,
}

/// Some dead letters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeadPage {
    /// The letters, newest first.
    pub letters: Vec<StoredLetter>,
    /// Whether there are, or may be, more.
    pub more: bool,
}

/// Why nothing became of a dead letter.
#[derive(Debug, thiserror::Error)]
pub enum DeadError {
    /// There is none of this job.
    #[error("job {0} has no dead letter; `lovage dead list` shows those there are")]
    NotFound(JobId),
    /// It is not that of a job.
    #[error("the dead letter of {id} cannot be replayed: {reason}; it never was a job")]
    NotAJob {
        /// The job's id.
        id: JobId,
        /// What is wrong with its subject.
        reason: String,
    },
    /// The stream or a bucket cannot be read or written.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The job cannot be published again; its letter is still there.
    #[error("job {id} was not published again ({reason}); its dead letter is still there, so try again")]
    Publish {
        /// The job.
        id: JobId,
        /// What happened.
        reason: String,
    },
}

impl DeadFilter {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX)
    }

    /// The subjects that the broker selects by.
    fn subjects(&self, client: &Client) -> String {
        let token = |name: Option<&str>| name.unwrap_or("*").to_owned();
        let queue = token(self.queue.as_ref().map(QueueName::as_str));
        let task = token(self.task.as_ref().map(TaskName::as_str));
        format!("lovage.{}.dead.{queue}.{task}.*", client.tenant)
    }

    fn takes(&self, letter: &DeadLetter) -> bool {
        self.outcome.is_none_or(|outcome| letter.error.kind == outcome)
    }
}

impl Client {
    /// Dead letters, newest first. A tenant without any has no stream of them, which is no error.
    pub async fn dead(&self, filter: &DeadFilter) -> Result<DeadPage, ReadError> {
        let scan = Scan { filter: filter.subjects(self), messages_max: LOOKED_AT_MAX };
        let wanted = |stored| letter(stored).ok().filter(|stored| filter.takes(&stored.letter));
        let stream = asset::dead(&self.tenant);
        match scan::newest(&self.nats, &stream, &scan, (filter.limit(), filter.before), wanted).await {
            Ok((letters, more)) => Ok(DeadPage { letters, more }),
            Err(ReadError::Missing { .. }) => Ok(DeadPage::default()),
            Err(error) => Err(error),
        }
    }

    /// The dead letter of a job, the newest where it has several.
    pub async fn dead_show(&self, id: &JobId) -> Result<StoredLetter, DeadError> {
        let scan = Scan { filter: self.dead_subject(id), messages_max: LIMIT_MAX };
        match scan::forward(&self.nats, &asset::dead(&self.tenant), &scan).await {
            Ok(mut found) => Ok(letter(found.pop().ok_or_else(|| DeadError::NotFound(id.clone()))?)?),
            Err(ReadError::Missing { .. }) => Err(DeadError::NotFound(id.clone())),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the dead letters of these jobs for good; returns how many there were.
    pub async fn dead_purge(&self, ids: &[JobId]) -> Result<u64, ReadError> {
        let mut count = 0;
        for id in ids {
            count += read::purge(&self.nats, &asset::dead(&self.tenant), &self.dead_subject(id)).await?;
        }
        Ok(count)
    }

    /// Removes this very letter for good; returns whether it was there.
    pub async fn dead_remove(&self, stored: &StoredLetter) -> Result<bool, ReadError> {
        read::delete(&self.nats, &asset::dead(&self.tenant), stored.sequence).await
    }

    /// Removes every dead letter that the filter takes, whatever its limit; returns how many there were.
    pub async fn dead_purge_all(&self, filter: &DeadFilter) -> Result<u64, ReadError> {
        let stream = asset::dead(&self.tenant);
        match filter {
            DeadFilter { queue: None, task: None, outcome: None, before: None, limit: _ } => {
                read::purge(&self.nats, &stream, &dead_filter(&self.tenant)).await
            }
            DeadFilter { outcome: None, before: None, .. } => {
                read::purge(&self.nats, &stream, &filter.subjects(self)).await
            }
            DeadFilter { .. } => self.dead_delete_each(filter).await,
        }
    }

    async fn dead_delete_each(&self, filter: &DeadFilter) -> Result<u64, ReadError> {
        let mut page_filter = DeadFilter { limit: Some(LIMIT_MAX), ..filter.clone() };
        let mut count = 0;
        loop {
            let page = self.dead(&page_filter).await?;
            for stored in &page.letters {
                count += u64::from(read::delete(&self.nats, &asset::dead(&self.tenant), stored.sequence).await?);
            }
            match page.letters.last() {
                Some(last) if page.more => page_filter.before = Some(last.sequence),
                Some(_) | None => return Ok(count),
            }
        }
    }

    fn dead_subject(&self, id: &JobId) -> String {
        format!("lovage.{}.dead.*.*.{id}", self.tenant)
    }
}

fn letter(stored: Stored) -> Result<StoredLetter, ReadError> {
    let damaged = |error: lovage_job::dead::DeadLetterError| ReadError::Damaged {
        what: stored.subject.clone(),
        reason: error.to_string(),
    };
    let letter = DeadLetter::from_message(&stored.headers, stored.payload.to_vec()).map_err(damaged)?;
    Ok(StoredLetter { sequence: stored.sequence, letter })
}

//! Listing jobs: those that wait, are delayed, or have ended, newest first and bounded.

use crate::client::Client;
use crate::find;
use crate::read::{self, ReadError, Stored};
use crate::result::{decode, results_stream};
use crate::scan::{self, Scan};
use lovage_job::job::Job;
use lovage_job::name::{JobId, QueueName, TaskName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::result::ResultRecord;
use lovage_job::subject::{Lane, asset};
use lovage_job::unit::UnixMs;

/// The jobs of a listing that names no limit.
const LIMIT_DEFAULT: usize = 50;
/// The most jobs of a listing.
const LIMIT_MAX: usize = 1_000;
/// How many messages a listing looks at in each place.
const LOOKED_AT_MAX: usize = 20_000;

/// Where a job is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In its queue; waiting, or run by a worker.
    Queued,
    /// Due later for the first time.
    Delayed {
        /// When.
        due: UnixMs,
    },
    /// Due later for a further attempt.
    WaitingRetry {
        /// When.
        due: UnixMs,
    },
    /// In a lot: it waits for a limit or a pause.
    Held {
        /// When it looks again by itself, at the latest.
        due: UnixMs,
    },
    /// Ended.
    Done(OutcomeKind),
}

/// A kind of place, to filter by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListState {
    /// See [`Place::Queued`].
    Queued,
    /// See [`Place::Delayed`].
    Delayed,
    /// See [`Place::WaitingRetry`].
    WaitingRetry,
    /// See [`Place::Held`].
    Held,
    /// See [`Place::Done`].
    Done,
}

/// Which jobs to list; all that is named must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Where they are.
    pub state: Option<ListState>,
    /// What they run.
    pub task: Option<TaskName>,
    /// Where they wait or waited.
    pub queue: Option<QueueName>,
    /// How they ended; implies that they have.
    pub outcome: Option<OutcomeKind>,
    /// A label that they carry.
    pub tag: Option<String>,
    /// How many at most; 50 where nothing is said, never more than 1,000.
    pub limit: Option<usize>,
}

/// One job in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSummary {
    /// The job.
    pub id: JobId,
    /// Where it is.
    pub place: Place,
    /// What it runs; nothing where the message was no job.
    pub task: Option<TaskName>,
    /// Its queue; nothing where the message was no job.
    pub queue: Option<QueueName>,
    /// Its priority.
    pub lane: Option<Lane>,
    /// The attempt that waits, runs or was the last; 0 where none was made.
    pub attempt: u32,
    /// When it was published.
    pub published: UnixMs,
    /// Since when it is where it is.
    pub since: UnixMs,
    /// Its labels.
    pub tags: Vec<String>,
    /// What it waits for, for people, where it is held.
    pub waits_for: Option<String>,
}

/// A listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs, newest first.
    pub jobs: Vec<JobSummary>,
    /// Whether there are, or may be, more.
    pub more: bool,
}

impl ListFilter {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX)
    }

    fn looks_at(&self, state: ListState) -> bool {
        self.state.is_none_or(|wanted| wanted == state) && (self.outcome.is_none() || state == ListState::Done)
    }

    fn takes(&self, job: &JobSummary) -> bool {
        self.looks_at(job.place.state())
            && self.task.as_ref().is_none_or(|task| job.task.as_ref() == Some(task))
            && self.queue.as_ref().is_none_or(|queue| job.queue.as_ref() == Some(queue))
            && self.outcome.is_none_or(|outcome| job.place == Place::Done(outcome))
            && self.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
    }
}

impl Place {
    /// The kind of this place.
    pub fn state(&self) -> ListState {
        match self {
            Self::Queued => ListState::Queued,
            Self::Delayed { .. } => ListState::Delayed,
            Self::WaitingRetry { .. } => ListState::WaitingRetry,
            Self::Held { .. } => ListState::Held,
            Self::Done(_) => ListState::Done,
        }
    }
}

impl Client {
    /// Lists jobs, newest first. A place that the tenant does not have yet holds none.
    pub async fn list(&self, filter: &ListFilter) -> Result<JobPage, ReadError> {
        let mut page = JobPage::default();
        if filter.looks_at(ListState::Queued) {
            add(&mut page, self.list_queued(filter).await)?;
        }
        if filter.looks_at(ListState::Delayed) || filter.looks_at(ListState::WaitingRetry) {
            add(&mut page, self.list_scheduled(filter).await)?;
        }
        if filter.looks_at(ListState::Held) {
            add(&mut page, self.list_held(filter).await)?;
        }
        if filter.looks_at(ListState::Done) {
            add(&mut page, self.list_done(filter).await)?;
        }
        page.jobs.sort_by_key(|job| std::cmp::Reverse(job.since));
        page.more |= page.jobs.len() > filter.limit();
        page.jobs.truncate(filter.limit());
        Ok(page)
    }

    async fn list_queued(&self, filter: &ListFilter) -> Result<JobPage, ReadError> {
        let stream = asset::jobs(&self.tenant);
        let created = read::facts(&self.nats, &stream).await?.created;
        let queue = filter.queue.as_ref().map_or("*", QueueName::as_str);
        let subjects = format!("lovage.{}.*.{queue}.>", self.tenant);
        self.list_in(&stream, subjects, filter, |stored| queued(stored, created)).await
    }

    async fn list_scheduled(&self, filter: &ListFilter) -> Result<JobPage, ReadError> {
        let subjects = format!("lovage.{}.sched.*.*", self.tenant);
        let scheduled = |stored| scheduled(self, stored);
        self.list_in(&asset::schedules(&self.tenant), subjects, filter, scheduled).await
    }

    async fn list_held(&self, filter: &ListFilter) -> Result<JobPage, ReadError> {
        let subjects = format!("lovage.{}.sched.wait.*.*", self.tenant);
        self.list_in(&asset::schedules(&self.tenant), subjects, filter, |stored| held(self, stored)).await
    }

    async fn list_done(&self, filter: &ListFilter) -> Result<JobPage, ReadError> {
        let subjects = format!("$KV.{}.*", asset::results(&self.tenant));
        self.list_in(&results_stream(self), subjects, filter, done).await
    }

    async fn list_in(
        &self,
        stream: &str,
        subjects: String,
        filter: &ListFilter,
        summary: impl Fn(Stored) -> Option<JobSummary>,
    ) -> Result<JobPage, ReadError> {
        let scan = Scan { filter: subjects, messages_max: LOOKED_AT_MAX };
        let wanted = |stored| summary(stored).filter(|job| filter.takes(job));
        let (jobs, more) = scan::newest(&self.nats, stream, &scan, (filter.limit(), None), wanted).await?;
        Ok(JobPage { jobs, more })
    }
}

fn add(page: &mut JobPage, found: Result<JobPage, ReadError>) -> Result<(), ReadError> {
    match found {
        Ok(found) => {
            page.jobs.extend(found.jobs);
            page.more |= found.more;
            Ok(())
        }
        Err(ReadError::Missing { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn queued(stored: Stored, created: UnixMs) -> Option<JobSummary> {
    let queued = find::queued(stored, created)?;
    Some(of_job(queued.job, Place::Queued, queued.stored.stored))
}

pub(crate) fn scheduled(client: &Client, stored: Stored) -> Option<JobSummary> {
    let (due, since) = (find::due(&stored)?, stored.stored);
    let place = match find::attempt(&stored) {
        1 => Place::Delayed { due },
        _ => Place::WaitingRetry { due },
    };
    let subject = find::target(&stored, &client.tenant)?.to_string();
    let queued = find::queued(Stored { subject, ..stored }, UnixMs(0))?;
    Some(of_job(queued.job, place, since))
}

pub(crate) fn held(client: &Client, stored: Stored) -> Option<JobSummary> {
    let (due, since, waits_for) = (find::due(&stored)?, stored.stored, find::waits_for(&stored));
    let subject = find::target(&stored, &client.tenant)?.to_string();
    let queued = find::queued(Stored { subject, ..stored }, UnixMs(0))?;
    Some(JobSummary { waits_for, ..of_job(queued.job, Place::Held { due }, since) })
}

pub(crate) fn of_job(job: Job, place: Place, since: UnixMs) -> JobSummary {
    JobSummary {
        id: job.id,
        place,
        task: Some(job.subject.task),
        queue: Some(job.subject.queue),
        lane: Some(job.subject.lane),
        attempt: job.attempt,
        published: job.published,
        since,
        tags: job.wishes.tags,
        waits_for: None,
    }
}

fn done(stored: Stored) -> Option<JobSummary> {
    if stored.is_tombstone() {
        return None;
    }
    let ResultRecord { id, task, queue, lane, outcome, attempt, published, finished, tags, .. } =
        decode(stored).ok()?.record;
    let (place, since, waits_for) = (Place::Done(outcome), finished, None);
    Some(JobSummary { id, place, task, queue, lane, attempt, published, since, tags, waits_for })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(place: Place) -> JobSummary {
        JobSummary {
            id: "j".parse().unwrap(),
            place,
            task: Some("add".parse().unwrap()),
            queue: Some("mail".parse().unwrap()),
            lane: Some(Lane::Normal),
            attempt: 1,
            published: UnixMs(1),
            since: UnixMs(1),
            tags: vec!["a".into()],
            waits_for: None,
        }
    }

    #[test]
    fn every_part_of_a_filter_must_hold() {
        let done = job(Place::Done(OutcomeKind::Failed));
        let all = ListFilter {
            state: Some(ListState::Done),
            task: Some("add".parse().unwrap()),
            queue: Some("mail".parse().unwrap()),
            outcome: Some(OutcomeKind::Failed),
            tag: Some("a".into()),
            limit: None,
        };
        assert!(all.takes(&done) && ListFilter::default().takes(&done));
        for other in [
            ListFilter { state: Some(ListState::Queued), ..all.clone() },
            ListFilter { task: Some("sub".parse().unwrap()), ..all.clone() },
            ListFilter { queue: Some("default".parse().unwrap()), ..all.clone() },
            ListFilter { outcome: Some(OutcomeKind::Completed), ..all.clone() },
            ListFilter { tag: Some("b".into()), ..all.clone() },
        ] {
            assert!(!other.takes(&done), "{other:?}");
        }
    }

    #[test]
    fn an_outcome_means_ended_jobs() {
        let filter = ListFilter { outcome: Some(OutcomeKind::Failed), ..ListFilter::default() };
        assert!(filter.looks_at(ListState::Done) && !filter.looks_at(ListState::Queued));
        assert!(!filter.takes(&job(Place::Queued)));
    }

    #[test]
    fn limits_are_bounded() {
        let limit = |limit| ListFilter { limit, ..ListFilter::default() }.limit();
        assert_eq!([limit(None), limit(Some(1_000)), limit(Some(1_001))], [50, 1_000, 1_000]);
    }
}

//! Picking the jobs that have not ended, many of them, by a filter: a walk from the oldest to the newest that was there
//! when it began, in pages, so that it is bounded in memory and ends however many jobs come meanwhile.
//!
//! A picked job is cancelled where it was seen, by its place in its stream: three requests, where a cancel by id has to
//! look everywhere. Where it has moved meanwhile, the cancel by id does it.

use crate::cancel::{CancelError, CancelOptions, CancelOutcome, REASON_LENGTH_MAX};
use crate::client::Client;
use crate::find;
use crate::list::{JobSummary, ListState, held, of_job, scheduled};
use crate::read::{self, ReadError, Stored};
use crate::scan;
use lovage_job::flow::Led;
use lovage_job::job::Job;
use lovage_job::name::{QueueName, TaskName};
use lovage_job::subject::asset;
use lovage_job::unit::UnixMs;
use std::collections::VecDeque;
use std::time::Duration;

/// Messages of one page.
const PAGE: usize = 1_024;
/// The kinds of schedules that hold jobs; ticks hold none.
const SCHEDULES: [&str; 3] = ["delay.*", "retry.*", "wait.*.*"];

/// Which jobs that have not ended; all that is named must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PickFilter {
    /// Where they are; of those that have ended there are none.
    pub state: Option<ListState>,
    /// What they run.
    pub task: Option<TaskName>,
    /// Where they wait.
    pub queue: Option<QueueName>,
    /// A label that they carry.
    pub tag: Option<String>,
    /// Published before this.
    pub published_before: Option<UnixMs>,
}

/// A job and where it was seen.
#[derive(Debug, Clone)]
pub struct Picked {
    /// The job.
    pub summary: JobSummary,
    job: Job,
    stream: String,
    sequence: u64,
}

/// A walk over the jobs that a filter takes.
#[derive(Debug)]
pub struct Pick {
    client: Client,
    filter: PickFilter,
    ways: VecDeque<Way>,
}

/// What is left to walk of one stream.
#[derive(Debug)]
struct Way {
    stream: String,
    subjects: String,
    next: u64,
    last: u64,
    created: UnixMs,
    queued: bool,
}

impl PickFilter {
    fn takes(&self, job: &JobSummary) -> bool {
        self.state.is_none_or(|state| job.place.state() == state)
            && self.task.as_ref().is_none_or(|task| job.task.as_ref() == Some(task))
            && self.queue.as_ref().is_none_or(|queue| job.queue.as_ref() == Some(queue))
            && self.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
            && self.published_before.is_none_or(|before| job.published < before)
    }
}

impl Client {
    /// Begins a walk over the jobs that the filter takes and that are there now. Streams that the tenant does not have
    /// yet hold none.
    pub async fn pick(&self, filter: PickFilter) -> Result<Pick, ReadError> {
        let mut ways = VecDeque::new();
        // jobs move from the schedules to the queue, so those are walked first
        let looks_at = |queued: bool| filter.state.is_none_or(|state| queued == (state == ListState::Queued));
        if looks_at(false) && filter.state != Some(ListState::Done) {
            let stream = asset::schedules(&self.tenant);
            for kind in SCHEDULES {
                let subjects = format!("lovage.{}.sched.{kind}", self.tenant);
                ways.extend(self.way(&stream, subjects, false).await?);
            }
        }
        if looks_at(true) {
            let queue = filter.queue.as_ref().map_or("*", QueueName::as_str);
            let subjects = format!("lovage.{}.*.{queue}.>", self.tenant);
            ways.extend(self.way(&asset::jobs(&self.tenant), subjects, true).await?);
        }
        Ok(Pick { client: self.clone(), filter, ways })
    }

    async fn way(&self, stream: &str, subjects: String, queued: bool) -> Result<Option<Way>, ReadError> {
        match read::facts(&self.nats, stream).await {
            Ok(facts) => {
                let (next, last, created) = (facts.first.max(1), facts.last, facts.created);
                Ok(Some(Way { stream: stream.to_owned(), subjects, next, last, created, queued }))
            }
            Err(ReadError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Cancels a job where it was seen. Safe to repeat.
    pub async fn cancel_picked(&self, picked: &Picked, options: &CancelOptions) -> Result<CancelOutcome, CancelError> {
        let (id, reason) = (&picked.summary.id, options.reason.chars().take(REASON_LENGTH_MAX).collect::<String>());
        let queued = picked.summary.place.state() == ListState::Queued;
        // what leads on to something is followed up before it is taken out
        if queued && !options.grace.is_zero() || Led::of(&picked.job, &[]).is_some() {
            return self.cancel_with(id, options).await;
        }
        // what is queued may run: its worker hears of it by the mark. What is scheduled has no worker, and is either
        // removed here or has moved on
        if queued {
            self.mark_cancelled(id, &reason, Duration::ZERO).await?;
        }
        if read::delete(&self.nats, &picked.stream, picked.sequence).await? {
            return self.write_end(id, Some(picked.job.clone()), reason).await;
        }
        self.cancel_with(id, options).await
    }
}

impl Pick {
    /// The next jobs, perhaps none of a page; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Picked>>, ReadError> {
        let Some(way) = self.ways.front_mut() else { return Ok(None) };
        let messages = scan::stretch(&self.client.nats, &way.stream, &way.subjects, way.next, way.last, PAGE).await?;
        let picked = messages.iter().filter_map(|stored| picked(&self.client, way, stored.clone()));
        let picked: Vec<_> = picked.filter(|picked| self.filter.takes(&picked.summary)).collect();
        match messages.last() {
            Some(last) if messages.len() >= PAGE && last.sequence < way.last => way.next = last.sequence + 1,
            Some(_) | None => {
                self.ways.pop_front();
            }
        }
        Ok(Some(picked))
    }
}

fn picked(client: &Client, way: &Way, stored: Stored) -> Option<Picked> {
    let (stream, sequence, since) = (way.stream.clone(), stored.sequence, stored.stored);
    if way.queued {
        let job = find::queued(stored, way.created)?.job;
        let summary = of_job(job.clone(), crate::list::Place::Queued, since);
        return Some(Picked { summary, job, stream, sequence });
    }
    let subject = find::target(&stored, &client.tenant)?.to_string();
    let job = find::queued(Stored { subject, ..stored.clone() }, UnixMs(0))?.job;
    let summary = match find::waits_for(&stored).is_some() {
        true => held(client, stored)?,
        false => scheduled(client, stored)?,
    };
    Some(Picked { summary, job, stream, sequence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Place;
    use lovage_job::subject::Lane;

    #[test]
    fn every_part_of_a_filter_must_hold() {
        let job = JobSummary {
            id: "j".parse().unwrap(),
            place: Place::Delayed { due: UnixMs(9) },
            task: Some("add".parse().unwrap()),
            queue: Some("mail".parse().unwrap()),
            lane: Some(Lane::Normal),
            attempt: 1,
            published: UnixMs(5),
            since: UnixMs(5),
            tags: vec!["a".into()],
            waits_for: None,
        };
        let all = PickFilter {
            state: Some(ListState::Delayed),
            task: Some("add".parse().unwrap()),
            queue: Some("mail".parse().unwrap()),
            tag: Some("a".into()),
            published_before: Some(UnixMs(6)),
        };
        assert!(all.takes(&job) && PickFilter::default().takes(&job));
        for other in [
            PickFilter { state: Some(ListState::Queued), ..all.clone() },
            PickFilter { task: Some("sub".parse().unwrap()), ..all.clone() },
            PickFilter { queue: Some("default".parse().unwrap()), ..all.clone() },
            PickFilter { tag: Some("b".into()), ..all.clone() },
            PickFilter { published_before: Some(UnixMs(5)), ..all.clone() },
        ] {
            assert!(!other.takes(&job), "{other:?}");
        }
    }
}

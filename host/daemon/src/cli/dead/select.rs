//! Walking over dead letters, newest first and page by page: what the broker cannot select by is looked at here.

use super::super::exit::OrExit;
use super::super::job::outcome;
use super::super::submit::span_or_time;
use super::super::{Exit, Failure};
use crate::clock::now;
use clap::Args;
use lovage_client::{Client, DeadFilter, StoredLetter, When};
use lovage_job::name::{QueueName, TaskName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::unit::UnixMs;

/// Letters of a page: they come with their payloads.
const PAGE: usize = 100;
/// How much of a payload is searched.
const SEARCHED_BYTES: usize = 256 << 10;
/// The longest text to search for.
const TEXT_BYTES_MAX: usize = 256;

/// Which dead letters; all that is given must hold.
#[derive(Debug, Clone, Args)]
pub struct FilterArgs {
    /// What the jobs ran.
    #[arg(long, value_name = "TASK")]
    pub(super) task: Option<TaskName>,
    /// Where they waited.
    #[arg(long, value_name = "QUEUE")]
    pub(super) queue: Option<QueueName>,
    /// How they ended, such as failed, trapped or out-of-fuel.
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    pub(super) reason: Option<OutcomeKind>,
    /// Buried no longer ago than this span, or no earlier than this time.
    #[arg(long, value_name = "SPAN|TIME", value_parser = span_or_time)]
    pub(super) since: Option<When>,
    /// Buried at least so long ago, or no later than this time.
    #[arg(long, value_name = "SPAN|TIME", value_parser = span_or_time)]
    pub(super) until: Option<When>,
    /// A text in their error, subject or the first 256 KiB of their payload, in any case.
    #[arg(long, value_name = "TEXT", value_parser = text)]
    pub(super) text: Option<String>,
    /// How many at most, the newest first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
}

fn text(text: &str) -> Result<String, String> {
    match text.len() {
        1..=TEXT_BYTES_MAX => Ok(text.to_lowercase()),
        length => Err(format!("a text has 1 to {TEXT_BYTES_MAX} bytes, and this one has {length}")),
    }
}

/// The time that is meant by a span before now, or by itself.
fn ago(when: When) -> UnixMs {
    match when {
        When::In(span) => UnixMs(now().0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))),
        When::At(time) => time,
    }
}

impl FilterArgs {
    /// Whether anything is given.
    pub(super) fn is_some(&self) -> bool {
        let Self { task, queue, reason, since, until, text, limit } = self;
        let (any_name, any_time) = (task.is_some() || queue.is_some(), since.is_some() || until.is_some());
        any_name || any_time || reason.is_some() || text.is_some() || limit.is_some()
    }
}

/// A walk over the letters that a filter takes.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    filter: DeadFilter,
    since: Option<UnixMs>,
    until: Option<UnixMs>,
    text: Option<String>,
    left: Option<usize>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Walking,
    AtTheEnd,
    AtTheLimit,
}

impl Walk {
    /// From the newest letter on, over at most `limit` where the filter names no other limit.
    pub(super) fn new(args: &FilterArgs, limit: Option<usize>) -> Self {
        let filter = DeadFilter {
            queue: args.queue.clone(),
            task: args.task.clone(),
            outcome: args.reason,
            limit: Some(PAGE),
            before: None,
        };
        let (since, until) = (args.since.map(ago), args.until.map(ago));
        let own = args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self { filter, since, until, text: args.text.clone(), left: own.or(limit), state: State::Walking }
    }

    /// This walk from the letter with this sequence on, so that what is buried meanwhile is left alone.
    pub(super) fn from(mut self, newest: u64) -> Self {
        self.filter.before = Some(newest.saturating_add(1));
        self
    }

    /// Whether it ended at its limit, so that there may be more.
    pub(super) fn more(&self) -> bool {
        self.state == State::AtTheLimit
    }

    /// The next letters, perhaps none of a page; nothing at the end.
    pub(super) async fn next(&mut self, client: &Client) -> Result<Option<Vec<StoredLetter>>, Failure> {
        if self.state != State::Walking {
            return Ok(None);
        }
        let page = client.dead(&self.filter).await.or_exit(Exit::Broker)?;
        self.filter.before = page.letters.last().map(|last| last.sequence);
        if !page.more || page.letters.is_empty() {
            self.state = State::AtTheEnd;
        }
        let mut taken = Vec::new();
        for stored in page.letters {
            if self.since.is_some_and(|since| stored.letter.buried < since) {
                self.state = State::AtTheEnd;
                break;
            }
            if self.until.is_some_and(|until| stored.letter.buried > until) || !self.has_text(&stored) {
                continue;
            }
            if self.left == Some(0) {
                self.state = State::AtTheLimit;
                break;
            }
            self.left = self.left.map(|left| left - 1);
            taken.push(stored);
        }
        Ok(Some(taken))
    }

    fn has_text(&self, stored: &StoredLetter) -> bool {
        let Some(text) = &self.text else { return true };
        let letter = &stored.letter;
        let within = |place: &str| place.to_lowercase().contains(text);
        let details = || letter.error.details.as_ref().is_some_and(|details| within(&details.to_string()));
        within(&letter.error.message)
            || within(&letter.subject)
            || details()
            || within(&String::from_utf8_lossy(letter.payload.get(..SEARCHED_BYTES).unwrap_or(&letter.payload)))
    }
}

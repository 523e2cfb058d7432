//! The list of jobs: those that have not ended, from the broker; those that have, from the history.

use super::super::answer::{Answer, page};
use super::super::shell::Shell;
use super::super::text::filters;
use super::super::visit::Visit;
use super::rows::{Row, RunningIds};
use crate::http::problem::{Code, Problem};
use askama::Template;
use lovage_client::{ListFilter, ListState};
use lovage_history::{Count, JobFilter, PageRequest};
use lovage_job::outcome::OutcomeKind;
use lovage_job::unit::{UnixMs, parse_span};
use std::collections::BTreeMap;
use std::time::Duration;

/// Rows of a page.
const ROWS: u32 = 50;
/// Jobs that have not ended on the first page.
const LIVE_MAX: usize = 50;
/// What is counted exactly.
const COUNT_MAX: u64 = 10_000;

/// The states to choose from, beside outcomes.
const STATES: [(&str, &str, Option<ListState>); 5] = [
    ("queued", "queued or running", Some(ListState::Queued)),
    ("held", "held", Some(ListState::Held)),
    ("delayed", "delayed", Some(ListState::Delayed)),
    ("retry", "waits to retry", Some(ListState::WaitingRetry)),
    ("ended", "ended", Some(ListState::Done)),
];
/// Dead letters, as a state.
const DEAD: &str = "dead";

#[derive(Template)]
#[template(path = "jobs.html")]
struct Page {
    shell: Shell,
    total: String,
    states: Vec<(&'static str, String)>,
    filter: Filter,
    filter_query: String,
    tasks: Vec<String>,
    note: Option<String>,
    every: u32,
    rows: Vec<Row>,
    next: String,
    live_state: bool,
    now: UnixMs,
}

/// What was asked for, as it was written.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The state.
    pub state: String,
    /// The task.
    pub task: String,
    /// The queue.
    pub queue: String,
    /// The beginning of the id.
    pub id: String,
    /// A part of the error.
    pub error: String,
    /// A label.
    pub tag: String,
    /// The version.
    pub version: String,
    /// The worker.
    pub worker: String,
    /// How long ago it ended at most.
    pub within: String,
    /// How long it took at least.
    pub slower: String,
}

impl Filter {
    /// Of an address.
    pub fn of(query: &BTreeMap<String, String>) -> Self {
        let given = |name: &str| query.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
        Self {
            state: given("state"),
            task: given("task"),
            queue: given("queue"),
            id: given("id"),
            error: given("error"),
            tag: given("tag"),
            version: given("version"),
            worker: given("worker"),
            within: given("within"),
            slower: given("slower"),
        }
    }

    fn pairs(&self) -> [(&'static str, &str); 10] {
        [
            ("state", &self.state),
            ("task", &self.task),
            ("queue", &self.queue),
            ("id", &self.id),
            ("error", &self.error),
            ("tag", &self.tag),
            ("version", &self.version),
            ("worker", &self.worker),
            ("within", &self.within),
            ("slower", &self.slower),
        ]
    }

    /// As an address says it.
    pub fn query(&self, tenant: Option<&str>, after: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let more = [("tenant", tenant.unwrap_or_default()), ("after", after.unwrap_or_default())];
        for (name, value) in self.pairs().into_iter().chain(more).filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.finish()
    }

    /// Whether any of the rarer filters is set.
    pub fn more(&self) -> bool {
        [&self.version, &self.worker, &self.within, &self.slower].iter().any(|text| !text.is_empty())
    }

    /// Whether only jobs that have ended can be meant.
    fn only_ended(&self) -> bool {
        let ended = OutcomeKind::parse(&self.state).is_some() || self.state == "ended" || self.state == DEAD;
        ended || self.more() || !self.id.is_empty() || !self.error.is_empty()
    }

    /// Where jobs are that have not ended.
    pub fn live(&self) -> Result<Option<ListFilter>, Problem> {
        if self.only_ended() {
            return Ok(None);
        }
        let state = STATES.iter().find(|(value, ..)| *value == self.state).and_then(|(.., state)| *state);
        let (task, queue, tag) = (name(&self.task)?, name(&self.queue)?, text(&self.tag));
        Ok(Some(ListFilter { state, task, queue, outcome: None, tag, limit: Some(LIVE_MAX) }))
    }

    /// Which jobs of the history are meant.
    pub fn ended(&self, now: UnixMs) -> Result<Option<JobFilter>, Problem> {
        let live = STATES.iter().any(|(value, ..)| *value == self.state && *value != "ended");
        if live {
            return Ok(None);
        }
        let from = span(&self.within)?.map(|span| UnixMs(now.0.saturating_sub(span.as_millis() as u64)));
        Ok(Some(JobFilter {
            task: name(&self.task)?,
            queue: name(&self.queue)?,
            outcomes: OutcomeKind::parse(&self.state).into_iter().collect(),
            version: name(&self.version)?,
            worker: text(&self.worker),
            tag: text(&self.tag),
            dead: (self.state == DEAD).then_some(true),
            id_prefix: text(&self.id),
            error_text: text(&self.error),
            finished_from: from,
            slower_than: span(&self.slower)?,
            ..JobFilter::default()
        }))
    }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn name<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<Option<T>, Problem> {
    let parsed = (!text.is_empty()).then(|| text.parse()).transpose();
    parsed.map_err(|error| Problem::new(Code::BadRequest, error))
}

fn span(text: &str) -> Result<Option<Duration>, Problem> {
    let parsed = (!text.is_empty()).then(|| parse_span(text)).transpose();
    parsed.map_err(|error| Problem::new(Code::BadRequest, error))
}

/// The states to choose from.
fn states() -> Vec<(&'static str, String)> {
    let plain = STATES.iter().map(|(value, label, _)| (*value, (*label).to_owned()));
    let outcomes = OutcomeKind::ALL.iter().map(|outcome| (outcome.as_str(), outcome.as_str().to_owned()));
    let any = ("", "any".to_owned());
    [any].into_iter().chain(plain).chain(outcomes).chain([(DEAD, "dead letter".to_owned())]).collect()
}

/// `GET /jobs`
pub async fn show(visit: Visit) -> Answer {
    let shell = visit.shell("jobs", "Jobs");
    let filter = Filter::of(&visit.query);
    let found = find(&visit, &filter).await;
    let (found, note) = match found {
        Ok(found) => (found, None),
        // what was written stays on the page, to be put right
        Err(problem) if problem.code == Code::BadRequest => (Found::default(), Some(problem.detail)),
        Err(problem) => return Err(problem),
    };
    let client = visit.client(&visit.one_tenant());
    let tasks = client.tasks().await.map_err(Problem::broker)?;
    let next = found.next.map(|cursor| format!("/jobs?{}", filter.query(shell.tenant.as_deref(), Some(&cursor))));
    let template = Page {
        total: found.total,
        states: states(),
        filter_query: filter.query(shell.tenant.as_deref(), None),
        live_state: visit.tenant.is_some() && !filter.only_ended(),
        filter,
        tasks: tasks.iter().map(|task| task.task.to_string()).collect(),
        note: note.or(found.note),
        every: 3,
        rows: found.rows,
        next: next.unwrap_or_default(),
        now: visit.now,
        shell,
    };
    page(&visit, &template)
}

#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    next: Option<String>,
    total: String,
    note: Option<String>,
}

async fn find(visit: &Visit, filter: &Filter) -> Result<Found, Problem> {
    let mut found = Found::default();
    let after = visit.asked("after");
    let history = visit.history().await;
    let (live, ended) = (filter.live()?, filter.ended(visit.now)?);
    if let (Some(mut live), Some(tenant), None) = (live, &visit.tenant, after) {
        let running = running(visit).await;
        // with a history only those that have not ended are asked of the broker
        let states: &[ListState] = match (live.state, history) {
            (None, Some(_)) => &[ListState::Queued, ListState::Held, ListState::Delayed, ListState::WaitingRetry],
            _ => &[],
        };
        let client = visit.client(tenant);
        let mut jobs = Vec::new();
        for state in states {
            live.state = Some(*state);
            jobs.extend(client.list(&live).await.map_err(Problem::broker)?.jobs);
        }
        if states.is_empty() {
            jobs = client.list(&live).await.map_err(Problem::broker)?.jobs;
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(job.since));
        jobs.truncate(LIVE_MAX);
        found.rows.extend(jobs.iter().map(|job| Row::of(tenant, job, &running)));
    }
    let Some(ended) = ended else { return Ok(found) };
    match history {
        Some(store) => {
            let after = after.map(|text| text.parse()).transpose();
            let after = after.map_err(|error| Problem::new(Code::BadCursor, error))?;
            let (scope, request) = (visit.scope(), PageRequest { limit: ROWS, after });
            let page = store.jobs(&scope, &ended, &request).await?;
            let Count { jobs, exact } = store.count(&scope, &ended, COUNT_MAX).await?;
            let more = if exact { "" } else { "+" };
            found.total = format!("{}{more} ended", super::super::text::count(jobs));
            found.rows.extend(page.items.iter().map(Row::ended));
            found.next = page.next.map(|cursor| cursor.to_string());
        }
        None if filter.only_ended() => broker_alone(visit, filter, &mut found).await?,
        None => {}
    }
    Ok(found)
}

/// Without a history, what the broker still has of jobs that ended.
async fn broker_alone(visit: &Visit, filter: &Filter, found: &mut Found) -> Result<(), Problem> {
    let tenant = visit.one_tenant();
    let list = ListFilter {
        state: Some(ListState::Done),
        task: name(&filter.task)?,
        queue: name(&filter.queue)?,
        outcome: OutcomeKind::parse(&filter.state),
        tag: text(&filter.tag),
        limit: Some(LIVE_MAX),
    };
    let page = visit.client(&tenant).list(&list).await.map_err(Problem::broker)?;
    let fits = |row: &&Row| row.id.starts_with(&filter.id);
    let rows: Vec<Row> = page.jobs.iter().map(|job| Row::of(&tenant, job, &RunningIds::new())).collect();
    found.rows.extend(rows.iter().filter(fits).cloned());
    let words = match visit.site.past.is_kept() {
        true => "The history does not answer now: only results that the broker still keeps are listed.",
        false => "There is no history: only results that the broker still keeps are listed.",
    };
    found.note = Some(words.to_owned());
    Ok(())
}

/// The jobs that workers say they run.
pub async fn running(visit: &Visit) -> RunningIds {
    let picture = visit.state.picture().await;
    let jobs = picture.iter().flat_map(|picture| picture.workers.iter().flat_map(|worker| worker.jobs.iter()));
    jobs.map(|job| (job.tenant.clone(), job.id.clone())).collect()
}

//! Dead letters: by reason, and one by one.

use super::super::answer::{Answer, page};
use super::super::shell::Shell;
use super::super::text::{self, filters};
use super::super::visit::Visit;
use crate::http::problem::{Code, Problem};
use askama::Template;
use lovage_client::{Client, DeadFilter, StoredLetter};
use lovage_job::dead::DeadLetter;
use lovage_job::name::{JobId, TenantName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::unit::UnixMs;
use std::collections::BTreeMap;

/// Letters that are read to be grouped: the newest.
const READ_MAX: usize = 1_000;
/// Letters of a page.
const ROWS: usize = 50;
/// Groups that are shown.
const GROUPS_MAX: usize = 50;
/// How much of a message makes a group.
const MESSAGE_CHARS: usize = 120;

#[derive(Template)]
#[template(path = "dead.html")]
struct Page {
    shell: Shell,
    total: String,
    groups: Vec<Group>,
    letters: Vec<Row>,
    letters_read: u64,
    partial: bool,
    bulk_action: String,
    next: String,
    now: UnixMs,
}

struct Group {
    outcome: &'static str,
    task: String,
    /// What makes the group.
    reason: String,
    /// What one of its letters says.
    message: String,
    count: u64,
    last: UnixMs,
}

struct Row {
    id: String,
    link: String,
    outcome: &'static str,
    task: String,
    queue: String,
    attempts: u32,
    at: UnixMs,
    message: String,
}

fn place(letter: &DeadLetter) -> (String, String) {
    let place = letter.place();
    place.map(|(queue, task)| (queue.to_string(), task.to_string())).unwrap_or_default()
}

/// What letters are grouped by: figures in a message are no reason to tell them apart.
fn reason(letter: &DeadLetter) -> String {
    let mut text = String::new();
    for c in letter.error.message.chars().take(MESSAGE_CHARS) {
        match c {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            other => text.push(other),
        }
    }
    text
}

/// `GET /dead`
pub async fn show(visit: Visit) -> Answer {
    let tenant = visit.one_tenant();
    let client = visit.client(&tenant);
    let before = visit.asked("before").map(str::parse).transpose();
    let before: Option<u64> = before.map_err(|error| Problem::new(Code::BadCursor, error))?;
    let filter = DeadFilter { limit: Some(READ_MAX), before, ..DeadFilter::default() };
    let found = client.dead(&filter).await.map_err(Problem::broker)?;
    let groups = match before {
        None => groups(&found.letters),
        Some(_) => Vec::new(),
    };
    let shown: Vec<&StoredLetter> = found.letters.iter().take(ROWS).collect();
    let more = found.more || found.letters.len() > ROWS;
    let last = shown.last().filter(|_| more).map(|stored| stored.sequence);
    let read = u64::try_from(found.letters.len()).unwrap_or(u64::MAX);
    let template = Page {
        shell: visit.shell("dead", "Dead letters"),
        total: format!("{}{} letters of {tenant}", text::count(read), if found.more { "+" } else { "" }),
        groups,
        letters: shown.into_iter().map(|stored| row(&tenant, &stored.letter)).collect(),
        letters_read: read,
        partial: found.more && before.is_none(),
        bulk_action: format!("/dead/{tenant}/bulk"),
        next: last.map(|last| format!("/dead?tenant={tenant}&before={last}")).unwrap_or_default(),
        now: visit.now,
    };
    page(&visit, &template)
}

fn groups(letters: &[StoredLetter]) -> Vec<Group> {
    let mut groups: BTreeMap<(&'static str, String, String), Group> = BTreeMap::new();
    for stored in letters {
        let letter = &stored.letter;
        let (outcome, task, reason) = (letter.error.kind.as_str(), place(letter).1, reason(letter));
        let group = groups.entry((outcome, task.clone(), reason.clone())).or_insert_with(|| {
            let message = letter.error.message.chars().take(300).collect();
            Group { outcome, task, reason, message, count: 0, last: letter.buried }
        });
        group.count += 1;
        group.last = group.last.max(letter.buried);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse((group.count, group.last)));
    groups.truncate(GROUPS_MAX);
    groups
}

fn row(tenant: &TenantName, letter: &DeadLetter) -> Row {
    let (queue, task) = place(letter);
    Row {
        id: letter.id.to_string(),
        link: format!("/jobs/{tenant}/{}", letter.id),
        outcome: letter.error.kind.as_str(),
        task,
        queue,
        attempts: letter.trail.0.last().map_or(0, |record| record.attempt),
        at: letter.buried,
        message: letter.error.message.chars().take(300).collect(),
    }
}

/// The letters of a group, and whether there are more than are taken at once.
pub async fn wanted_letters(
    visit: &Visit,
    tenant: &TenantName,
    (task, outcome, message): (&str, &str, &str),
    most: usize,
) -> Result<(Vec<JobId>, bool), Problem> {
    let client: Client = visit.client(tenant);
    let task = (!task.is_empty()).then(|| task.parse()).transpose();
    let task = task.map_err(|error| Problem::new(Code::BadRequest, error))?;
    let outcome = OutcomeKind::parse(outcome);
    let mut filter = DeadFilter { task, outcome, limit: Some(READ_MAX), ..DeadFilter::default() };
    let mut ids = Vec::new();
    loop {
        let found = client.dead(&filter).await.map_err(Problem::broker)?;
        let of_group = found.letters.iter().filter(|stored| message.is_empty() || reason(&stored.letter) == message);
        ids.extend(of_group.map(|stored| stored.letter.id.clone()));
        if ids.len() > most {
            ids.truncate(most);
            return Ok((ids, true));
        }
        match found.letters.last() {
            Some(last) if found.more => filter.before = Some(last.sequence),
            Some(_) | None => return Ok((ids, false)),
        }
    }
}

//! What happened to a job, in order, from what is known of it.

use super::super::text;
use lovage_client::JobState;
use lovage_history::{Attempt, JobDetail};
use lovage_job::outcome::{Meter, OutcomeKind, Tally};
use lovage_job::result::JobResult;
use lovage_job::trail::{AttemptRecord, Trail};
use lovage_job::unit::UnixMs;
use std::time::Duration;

/// One step.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// The class of its mark.
    pub class: &'static str,
    /// What happened.
    pub title: String,
    /// When.
    pub at: Option<UnixMs>,
    /// How long it took.
    pub took: String,
    /// Who ran it.
    pub worker: String,
    /// What ran.
    pub version: String,
    /// What there is to say.
    pub detail: String,
    /// What it used.
    pub meter: String,
}

/// Fuel, memory and traffic.
pub fn meter(meter: &Meter) -> String {
    let egress = match meter.egress_bytes {
        0 => String::new(),
        bytes => format!(" · egress {}", text::bytes(bytes)),
    };
    format!("fuel {} · memory {}{egress}", text::fuel(meter.fuel_used), text::bytes(meter.memory_peak_bytes))
}

fn attempt(number: u32, outcome: OutcomeKind, started: UnixMs, used: &Meter) -> Step {
    Step {
        class: match outcome.tally() {
            Tally::Completed => "ok",
            Tally::Failed => "bad",
            Tally::Other => "",
        },
        title: format!("attempt {number}: {}", outcome.as_str()),
        at: Some(started),
        took: format!("took {}", text::micros(used.wall_us)),
        meter: meter(used),
        ..Step::default()
    }
}

fn of_record(record: &AttemptRecord) -> Step {
    Step {
        worker: record.worker.clone(),
        version: record.digest.as_ref().map(|digest| digest.short().to_string()).unwrap_or_default(),
        detail: record.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
        ..attempt(record.attempt, record.outcome, record.started, &record.meter)
    }
}

fn of_history(one: &Attempt) -> Step {
    Step {
        worker: one.worker.clone(),
        version: one.digest.as_ref().map(|digest| digest.short().to_string()).unwrap_or_default(),
        detail: one.error_message.clone().unwrap_or_default(),
        ..attempt(one.attempt, one.outcome, one.started, &one.meter)
    }
}

fn published(at: UnixMs) -> Step {
    Step { title: "published".to_owned(), at: Some(at), ..Step::default() }
}

fn ended(outcome: OutcomeKind, at: UnixMs, dead: bool) -> Step {
    let class = if outcome == OutcomeKind::Completed { "ok" } else { "bad" };
    let title = if dead { format!("buried: {}", outcome.as_str()) } else { format!("ended: {}", outcome.as_str()) };
    Step { class, title, at: Some(at), ..Step::default() }
}

/// Of the result and the trail in it.
pub fn of_result(result: &JobResult, dead: bool) -> Vec<Step> {
    let record = &result.record;
    let mut steps = vec![published(record.published)];
    steps.extend(result.trail.0.iter().map(of_record));
    if record.attempt > 0 && !result.trail.0.iter().any(|one| one.attempt == record.attempt) {
        steps.push(Step {
            worker: record.worker.clone(),
            version: record.version.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..attempt(record.attempt, record.outcome, record.started, &record.meter)
        });
    }
    steps.push(ended(record.outcome, record.finished, dead));
    steps
}

/// Of the history.
pub fn of_detail(detail: &JobDetail) -> Vec<Step> {
    let mut steps = vec![published(detail.row.published)];
    steps.extend(detail.trail.iter().map(of_history));
    steps.push(ended(detail.row.outcome, detail.row.finished, detail.row.dead));
    steps
}

/// Of a dead letter.
pub fn of_letter(trail: &Trail, outcome: OutcomeKind, buried: UnixMs) -> Vec<Step> {
    let mut steps: Vec<Step> = trail.0.iter().map(of_record).collect();
    steps.push(ended(outcome, buried, true));
    steps
}

/// Of a job that has not ended, with the attempts that its state does not tell.
pub fn of_state(state: &JobState, running: Option<(UnixMs, String)>) -> Vec<Step> {
    let step = |class, title: String, at, detail| Step { class, title, at, detail, ..Step::default() };
    let due = |due: UnixMs| format!("due {}", text::stamp(due));
    match (state, running) {
        (JobState::Queued { stored, attempt, .. }, Some((since, worker))) => vec![
            step("", "queued".to_owned(), Some(*stored), String::new()),
            Step { worker, ..step("run", format!("attempt {attempt} runs"), Some(since), String::new()) },
        ],
        (JobState::Queued { stored, attempt, .. }, None) => {
            vec![step("", format!("queued for attempt {attempt}"), Some(*stored), String::new())]
        }
        (JobState::Delayed { due: at }, _) => vec![step("", "delayed".to_owned(), None, due(*at))],
        (JobState::WaitingRetry { due: at, attempt }, _) => {
            vec![step("", format!("waits for attempt {attempt}"), None, due(*at))]
        }
        (JobState::Held { waits_for, due: at, attempt }, _) => {
            let detail = format!("waits for {waits_for}, looks again {}", due(*at));
            vec![step("", format!("held before attempt {attempt}"), None, detail)]
        }
        (JobState::Done(_) | JobState::Unknown, _) => Vec::new(),
    }
}

/// How long a job waited before its last attempt began.
pub fn waited(published: UnixMs, started: UnixMs) -> String {
    text::span(Duration::from_millis(started.0.saturating_sub(published.0)))
}

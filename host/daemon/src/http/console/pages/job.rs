//! One job: what happened to it, what it took and gave, what it logged, and what can be done about it.

use super::super::answer::{Answer, page};
use super::super::body::{Body, cut};
use super::super::shell::Shell;
use super::super::text::{self, filters};
use super::super::visit::Visit;
use super::job_life::{self, Step};
use crate::http::problem::Problem;
use askama::Template;
use axum::extract::Path;
use lovage_client::{AttemptLog, Client, DeadError, JobState, StoredLetter};
use lovage_history::JobDetail;
use lovage_job::log::LogEnd;
use lovage_job::name::{JobId, TaskName, TenantName};
use lovage_job::outcome::JobError;
use lovage_job::subject::asset;
use lovage_job::unit::UnixMs;

#[derive(Template)]
#[template(path = "job.html")]
struct Page {
    shell: Shell,
    tenant: String,
    id: String,
    path: String,
    task: String,
    task_link: String,
    class: &'static str,
    state: String,
    can_cancel: bool,
    can_replay: bool,
    versions: Vec<String>,
    events: String,
    published: Option<UnixMs>,
    life: Vec<Step>,
    error: Option<Fault>,
    redacted: bool,
    running: bool,
    logs: Vec<Log>,
    facts: Vec<(&'static str, String)>,
    payload: Body,
    result: Body,
    now: UnixMs,
}

struct Fault {
    code: &'static str,
    message: String,
    frames: Vec<String>,
    details: String,
}

struct Log {
    title: String,
    text: String,
    last: bool,
}

impl Page {
    /// Of a job of which nothing more is known.
    fn new(visit: &Visit, tenant: &TenantName, id: &JobId) -> Self {
        Self {
            shell: visit.shell("jobs", format!("Job {id}")),
            tenant: tenant.to_string(),
            id: id.to_string(),
            path: format!("/jobs/{tenant}/{id}"),
            task: String::new(),
            task_link: String::new(),
            class: "",
            state: String::new(),
            can_cancel: false,
            can_replay: false,
            versions: Vec::new(),
            events: String::new(),
            published: None,
            life: Vec::new(),
            error: None,
            redacted: !visit.caller.sees_payloads(),
            running: false,
            logs: Vec::new(),
            facts: Vec::new(),
            payload: Body::default(),
            result: Body::default(),
            now: visit.now,
        }
    }
}

/// What is known of a job.
struct Known {
    state: JobState,
    detail: Option<JobDetail>,
    letter: Option<StoredLetter>,
}

/// `GET /jobs/{tenant}/{id}`
pub async fn show(visit: Visit, Path((tenant, id)): Path<(String, String)>) -> Answer {
    let (visit, tenant) = visit.into_tenant(&tenant)?;
    let id: JobId = id.parse().map_err(|_| Problem::not_found("such job"))?;
    let client = visit.client(&tenant);
    let known = know(&visit, &client, &tenant, &id).await?;
    let mut shown = Page::new(&visit, &tenant, &id);
    fill(&visit, &mut shown, &tenant, &id, &known).await;
    if shown.redacted {
        // what a task says for programs may hold anything of its input
        shown.error.iter_mut().for_each(|error| error.details.clear());
    } else {
        shown.payload = payload(&visit, &client, &known).await;
        shown.logs = client.logs(&id, None).await.map(|logs| of_logs(&logs)).unwrap_or_default();
    }
    if let Some(task) = task_of(&known) {
        shown.task_link = format!("/tasks/{tenant}/{task}");
        shown.versions = versions(&client, &task, shown.can_replay).await;
        shown.task = task.to_string();
    }
    page(&visit, &shown)
}

async fn know(visit: &Visit, client: &Client, tenant: &TenantName, id: &JobId) -> Result<Known, Problem> {
    let state = client.find(id).await.map_err(Problem::broker)?;
    let detail = match visit.history().await {
        Some(store) => store.job(tenant, id).await?,
        None => None,
    };
    let letter = match client.dead_show(id).await {
        Ok(letter) => Some(letter),
        Err(DeadError::NotFound(_)) => None,
        Err(error) => return Err(Problem::broker(error)),
    };
    if state == JobState::Unknown && detail.is_none() && letter.is_none() {
        return Err(Problem::not_found(format_args!("job {id} of tenant {tenant}")));
    }
    Ok(Known { state, detail, letter })
}

fn task_of(known: &Known) -> Option<TaskName> {
    match &known.state {
        JobState::Queued { subject, .. } => Some(subject.task.clone()),
        JobState::Done(result) => result.record.task.clone(),
        _ => {
            let history = known.detail.as_ref().and_then(|detail| detail.row.task.clone());
            history.or_else(|| known.letter.as_ref()?.letter.place().map(|(_, task)| task))
        }
    }
}

async fn versions(client: &Client, task: &TaskName, wanted: bool) -> Vec<String> {
    if !wanted {
        return Vec::new();
    }
    // without a catalogue the job can still be replayed on what it asked for
    let record = client.task(task).await.ok().flatten();
    record
        .map(|record| record.versions.iter().rev().map(|entry| entry.version.to_string()).collect())
        .unwrap_or_default()
}

async fn fill(visit: &Visit, shown: &mut Page, tenant: &TenantName, id: &JobId, known: &Known) {
    let picture = visit.state.picture().await;
    let workers = picture.iter().flat_map(|picture| picture.workers.iter());
    let runs = workers.flat_map(|worker| worker.jobs.iter().map(move |job| (worker, job)));
    let runs = runs.into_iter().find(|(_, job)| job.tenant == *tenant && job.id == *id);
    let runs = runs.map(|(worker, job)| (job.since, worker.name.to_string()));
    let operate = visit.caller.role >= crate::http::auth::Role::Operator;
    let dead = known.letter.is_some();
    shown.can_replay = operate && dead;
    match (&known.state, &known.detail, &known.letter) {
        (JobState::Done(result), ..) => {
            let record = &result.record;
            (shown.class, shown.state) = (text::class_of(record.outcome), record.outcome.as_str().to_owned());
            shown.life = job_life::of_result(result, dead);
            shown.published = Some(record.published);
            shown.error = result.error.as_ref().map(of_error);
            shown.result = match shown.redacted {
                true => Body::default(),
                false => Body::of(&result.body, result.content_type.as_deref()),
            };
            shown.facts = facts_of_result(result);
        }
        (JobState::Unknown, Some(detail), _) => {
            let row = &detail.row;
            (shown.class, shown.state) = (text::class_of(row.outcome), row.outcome.as_str().to_owned());
            shown.life = job_life::of_detail(detail);
            shown.published = Some(row.published);
            shown.error = detail.error.as_ref().map(of_error);
            shown.result = Body::none("The result is kept no longer; the history has the rest.");
        }
        (JobState::Unknown, None, Some(stored)) => {
            let letter = &stored.letter;
            (shown.class, shown.state) = ("dead", letter.error.kind.as_str().to_owned());
            shown.life = job_life::of_letter(&letter.trail, letter.error.kind, letter.buried);
            shown.error = Some(of_error(&letter.error));
            shown.result = Body::none("A dead letter has no result.");
        }
        (state, ..) => {
            (shown.class, shown.state) = live(state, runs.is_some());
            shown.running = true;
            shown.can_cancel = operate;
            shown.life = job_life::of_state(state, runs);
            shown.events = format!("/jobs/{tenant}/{id}/events");
            shown.result = Body::none("There is none before the job has ended.");
            shown.facts = facts_of_state(state);
        }
    }
    if let Some(detail) = &known.detail {
        let row = &detail.row;
        let more = [("digest", row.digest.as_ref().map(ToString::to_string)), ("trace", row.trace_id.clone())];
        let missing = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let missing = missing.filter(|(name, _)| !shown.facts.iter().any(|(known, _)| known == name));
        let missing: Vec<_> = missing.collect();
        shown.facts.extend(missing);
    }
}

fn live(state: &JobState, runs: bool) -> (&'static str, String) {
    let (class, words) = match state {
        JobState::Queued { .. } if runs => ("run", "running"),
        JobState::Queued { .. } => ("wait", "queued"),
        JobState::Delayed { .. } => ("wait", "delayed"),
        JobState::WaitingRetry { .. } => ("warn", "waits to retry"),
        JobState::Held { .. } => ("wait", "held"),
        JobState::Done(_) | JobState::Unknown => ("", "ended"),
    };
    (class, words.to_owned())
}

fn facts_of_state(state: &JobState) -> Vec<(&'static str, String)> {
    match state {
        JobState::Queued { subject, attempt, .. } => vec![
            ("queue", subject.queue.to_string()),
            ("priority", subject.lane.to_string()),
            ("attempt", attempt.to_string()),
            ("subject", subject.to_string()),
        ],
        _ => Vec::new(),
    }
}

fn facts_of_result(result: &lovage_job::result::JobResult) -> Vec<(&'static str, String)> {
    let record = &result.record;
    let mut facts = vec![
        ("attempts", record.attempt.to_string()),
        ("waited", job_life::waited(record.published, record.started)),
        ("ran", text::micros(record.meter.wall_us)),
        ("fuel", text::count(record.meter.fuel_used)),
        ("memory, peak", text::bytes(record.meter.memory_peak_bytes)),
        ("egress", text::bytes(record.meter.egress_bytes)),
        ("worker", record.worker.clone()),
    ];
    let more = [
        ("queue", record.queue.as_ref().map(ToString::to_string)),
        ("priority", record.lane.map(|lane| lane.to_string())),
        ("version", record.version.as_ref().map(ToString::to_string)),
        ("digest", record.digest.as_ref().map(ToString::to_string)),
        ("tags", (!record.tags.is_empty()).then(|| record.tags.join(", "))),
    ];
    facts.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    facts
}

fn of_error(error: &JobError) -> Fault {
    let details = error.details.as_ref().and_then(|details| serde_json::to_string_pretty(details).ok());
    Fault {
        code: error.kind.as_str(),
        message: cut(&error.message),
        frames: error.backtrace.clone(),
        details: details.map(|text| cut(&text)).unwrap_or_default(),
    }
}

fn of_logs(logs: &[AttemptLog]) -> Vec<Log> {
    let log = |(place, log): (usize, &AttemptLog)| {
        let cut_off = if log.end == Some(LogEnd::Truncated) { " · cut at its limit" } else { "" };
        Log {
            title: format!("attempt {} on {}{cut_off}", log.attempt, log.worker),
            text: cut(&log.text),
            last: place + 1 == logs.len(),
        }
    };
    logs.iter().enumerate().map(log).collect()
}

/// The payload, where the broker still has it: of jobs that wait or run, and of dead letters.
async fn payload(visit: &Visit, client: &Client, known: &Known) -> Body {
    if let Some(stored) = &known.letter {
        let content_type = stored.letter.headers.get("Content-Type");
        return match client.payload_of(&stored.letter).await {
            Ok(bytes) => Body::of(&bytes, content_type),
            Err(_) => Body::none("The payload is not kept any longer."),
        };
    }
    match &known.state {
        JobState::Queued { subject, .. } => {
            let stream = visit.site.js.get_stream(asset::jobs(client.tenant())).await;
            let Ok(stream) = stream else { return Body::none("The broker does not give it now.") };
            match stream.direct_get_last_for_subject(subject.to_string()).await {
                Ok(message) => Body::of(&message.payload, None),
                Err(_) => Body::none("The job has just moved on."),
            }
        }
        JobState::Done(_) | JobState::Unknown => {
            Body::none("Payloads are kept until a job has ended well; those of dead letters longer.")
        }
        JobState::Delayed { .. } | JobState::WaitingRetry { .. } | JobState::Held { .. } => {
            Body::none("It is shown once the job is in its queue.")
        }
    }
}

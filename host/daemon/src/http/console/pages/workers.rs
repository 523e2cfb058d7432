//! The workers: what each runs and takes, and what it can be told. For those who see all tenants.

use super::super::answer::{Answer, done, page};
use super::super::shell::Shell;
use super::super::text;
use super::super::visit::Visit;
use crate::http::act::worker_set;
use crate::http::act::workers::{self, Tell};
use crate::http::auth::Role;
use crate::http::problem::{Code, Problem};
use askama::Template;
use axum::Form;
use axum::extract::Path;
use lovage_job::name::JobId;
use lovage_job::unit::UnixMs;
use lovage_job::worker::{RunnerInfo, Setting, WorkerInfo, WorkerMode};
use std::collections::HashMap;
use std::time::Duration;

#[derive(Template)]
#[template(path = "workers.html")]
struct Page {
    shell: Shell,
    sum: String,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    class: &'static str,
    mode: &'static str,
    running: usize,
    concurrency: usize,
    concurrency_max: usize,
    memory: String,
    cpu: String,
    since: String,
    version: String,
    queues: Vec<String>,
    queues_text: String,
    jobs: Vec<Job>,
    runners: Vec<String>,
    changeable: bool,
}

struct Job {
    id: String,
    link: String,
    task: String,
    since: String,
}

/// `GET /workers`
pub async fn show(visit: Visit) -> Answer {
    visit.caller.of_all(Role::Viewer)?;
    let picture = visit.state.picture().await;
    let workers = picture.as_ref().map(|picture| picture.workers.clone()).unwrap_or_default();
    let running: usize = workers.iter().map(|worker| worker.running).sum();
    let places: usize = workers.iter().map(|worker| worker.concurrency).sum();
    let template = Page {
        shell: visit.shell("workers", "Workers"),
        sum: format!("{} workers · {running} of {places} attempts", workers.len()),
        rows: workers.iter().map(|worker| row(worker, visit.now)).collect(),
    };
    page(&visit, &template)
}

fn since(at: UnixMs, now: UnixMs) -> String {
    text::span(Duration::from_millis(now.0.saturating_sub(at.0)))
}

fn row(worker: &WorkerInfo, now: UnixMs) -> Row {
    let shares = worker.shares.iter().copied().chain(std::iter::repeat(1));
    let queue = |(name, share)| if share == 1 { format!("{name}") } else { format!("{name}={share}") };
    let queues: Vec<String> = worker.queues.iter().zip(shares).map(queue).collect();
    let unknown = || "–".to_owned();
    let job = |job: &lovage_job::worker::RunningJob| Job {
        id: job.id.to_string(),
        link: format!("/jobs/{}/{}", job.tenant, job.id),
        task: format!("{}/{}", job.tenant, job.task),
        since: since(job.since, now),
    };
    Row {
        name: worker.name.to_string(),
        class: match worker.mode {
            WorkerMode::Running => "ok",
            WorkerMode::Quiet | WorkerMode::Draining => "warn",
        },
        mode: worker.mode.as_str(),
        running: worker.running,
        concurrency: worker.concurrency,
        concurrency_max: worker.concurrency_max.unwrap_or(worker.concurrency),
        memory: worker.memory_bytes.map_or_else(unknown, text::bytes),
        cpu: worker.cpu_millicores.map_or_else(unknown, |used| format!("{:.2} cores", used as f64 / 1_000.0)),
        since: since(worker.started, now),
        version: worker.version.clone(),
        queues_text: queues.join(", "),
        queues,
        jobs: worker.jobs.iter().map(job).collect(),
        runners: worker.runners.iter().map(runner).collect(),
        changeable: worker.concurrency_max.is_some(),
    }
}

fn runner(runner: &RunnerInfo) -> String {
    let alone = runner.alone.as_ref().map(|digest| format!(" · alone: {}", digest.short())).unwrap_or_default();
    format!("{} · process {} · {} running{alone}", runner.tenant, runner.pid, runner.running)
}

/// `POST /workers/{name}/{act}`
pub async fn act(
    visit: Visit,
    Path((name, act)): Path<(String, String)>,
    Form(given): Form<HashMap<String, String>>,
) -> Answer {
    let name: JobId = name.parse().map_err(|_| Problem::not_found("such worker"))?;
    let (site, caller) = (&visit.site, &visit.caller);
    let result = match act.as_str() {
        "quiet" => workers::tell(site, caller, (&name, Tell::Quiet)).await,
        "resume" => workers::tell(site, caller, (&name, Tell::Resume)).await,
        "drain" => workers::tell(site, caller, (&name, Tell::Drain)).await,
        "set" => match setting(&given) {
            Ok(setting) => worker_set::set(site, caller, (&name, setting)).await,
            Err(problem) => Err(problem),
        },
        _ => return Err(Problem::not_found("such page")),
    };
    visit.state.look_again().await;
    done(result, "/workers", "/workers", |info| match act.as_str() {
        "set" => format!("{name} runs {} attempts at once", info.concurrency),
        _ => format!("{name} is {}", info.mode.as_str()),
    })
}

fn setting(given: &HashMap<String, String>) -> Result<Setting, Problem> {
    let text = |name: &str| given.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let bad = |error: &dyn std::fmt::Display| Problem::new(Code::BadBody, error);
    let concurrency = text("concurrency").map(str::parse::<usize>).transpose();
    let queues = text("queues").map(Setting::parse_queues).transpose();
    Ok(Setting {
        concurrency: concurrency.map_err(|error| bad(&format_args!("concurrency: {error}")))?,
        queues: queues.map_err(|error| bad(&error))?,
    })
}

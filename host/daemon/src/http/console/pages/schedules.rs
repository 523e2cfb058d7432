//! Schedules: when they tick next, run now, pause, add and remove.

use super::super::answer::{Answer, done, page};
use super::super::shell::Shell;
use super::super::visit::Visit;
use super::queues::Paused;
use crate::http::act::{JobBody, ScheduleBody, schedules};
use crate::http::problem::{Code, Problem};
use askama::Template;
use axum::Form;
use axum::extract::Path;
use futures::{StreamExt, stream};
use lovage_client::Client;
use lovage_job::name::{JobId, ScheduleName, TenantName};
use lovage_job::schedule::ScheduleRecord;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// Ticks that are told in advance.
const TICKS: usize = 3;
/// Schedules whose last runs are looked up, and how many at once.
const LOOKED_UP: (usize, usize) = (200, 16);

#[derive(Template)]
#[template(path = "schedules.html")]
struct Page {
    shell: Shell,
    rows: Vec<Row>,
    tasks: Vec<String>,
    add_action: String,
}

struct Row {
    name: String,
    path: String,
    paused: bool,
    task: String,
    task_link: String,
    when: String,
    next: Vec<String>,
    last: Option<Run>,
}

struct Run {
    id: String,
    link: String,
}

/// `GET /schedules`
pub async fn show(visit: Visit) -> Answer {
    let tenant = visit.one_tenant();
    let client = visit.client(&tenant);
    let records = client.schedules().await.map_err(Problem::broker)?;
    let tasks = client.tasks().await.map_err(Problem::broker)?;
    let runs = runs(&client, &records).await;
    let template = Page {
        shell: visit.shell("schedules", "Schedules"),
        rows: records.iter().map(|record| row(&visit, &tenant, record, &runs)).collect(),
        tasks: tasks.iter().map(|task| task.task.to_string()).collect(),
        add_action: format!("/schedules/{tenant}"),
    };
    page(&visit, &template)
}

async fn runs(client: &Client, records: &[ScheduleRecord]) -> HashMap<ScheduleName, JobId> {
    let (most, at_once) = LOOKED_UP;
    let names: Vec<ScheduleName> = records.iter().take(most).map(|record| record.name.clone()).collect();
    let asked = stream::iter(names).map(|name| async move {
        let run = client.last_run(&name).await.ok().flatten()?;
        Some((name, run))
    });
    asked.buffer_unordered(at_once).filter_map(|found| async { found }).collect().await
}

fn row(visit: &Visit, tenant: &TenantName, record: &ScheduleRecord, runs: &HashMap<ScheduleName, JobId>) -> Row {
    let definition = &record.definition;
    let timing = if record.paused { None } else { definition.timing.ready().ok() };
    let next = timing.map(|timing| timing.next(visit.now, TICKS)).unwrap_or_default();
    let run = |id: &JobId| Run { id: id.to_string(), link: format!("/jobs/{tenant}/{id}") };
    Row {
        name: record.name.to_string(),
        path: format!("/schedules/{tenant}/{}", record.name),
        paused: record.paused,
        task: definition.task.to_string(),
        task_link: format!("/tasks/{tenant}/{}", definition.task),
        when: definition.timing.to_string(),
        next: next.into_iter().map(|tick| definition.timing.by_the_clock(tick)).collect(),
        last: runs.get(&record.name).map(run),
    }
}

/// A schedule as the form gives it.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Wanted {
    name: String,
    task: String,
    when: String,
    zone: String,
    queue: String,
    input: String,
}

fn given(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

impl Wanted {
    fn body(&self) -> Result<ScheduleBody, Problem> {
        let input = given(&self.input).map(RawValue::from_string).transpose();
        let input =
            input.map_err(|error| Problem::new(Code::BadBody, format_args!("the input is not valid JSON: {error}")))?;
        let job = JobBody { task: self.task.clone(), input, queue: given(&self.queue), ..JobBody::default() };
        let when = self.when.trim();
        let mut body = ScheduleBody { job, zone: given(&self.zone), ..ScheduleBody::default() };
        match when.strip_prefix("@every ") {
            Some(span) => body.every = Some(span.trim().to_owned()),
            None if when.contains('T') && when.contains('-') => body.at = Some(when.to_owned()),
            None => body.cron = Some(when.to_owned()),
        }
        Ok(body)
    }
}

fn name_of(text: &str) -> Result<ScheduleName, Problem> {
    text.trim().parse().map_err(|error| Problem::new(Code::BadBody, error))
}

/// `POST /schedules/{tenant}`
pub async fn put(visit: Visit, Path(tenant): Path<String>, Form(wanted): Form<Wanted>) -> Answer {
    let (visit, tenant) = visit.into_tenant(&tenant)?;
    let result = async {
        let (name, body) = (name_of(&wanted.name)?, wanted.body()?);
        schedules::put(&visit.site, &visit.caller, &tenant, (&name, &body)).await
    };
    let place = format!("/schedules?tenant={tenant}");
    done(result.await, &place, &place, |(record, added)| {
        format!("schedule {} is {}", record.name, if added { "added" } else { "changed" })
    })
}

/// `POST /schedules/{tenant}/{name}/{act}`
pub async fn act(
    visit: Visit,
    Path((tenant, name, act)): Path<(String, String, String)>,
    Form(wanted): Form<HashMap<String, String>>,
) -> Answer {
    let (visit, tenant) = visit.into_tenant(&tenant)?;
    let name = name_of(&name)?;
    let (site, caller) = (&visit.site, &visit.caller);
    let place = format!("/schedules?tenant={tenant}");
    match act.as_str() {
        "run" => {
            let result = schedules::run(site, caller, &tenant, &name).await;
            let job = result.as_ref().map(|run| format!("/jobs/{tenant}/{}", run.id)).unwrap_or_default();
            done(result, &job, &place, |run| format!("schedule {name} runs now as {}", run.id))
        }
        "pause" => {
            let paused = Paused { paused: wanted.get("paused").cloned().unwrap_or_default() }.paused == "yes";
            let result = schedules::set_paused(site, caller, &tenant, (&name, paused)).await;
            done(result, &place, &place, |_| {
                if paused { format!("schedule {name} is paused") } else { format!("schedule {name} goes on") }
            })
        }
        "remove" => {
            let result = schedules::remove(site, caller, &tenant, &name).await;
            done(result, &place, &place, |()| format!("schedule {name} is removed"))
        }
        _ => Err(Problem::not_found("such page")),
    }
}

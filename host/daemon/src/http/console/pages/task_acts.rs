//! What can be done with a task: submit a job, move an alias, pause, and upload a component.

use super::super::answer::{Answer, done};
use super::super::form::InputForm;
use super::super::told::Told;
use super::super::visit::Visit;
use super::queues::{Paused, set_paused};
use super::task::{Given, default_version, record, shown};
use crate::http::act::JobBody;
use crate::http::act::jobs::submit as submit_job;
use crate::http::act::push::{PushQuery, push};
use crate::http::act::tasks::{self, PromoteBody};
use crate::http::problem::{Code, Problem};
use axum::Form;
use axum::body::Bytes;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{Multipart, Path};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lovage_job::catalog::Encoding;
use lovage_job::limit::PauseScope;
use lovage_job::name::{AliasName, TaskName, TenantName};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

fn task_of(text: &str) -> Result<TaskName, Problem> {
    text.parse().map_err(|_| Problem::not_found("such task"))
}

/// `POST /tasks/{tenant}/{task}/submit`. What is wrong is told beside the form as it was filled in.
pub async fn submit(
    visit: Visit,
    Path((tenant, task)): Path<(String, String)>,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Answer {
    let ((visit, tenant), task) = (visit.into_tenant(&tenant)?, task_of(&task)?);
    let body = body(&visit, &tenant, &task, &fields).await?;
    let body = match body {
        Ok(body) => body,
        Err(faults) => return shown(visit, &tenant, &task, Given { fields, faults }).await,
    };
    match submit_job(&visit.site, &visit.caller, &tenant, (None, &body)).await {
        Ok(view) => {
            let words = if view.existing {
                format!("job {} is there already", view.id)
            } else {
                format!("job {} is submitted", view.id)
            };
            Ok(Told::ok(words).at(&format!("/jobs/{tenant}/{}", view.id)))
        }
        Err(problem) if problem.code == Code::Unauthenticated => Err(problem),
        Err(problem) => shown(visit, &tenant, &task, Given { fields, faults: vec![problem.detail] }).await,
    }
}

/// The job that a form asks for, or what of the form cannot be read.
async fn body(
    visit: &Visit,
    tenant: &TenantName,
    task: &TaskName,
    fields: &BTreeMap<String, String>,
) -> Result<Result<JobBody, Vec<String>>, Problem> {
    let client = visit.client(tenant);
    let record = record(&client, task).await?;
    let input = match default_version(&record) {
        Some(version) => client.version(task, &version).await.map_err(Problem::broker)?.map(|found| found.export.input),
        None => None,
    };
    let form = input.as_ref().map_or(InputForm::Json, InputForm::new);
    let payload = match form.read(fields) {
        Ok(payload) => payload,
        Err(faults) => return Ok(Err(faults)),
    };
    let asked = |name: &str| fields.get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let retries = asked("o:retries").map(|text| text.parse::<u32>()).transpose();
    let retries = match retries {
        Ok(retries) => retries,
        Err(error) => return Ok(Err(vec![format!("retries: {error}")])),
    };
    let bytes = input.is_some_and(|input| input.encoding == Encoding::Bytes);
    let mut body = JobBody {
        task: task.to_string(),
        version: asked("o:version"),
        queue: asked("o:queue"),
        priority: asked("o:lane"),
        delay: asked("o:delay"),
        retries,
        tags: asked("o:tag").into_iter().collect(),
        ..JobBody::default()
    };
    match (bytes, payload.is_empty(), String::from_utf8(payload)) {
        (_, true, _) => {}
        (false, false, Ok(text)) => match RawValue::from_string(text) {
            Ok(json) => body.input = Some(json),
            Err(error) => return Ok(Err(vec![format!("the payload is not valid JSON: {error}")])),
        },
        (true, false, Ok(text)) => body.input_base64 = Some(STANDARD.encode(text)),
        (_, false, Err(error)) => return Ok(Err(vec![format!("the payload is not text: {error}")])),
    }
    Ok(Ok(body))
}

/// What an alias is to name: `to` alone, or `one` with a share of `two`.
#[derive(Deserialize)]
pub struct Promoted {
    alias: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    one: String,
    #[serde(default)]
    two: String,
    #[serde(default)]
    share: String,
}

impl Promoted {
    fn targets(&self) -> Result<String, Problem> {
        if !self.to.is_empty() {
            return Ok(self.to.clone());
        }
        if self.two.is_empty() {
            return Ok(self.one.clone());
        }
        let share = if self.share.trim().is_empty() { "10" } else { self.share.trim() };
        let bad =
            || Problem::new(Code::BadBody, format_args!("a share of {share:?} is not a whole number from 1 to 99"));
        let share: u32 = share.parse().ok().filter(|share| (1..=99).contains(share)).ok_or_else(bad)?;
        Ok(format!("{}%@{},{share}%@{}", 100 - share, self.one, self.two))
    }
}

fn alias_of(text: &str) -> Result<AliasName, Problem> {
    text.trim().parse().map_err(|error| Problem::new(Code::BadBody, error))
}

/// `POST /tasks/{tenant}/{task}/promote`
pub async fn promote(
    visit: Visit,
    Path((tenant, task)): Path<(String, String)>,
    Form(wanted): Form<Promoted>,
) -> Answer {
    let ((visit, tenant), task) = (visit.into_tenant(&tenant)?, task_of(&task)?);
    let result = async {
        let (alias, body) = (alias_of(&wanted.alias)?, PromoteBody { targets: wanted.targets()? });
        tasks::promote(&visit.site, &visit.caller, &tenant, (&task, &alias, &body)).await
    };
    let place = format!("/tasks/{tenant}/{task}");
    done(result.await, &place, &place, |view| format!("{} of {task} names {} from now on", view.alias, view.targets))
}

/// An alias.
#[derive(Deserialize)]
pub struct Named {
    alias: String,
}

/// `POST /tasks/{tenant}/{task}/rollback`
pub async fn roll_back(visit: Visit, Path((tenant, task)): Path<(String, String)>, Form(named): Form<Named>) -> Answer {
    let ((visit, tenant), task) = (visit.into_tenant(&tenant)?, task_of(&task)?);
    let result = async {
        let alias = alias_of(&named.alias)?;
        tasks::roll_back(&visit.site, &visit.caller, &tenant, (&task, &alias)).await
    };
    let place = format!("/tasks/{tenant}/{task}");
    done(result.await, &place, &place, |view| format!("{} of {task} names {} again", view.alias, view.targets))
}

/// `POST /tasks/{tenant}/{task}/pause`
pub async fn pause(visit: Visit, Path((tenant, task)): Path<(String, String)>, Form(wanted): Form<Paused>) -> Answer {
    let ((visit, tenant), task) = (visit.into_tenant(&tenant)?, task_of(&task)?);
    let pause = wanted.paused == "yes";
    let result = set_paused(&visit, &tenant, &PauseScope::Task(task.clone()), pause).await;
    let place = format!("/tasks/{tenant}/{task}");
    done(result, &place, &place, |()| {
        if pause { format!("task {task} is paused; running jobs go on") } else { format!("task {task} goes on") }
    })
}

/// `POST /tasks/{tenant}`, a component as a browser sends a form with a file.
pub async fn upload(visit: Visit, Path(tenant): Path<String>, form: Result<Multipart, MultipartRejection>) -> Answer {
    let (visit, tenant) = visit.into_tenant(&tenant)?;
    let place = format!("/tasks?tenant={tenant}");
    let result = async {
        let form = form.map_err(|error| Problem::new(Code::BadBody, error))?;
        let (query, component) = read(form).await?;
        push(&visit.site, &visit.caller, &tenant, (&query, component)).await
    };
    let result = result.await;
    let to = match result.as_ref().map(|pushed| pushed.as_slice()) {
        Ok([one]) => format!("/tasks/{tenant}/{}", one.record.task),
        Ok(_) | Err(_) => place.clone(),
    };
    done(result, &to, &place, |pushed| {
        let one = |one: &crate::registry::push::Pushed| {
            let existing = if one.existing { ", which was there already" } else { "" };
            format!("{} version {}{existing}", one.record.task, one.record.version)
        };
        format!("uploaded: {}", pushed.iter().map(one).collect::<Vec<_>>().join(", "))
    })
}

async fn read(mut form: Multipart) -> Result<(PushQuery, Bytes), Problem> {
    let bad = |error: &dyn std::fmt::Display| Problem::new(Code::BadBody, error);
    let (mut query, mut component) = (PushQuery::default(), Bytes::new());
    while let Some(field) = form.next_field().await.map_err(|error| bad(&error.body_text()))? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "component" {
            component = field.bytes().await.map_err(|error| bad(&error.body_text()))?;
            continue;
        }
        let text = field.text().await.map_err(|error| bad(&error.body_text()))?;
        let given = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        match name.as_str() {
            "name" => query.name = given,
            "version" => query.version = given,
            "promote" => query.promote = Some(given.as_deref() != Some("no")),
            _ => {}
        }
    }
    Ok((query, component))
}

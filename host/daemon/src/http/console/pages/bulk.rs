//! Acting on many jobs: first a page that says how many, then the deed. Nothing is done by the first request.

use super::super::answer::{Answer, page};
use super::super::shell::Shell;
use super::super::told::Told;
use super::super::visit::Visit;
use super::dead::wanted_letters;
use super::jobs::Filter;
use crate::http::act::dead::{self, ReplayBody};
use crate::http::act::jobs::{self, CancelBody};
use crate::http::auth::Role;
use crate::http::problem::{Code, Problem};
use askama::Template;
use axum::extract::{Path, RawForm};
use futures::{StreamExt, stream};
use lovage_client::PickFilter;
use lovage_job::name::{JobId, TenantName};
use std::collections::BTreeMap;

/// The most jobs of one deed; a further one takes the next.
const JOBS_MAX: usize = 5_000;
/// Jobs that are shown before the deed.
const SAMPLES: usize = 20;
/// Jobs at once.
const AT_ONCE: usize = 16;

#[derive(Template)]
#[template(path = "confirm.html")]
struct Page {
    shell: Shell,
    action: String,
    how_many: String,
    what: &'static str,
    fields: Vec<(String, String)>,
    version_label: Option<&'static str>,
    samples: Vec<String>,
    some: bool,
    class: &'static str,
    button: &'static str,
    back: String,
}

/// What a form says: each name once, but for the jobs.
struct Given {
    one: BTreeMap<String, String>,
    ids: Vec<String>,
}

impl Given {
    fn of(bytes: &[u8]) -> Self {
        let mut given = Self { one: BTreeMap::new(), ids: Vec::new() };
        for (name, value) in url::form_urlencoded::parse(bytes).take(JOBS_MAX + 64) {
            match name.as_ref() {
                "id" => given.ids.push(value.into_owned()),
                _ => drop(given.one.insert(name.into_owned(), value.into_owned())),
            }
        }
        given
    }

    fn get(&self, name: &str) -> &str {
        self.one.get(name).map(String::as_str).unwrap_or_default()
    }

    fn is_sure(&self) -> bool {
        self.get("sure") == "yes"
    }
}

type Key = (TenantName, JobId);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Cancel,
    Replay,
    Remove,
}

impl Deed {
    fn of(act: &str) -> Result<Self, Problem> {
        match act {
            "cancel" | "cancel-all" => Ok(Self::Cancel),
            "replay" => Ok(Self::Replay),
            "remove" => Ok(Self::Remove),
            other => Err(Problem::new(Code::BadRequest, format_args!("{other:?} is nothing that can be done here"))),
        }
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Cancel => ("Cancel jobs", "will be cancelled. Running ones are asked to stop.", "harm"),
            Self::Replay => ("Replay dead letters", "will be put into their queues again.", ""),
            Self::Remove => ("Remove dead letters", "will be removed for good.", "harm"),
        }
    }

    fn past(self) -> &'static str {
        match self {
            Self::Cancel => "cancelled",
            Self::Replay => "replayed",
            Self::Remove => "removed",
        }
    }
}

/// `POST /jobs/bulk`
pub async fn jobs(visit: Visit, RawForm(form): RawForm) -> Answer {
    let given = Given::of(&form);
    visit.caller.at_least(Role::Operator)?;
    let deed = Deed::of(given.get("act"))?;
    let query: BTreeMap<String, String> = url::form_urlencoded::parse(given.get("filter").as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let filter = Filter::of(&query);
    let tenant = query.get("tenant").cloned();
    let back = format!("/jobs?{}", filter.query(tenant.as_deref(), None));
    let (keys, more) = match given.get("act") {
        "cancel-all" => {
            let (visit, tenant) = match &tenant {
                Some(tenant) => visit.into_tenant(tenant)?,
                None => {
                    let tenant = visit.one_tenant();
                    visit.into_tenant(tenant.as_str())?
                }
            };
            let (ids, more) = matching(&visit, &tenant, &filter).await?;
            let keys: Vec<Key> = ids.into_iter().map(|id| (tenant.clone(), id)).collect();
            return finish(visit, deed, (keys, more), &given, ("/jobs/bulk", &back)).await;
        }
        _ => (keys_of(&visit, &given.ids)?, false),
    };
    finish(visit, deed, (keys, more), &given, ("/jobs/bulk", &back)).await
}

/// `POST /dead/{tenant}/bulk`
pub async fn dead(visit: Visit, Path(tenant): Path<String>, RawForm(form): RawForm) -> Answer {
    let given = Given::of(&form);
    visit.caller.at_least(Role::Operator)?;
    let (visit, tenant) = visit.into_tenant(&tenant)?;
    let deed = Deed::of(given.get("act"))?;
    let (action, back) = (format!("/dead/{tenant}/bulk"), format!("/dead?tenant={tenant}"));
    let (ids, more) = match given.ids.is_empty() {
        false => (given.ids.iter().map(|id| id.parse()).collect::<Result<Vec<JobId>, _>>().map_err(bad)?, false),
        true => {
            let group = (given.get("task"), given.get("outcome"), given.get("message"));
            wanted_letters(&visit, &tenant, group, JOBS_MAX).await?
        }
    };
    let keys = ids.into_iter().map(|id| (tenant.clone(), id)).collect();
    finish(visit, deed, (keys, more), &given, (&action, &back)).await
}

fn bad(error: impl std::fmt::Display) -> Problem {
    Problem::new(Code::BadRequest, error)
}

fn keys_of(visit: &Visit, ids: &[String]) -> Result<Vec<Key>, Problem> {
    let key = |text: &String| {
        let (tenant, id) = text.split_once('/').ok_or_else(|| bad(format_args!("{text:?} is no job")))?;
        let (tenant, id): Key = (tenant.parse().map_err(bad)?, id.parse().map_err(bad)?);
        match visit.tenants.contains(&tenant) {
            true => Ok((tenant, id)),
            false => Err(Problem::not_found(format_args!("tenant {tenant}"))),
        }
    };
    ids.iter().take(JOBS_MAX).map(key).collect()
}

/// The jobs that have not ended and that a filter takes, and whether there are more than are taken at once.
async fn matching(visit: &Visit, tenant: &TenantName, filter: &Filter) -> Result<(Vec<JobId>, bool), Problem> {
    let Some(live) = filter.live()? else {
        return Err(Problem::new(Code::BadRequest, "jobs that have ended cannot be cancelled"));
    };
    let pick =
        PickFilter { state: live.state, task: live.task, queue: live.queue, tag: live.tag, published_before: None };
    let mut walk = visit.client(tenant).pick(pick).await.map_err(Problem::broker)?;
    let mut ids = Vec::new();
    while let Some(page) = walk.next().await.map_err(Problem::broker)? {
        ids.extend(page.into_iter().map(|picked| picked.summary.id));
        if ids.len() > JOBS_MAX {
            ids.truncate(JOBS_MAX);
            return Ok((ids, true));
        }
    }
    Ok((ids, false))
}

async fn finish(
    visit: Visit,
    deed: Deed,
    (keys, more): (Vec<Key>, bool),
    given: &Given,
    (action, back): (&str, &str),
) -> Answer {
    if given.is_sure() {
        return carry_out(&visit, deed, keys, given, back).await;
    }
    let (title, what, class) = deed.words();
    let dead = deed == Deed::Replay;
    let mut fields: Vec<(String, String)> =
        given.one.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    fields.extend(given.ids.iter().map(|id| ("id".to_owned(), id.clone())));
    let template = Page {
        shell: visit.shell(if action == "/jobs/bulk" { "jobs" } else { "dead" }, title),
        action: action.to_owned(),
        how_many: format!("{}{}", keys.len(), if more { " or more" } else { "" }),
        what,
        fields,
        version_label: dead.then_some("On another version"),
        samples: keys.iter().take(SAMPLES).map(|(tenant, id)| format!("{tenant}/{id}")).collect(),
        some: !keys.is_empty(),
        class,
        button: title,
        back: back.to_owned(),
    };
    page(&visit, &template)
}

async fn carry_out(visit: &Visit, deed: Deed, keys: Vec<Key>, given: &Given, back: &str) -> Answer {
    let version = Some(given.get("version").trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    let all = keys.len();
    let acting = stream::iter(keys).map(|(tenant, id)| {
        let version = version.clone();
        async move {
            let (site, caller) = (&visit.site, &visit.caller);
            let result = match deed {
                Deed::Cancel => jobs::cancel(site, caller, &tenant, (&id, &CancelBody::default())).await.map(drop),
                Deed::Replay => dead::replay(site, caller, &tenant, (&id, &ReplayBody { version })).await.map(drop),
                Deed::Remove => dead::remove(site, caller, &tenant, &id).await,
            };
            result.map_err(|problem| format!("{id}: {}", problem.detail))
        }
    });
    let faults: Vec<String> =
        acting.buffer_unordered(AT_ONCE).filter_map(|result| async { result.err() }).collect().await;
    visit.state.look_again().await;
    let good = all - faults.len();
    let past = deed.past();
    match faults.first() {
        None => Ok(Told::ok(format!("{good} {past}")).at(back)),
        Some(first) => Ok(Told::bad(format!("{good} {past}, {} not; the first: {first}", faults.len())).at(back)),
    }
}

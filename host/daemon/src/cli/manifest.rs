//! The manifest of a task: a TOML file that says what `lovage push` would be told by options, and carries the task's
//! schedules. It is read whole: every fault is told at once, before anything is sent.

mod keys;

use super::input::is_json;
use crate::clock::now;
use keys::Keys;
use lovage_client::{NewJob, NewSchedule};
use lovage_job::capability::{Capability, CapabilityError};
use lovage_job::catalog::{Shape, VersionRef};
use lovage_job::limits::LimitsWish;
use lovage_job::name::{AliasName, QueueName, ScheduleName, TaskName, VersionName};
use lovage_job::retry::{ATTEMPTS_MAX, Backoff};
use lovage_job::retry_on::RetryOn;
use lovage_job::schedule::{Missed, Overlap, TimingText};
use lovage_job::subject::Lane;
use lovage_job::unit::{ByteSize, UnixMs, parse_span};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most schedules of one manifest.
const SCHEDULES_MAX: usize = 100;

/// What a manifest says.
#[derive(Debug, Clone, Default)]
pub(super) struct Manifest {
    pub(super) task: Option<TaskName>,
    pub(super) version: Option<VersionName>,
    pub(super) export: Option<String>,
    pub(super) shape: Option<Shape>,
    pub(super) alias: Option<AliasName>,
    pub(super) promote: Option<bool>,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) result_ttl: Option<Duration>,
    pub(super) limits: LimitsWish,
    pub(super) allow: Vec<Capability>,
    pub(super) retries: Option<u32>,
    pub(super) backoff: Option<Backoff>,
    pub(super) retry_on: Option<RetryOn>,
    pub(super) schedules: Vec<ManifestSchedule>,
}

/// A schedule of a manifest; the task is known once the component is.
#[derive(Debug, Clone)]
pub(super) struct ManifestSchedule {
    name: ScheduleName,
    timing: TimingText,
    input: Vec<u8>,
    queue: QueueName,
    lane: Lane,
    missed: Missed,
    deadline: Option<Duration>,
    overlap: Overlap,
    retries: Option<u32>,
    backoff: Option<Backoff>,
    timeout: Option<Duration>,
    version: Option<VersionRef>,
    tags: Vec<String>,
}

impl ManifestSchedule {
    /// The schedule of a task. Its input was checked against the component that is pushed.
    pub(super) fn of(&self, task: &TaskName) -> NewSchedule {
        let mut job =
            NewJob::new(task.clone(), self.input.clone()).queue(self.queue.clone()).lane(self.lane).unchecked();
        job.content_type = is_json(&self.input).then(|| "application/json".to_owned());
        (job.retries, job.backoff, job.timeout) = (self.retries, self.backoff.clone(), self.timeout);
        (job.version, job.tags) = (self.version.clone(), self.tags.clone());
        let schedule = NewSchedule::new(self.name.clone(), self.timing.clone(), job);
        let schedule = schedule.missed(self.missed).overlap(self.overlap);
        NewSchedule { deadline: self.deadline, ..schedule }
    }

    /// Has the input null.
    pub(super) fn takes_null(&mut self) {
        self.input = b"null".to_vec();
    }

    /// Its name, its input, and the version that it names.
    pub(super) fn parts(&self) -> (&ScheduleName, &[u8], Option<&VersionRef>) {
        (&self.name, &self.input, self.version.as_ref())
    }
}

/// Reads a manifest; or tells all that is wrong with it.
pub(super) fn read(text: &str) -> Result<Manifest, Vec<String>> {
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| vec![error.to_string().trim_end().to_owned()])?;
    let mut faults = Vec::new();
    let manifest = manifest(&table, &mut faults);
    if faults.is_empty() { Ok(manifest) } else { Err(faults) }
}

fn manifest(table: &toml::Table, faults: &mut Vec<String>) -> Manifest {
    let mut keys = Keys::new("", table, faults);
    let mut manifest = Manifest {
        task: keys.parsed("task"),
        version: keys.parsed("version"),
        export: keys.text("export"),
        shape: keys.with("shape", super::push::shape),
        alias: keys.parsed("alias"),
        promote: keys.flag("promote"),
        args: keys.texts("args"),
        env: keys.map("env"),
        result_ttl: keys.with("result_ttl", |text| parse_span(text).map_err(|error| error.to_string())),
        ..Manifest::default()
    };
    let (limits, retry, schedules) = (keys.table("limits"), keys.table("retry"), keys.tables("schedule"));
    let allow = keys.table("allow");
    if manifest.promote == Some(false) && manifest.alias.is_some() {
        keys.fault("alias", "an alias is moved only where promote is not false");
    }
    if schedules.len() > SCHEDULES_MAX {
        keys.fault("schedule", &format!("{} schedules are more than {SCHEDULES_MAX}", schedules.len()));
    }
    keys.refuse_others();
    if let Some(table) = limits {
        manifest.limits = limits_of(Keys::new("limits.", table, faults));
    }
    if let Some(table) = allow {
        manifest.allow = allowed(Keys::new("allow.", table, faults));
    }
    if let Some(table) = retry {
        let mut keys = Keys::new("retry.", table, faults);
        manifest.retries = keys.number("retries", u64::from(ATTEMPTS_MAX) - 1).and_then(|n| u32::try_from(n).ok());
        manifest.backoff = keys.parsed("backoff");
        manifest.retry_on = keys.parsed("on");
        keys.refuse_others();
    }
    for (place, table) in schedules.into_iter().enumerate() {
        let place = match table.get("name").and_then(toml::Value::as_str) {
            Some(name) => format!("schedule {:?}: ", name.chars().take(60).collect::<String>()),
            None => format!("schedule {}: ", place + 1),
        };
        manifest.schedules.extend(schedule(Keys::new(&place, table, faults)));
    }
    let mut names: Vec<_> = manifest.schedules.iter().map(|schedule| &schedule.name).collect();
    names.sort();
    let twice = names.windows(2).filter(|pair| matches!(pair, [a, b] if a == b));
    faults.extend(twice.filter_map(|pair| pair.first().map(|name| format!("schedule {name} is there twice"))));
    manifest
}

fn limits_of(mut keys: Keys<'_, '_>) -> LimitsWish {
    let limits = LimitsWish {
        fuel: keys.number("fuel", u64::MAX),
        memory: keys.parsed::<ByteSize>("memory"),
        timeout: keys.with("timeout", |text| parse_span(text).map_err(|error| error.to_string())),
        output: keys.parsed::<ByteSize>("output"),
        log: keys.parsed::<ByteSize>("log"),
        ..LimitsWish::default()
    };
    keys.refuse_others();
    limits
}

/// What the task is granted: a key for each kind, with what it is of.
fn allowed(mut keys: Keys<'_, '_>) -> Vec<Capability> {
    let mut all = Vec::new();
    for (key, kind) in [("submit", Capability::Submit), ("deterministic", Capability::Deterministic)] {
        all.extend((keys.flag(key) == Some(true)).then_some(kind));
    }
    for key in ["http", "keyvalue", "blobstore", "secret"] {
        for text in keys.texts(key) {
            match format!("{key}={text}").parse() {
                Ok(capability) => all.push(capability),
                Err(error) => keys.fault(key, &told(error)),
            }
        }
    }
    let scratch = keys.with("scratch", |text| format!("scratch={text}").parse().map_err(told));
    all.extend(scratch);
    for (name, value) in keys.map("config") {
        match format!("config={name}={value}").parse() {
            // a key with an equals sign would be read as another key
            Ok(Capability::Config(read, value)) if read == name => all.push(Capability::Config(read, value)),
            Ok(_) => keys.fault("config", &told(CapabilityError::Key(name))),
            Err(error) => keys.fault("config", &told(error)),
        }
    }
    keys.refuse_others();
    all
}

fn told(error: CapabilityError) -> String {
    error.to_string()
}

fn schedule(mut keys: Keys<'_, '_>) -> Option<ManifestSchedule> {
    let span = |text: &str| parse_span(text).map_err(|error| error.to_string());
    let (name, input) = (keys.parsed("name"), keys.json("input"));
    let (cron, zone, every, at) = (keys.text("cron"), keys.text("zone"), keys.text("every"), keys.text("at"));
    let timing = match (&cron, &every, &at) {
        (Some(cron), None, None) => TimingText::parse(cron, zone.as_deref(), now()),
        (None, Some(every), None) => TimingText::parse(&format!("@every {every}"), zone.as_deref(), now()),
        // a time that has passed stays in the file after its tick
        (None, None, Some(at)) => TimingText::parse(at, zone.as_deref(), UnixMs(0)),
        _ => {
            keys.fault("cron", "give exactly one of cron, every and at, as text");
            Ok(TimingText::At(UnixMs(0)))
        }
    };
    let timing = timing.map_err(|error| keys.fault("when", &error.to_string())).ok();
    let lane = keys.with("priority", |text| {
        let lane = Lane::ALL.into_iter().find(|lane| lane.as_str() == text);
        lane.ok_or_else(|| format!("{text:?} is not high, normal or low"))
    });
    let found = ManifestSchedule {
        queue: keys.parsed("queue").unwrap_or_else(QueueName::default_queue),
        lane: lane.unwrap_or(Lane::Normal),
        missed: keys.parsed("missed").unwrap_or_default(),
        deadline: keys.with("deadline", span),
        overlap: keys.parsed("overlap").unwrap_or_default(),
        retries: keys.number("retries", u64::from(ATTEMPTS_MAX) - 1).and_then(|n| u32::try_from(n).ok()),
        backoff: keys.parsed("backoff"),
        timeout: keys.with("timeout", span),
        version: keys.parsed("version"),
        tags: keys.texts("tags"),
        input,
        name: match name {
            Some(name) => name,
            None => {
                if !keys.has("name") {
                    keys.fault("name", "a schedule needs a name");
                }
                keys.refuse_others();
                return None;
            }
        },
        timing: match timing {
            Some(timing) => timing,
            None => {
                keys.refuse_others();
                return None;
            }
        },
    };
    keys.refuse_others();
    Some(found)
}

#[cfg(test)]
#[path = "manifest/manifest_tests.rs"]
mod tests;

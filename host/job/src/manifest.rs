//! The manifest of a task: a TOML file that says what `lovage push` would be told by options, and carries the task's
//! schedules. It is read whole: every fault is told at once, before anything is sent.

mod keys;

use crate::capability::{Capability, CapabilityError};
use crate::catalog::{Shape, VersionRef};
use crate::limits::LimitsWish;
use crate::name::{AliasName, QueueName, ScheduleName, TaskName, VersionName};
use crate::retry::{ATTEMPTS_MAX, Backoff};
use crate::retry_on::RetryOn;
use crate::schedule::{Missed, Overlap, TimingText};
use crate::subject::Lane;
use crate::unit::{ByteSize, UnixMs, parse_span};
use keys::Keys;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most schedules of one manifest.
const SCHEDULES_MAX: usize = 100;

/// What a manifest says; what it leaves out is for options and defaults to say.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// The name of the task.
    pub task: Option<TaskName>,
    /// The version.
    pub version: Option<VersionName>,
    /// Which export of the component.
    pub export: Option<String>,
    /// Which shape of the component.
    pub shape: Option<Shape>,
    /// The alias that is moved.
    pub alias: Option<AliasName>,
    /// Whether one is moved.
    pub promote: Option<bool>,
    /// Arguments of a program.
    pub args: Vec<String>,
    /// Environment of a program.
    pub env: BTreeMap<String, String>,
    /// How long results are kept.
    pub result_ttl: Option<Duration>,
    /// The limits that the task asks for.
    pub limits: LimitsWish,
    /// What the task is granted.
    pub allow: Vec<Capability>,
    /// Further attempts after the first.
    pub retries: Option<u32>,
    /// The back-off between attempts.
    pub backoff: Option<Backoff>,
    /// How an attempt must have ended to be tried again.
    pub retry_on: Option<RetryOn>,
    /// The schedules of the task.
    pub schedules: Vec<ManifestSchedule>,
}

/// A schedule of a manifest; the task is known once the component is.
#[derive(Debug, Clone)]
pub struct ManifestSchedule {
    /// Its name.
    pub name: ScheduleName,
    /// When it ticks.
    pub timing: TimingText,
    /// The input of its jobs.
    pub input: Vec<u8>,
    /// Where its jobs wait.
    pub queue: QueueName,
    /// Their priority.
    pub lane: Lane,
    /// What becomes of missed ticks.
    pub missed: Missed,
    /// How late a tick may run.
    pub deadline: Option<Duration>,
    /// What becomes of a tick while an earlier one runs.
    pub overlap: Overlap,
    /// Further attempts after the first.
    pub retries: Option<u32>,
    /// The back-off between attempts.
    pub backoff: Option<Backoff>,
    /// The longest wall time of an attempt.
    pub timeout: Option<Duration>,
    /// The version to run.
    pub version: Option<VersionRef>,
    /// Labels of the results.
    pub tags: Vec<String>,
}

/// Reads a manifest, now; or tells all that is wrong with it.
pub fn read(text: &str, now: UnixMs) -> Result<Manifest, Vec<String>> {
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| vec![error.to_string().trim_end().to_owned()])?;
    let mut faults = Vec::new();
    let manifest = manifest(&table, now, &mut faults);
    if faults.is_empty() { Ok(manifest) } else { Err(faults) }
}

fn manifest(table: &toml::Table, now: UnixMs, faults: &mut Vec<String>) -> Manifest {
    let mut keys = Keys::new("", table, faults);
    let mut manifest = Manifest {
        task: keys.parsed("task"),
        version: keys.parsed("version"),
        export: keys.text("export"),
        shape: keys.with("shape", shape),
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
        manifest.schedules.extend(schedule(Keys::new(&place, table, faults), now));
    }
    let mut names: Vec<_> = manifest.schedules.iter().map(|schedule| &schedule.name).collect();
    names.sort();
    let twice = names.windows(2).filter(|pair| matches!(pair, [a, b] if a == b));
    faults.extend(twice.filter_map(|pair| pair.first().map(|name| format!("schedule {name} is there twice"))));
    manifest
}

fn shape(text: &str) -> Result<Shape, String> {
    let known = || Shape::ALL.map(Shape::as_str).join(", ");
    Shape::parse(text).ok_or_else(|| format!("shapes are {}", known()))
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

fn schedule(mut keys: Keys<'_, '_>, now: UnixMs) -> Option<ManifestSchedule> {
    let span = |text: &str| parse_span(text).map_err(|error| error.to_string());
    let (name, input) = (keys.parsed("name"), keys.json("input"));
    let (cron, zone, every, at) = (keys.text("cron"), keys.text("zone"), keys.text("every"), keys.text("at"));
    let timing = match (&cron, &every, &at) {
        (Some(cron), None, None) => TimingText::parse(cron, zone.as_deref(), now),
        (None, Some(every), None) => TimingText::parse(&format!("@every {every}"), zone.as_deref(), now),
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

//! `lovage schedule list` and `show`.

use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use super::failure;
use crate::clock::now;
use lovage_client::{Client, JobState};
use lovage_job::header;
use lovage_job::name::{JobId, ScheduleName};
use lovage_job::schedule::{ScheduleInput, ScheduleRecord, TimingText};
use lovage_job::unit::{UnixMs, format_span};
use serde_json::{Value, json};

/// How many ticks are shown.
const TICKS_SHOWN: usize = 5;
/// How much of an input is shown to people.
const INPUT_SHOWN: usize = 200;

/// The next ticks of a schedule; none while it is paused.
pub(super) fn next(record: &ScheduleRecord, most: usize) -> Vec<UnixMs> {
    match record.definition.timing.ready() {
        Ok(timing) if !record.paused => timing.next(now(), most),
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// A tick, for programs.
pub(super) fn tick(timing: &TimingText, tick: UnixMs) -> Value {
    json!({"slot": tick, "utc": tick.to_rfc3339(), "local": timing.by_the_clock(tick)})
}

fn as_json(record: &ScheduleRecord, most: usize) -> Value {
    let mut value = json!(record);
    let ticks: Vec<Value> = next(record, most).into_iter().map(|at| tick(&record.definition.timing, at)).collect();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("next".to_owned(), ticks.into());
    }
    value
}

pub(super) async fn list(client: &Client, output: Output) -> Result<Exit, Failure> {
    let schedules = client.schedules().await.map_err(|fault| failure(&fault))?;
    if output.json {
        output.value(&schedules.iter().map(|record| as_json(record, 1)).collect::<Vec<_>>())?;
    } else if schedules.is_empty() {
        output.note("no schedules");
    } else {
        let heads = ["NAME", "WHEN", "TASK", "QUEUE", "MISSED", "OVERLAP", "NEXT", "OF"];
        output.table(&heads, schedules.iter().map(row).collect())?;
    }
    Ok(Exit::Done)
}

fn row(record: &ScheduleRecord) -> Vec<String> {
    let definition = &record.definition;
    let next = next(record, 1).first().map(|tick| definition.timing.by_the_clock(*tick));
    let none = if record.paused { "paused" } else { "none" };
    vec![
        record.name.to_string(),
        definition.timing.to_string(),
        definition.task.to_string(),
        definition.queue.to_string(),
        record.missed.to_string(),
        record.overlap.to_string(),
        next.unwrap_or_else(|| none.to_owned()),
        record.owner.as_ref().map(|task| format!("manifest of {task}")).unwrap_or_default(),
    ]
}

/// What is known of a run.
struct Run {
    id: JobId,
    state: &'static str,
    outcome: Option<&'static str>,
    message: Option<String>,
}

async fn last_run(client: &Client, name: &ScheduleName) -> Result<Option<Run>, Failure> {
    let id = match client.last_run(name).await {
        Ok(Some(id)) => id,
        Ok(None) => return Ok(None),
        Err(fault) => return Err(failure(&fault)),
    };
    let (state, outcome, message) = match client.find(&id).await.or_exit(Exit::Broker)? {
        JobState::Queued { .. } => ("queued", None, None),
        JobState::Delayed { .. } => ("delayed", None, None),
        JobState::WaitingRetry { .. } => ("waiting-retry", None, None),
        JobState::Held { waits_for, .. } => ("held", None, Some(format!("waits for {waits_for}"))),
        JobState::Done(result) => {
            ("done", Some(result.record.outcome.as_str()), result.error.map(|error| error.message))
        }
        JobState::Unknown => ("unknown", None, None),
    };
    Ok(Some(Run { id, state, outcome, message }))
}

pub(super) async fn one(client: &Client, name: &ScheduleName, output: Output) -> Result<Exit, Failure> {
    let Some(record) = client.schedule(name).await.map_err(|fault| failure(&fault))? else {
        return Err(failure(&client.no_schedule(name).await));
    };
    let last = last_run(client, name).await?;
    if output.json {
        let mut value = as_json(&record, TICKS_SHOWN);
        if let Some(fields) = value.as_object_mut() {
            let last = last
                .map(|run| json!({"id": run.id, "state": run.state, "outcome": run.outcome, "message": run.message}));
            fields.insert("last".to_owned(), last.into());
        }
        output.value(&value)?;
        return Ok(Exit::Done);
    }
    print(&record, last.as_ref(), output)
}

fn print(record: &ScheduleRecord, last: Option<&Run>, output: Output) -> Result<Exit, Failure> {
    let definition = &record.definition;
    let line = |name: &str, value: &str| output.line(&format!("{name:<10}{value}"));
    line("schedule", record.name.as_str())?;
    line("when", &definition.timing.to_string())?;
    line("task", definition.task.as_str())?;
    line("queue", &format!("{} ({})", definition.queue, definition.lane))?;
    for (name, value) in definition.headers.iter().filter(|(name, _)| header::is_lovages(name)) {
        line("asks", &format!("{name}: {value}"))?;
    }
    match &definition.input {
        ScheduleInput::Text(text) if text.is_empty() => {}
        ScheduleInput::Text(text) => line("input", &text.chars().take(INPUT_SHOWN).collect::<String>())?,
        ScheduleInput::Hex(digits) => line("input", &format!("{} bytes", digits.len() / 2))?,
    }
    line("missed", &format!("{} (later than {})", record.missed, format_span(record.deadline)))?;
    line("overlap", &record.overlap.to_string())?;
    if let Some(task) = &record.owner {
        line("of", &format!("the manifest of {task}"))?;
    }
    line("changed", &record.since.to_rfc3339())?;
    if let Some(run) = last {
        let ended = run.outcome.unwrap_or(run.state);
        line(
            "last run",
            &format!("{} {ended}{}", run.id, run.message.as_ref().map(|told| format!(": {told}")).unwrap_or_default()),
        )?;
    }
    if record.paused {
        return line("next", "paused").map(|()| Exit::Done);
    }
    for tick in next(record, TICKS_SHOWN) {
        line("next", &format!("{}  {}", definition.timing.by_the_clock(tick), tick.to_rfc3339()))?;
    }
    Ok(Exit::Done)
}

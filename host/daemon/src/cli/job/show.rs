//! `lovage job show`: all that is known of one job.

use super::super::ended::{EndedJob, exit_of, preview, print_error_body, print_trail, span};
use super::super::input::write_to;
use super::super::output::printable;
use super::super::task::when;
use super::super::{Exit, Failure, Output};
use super::unknown;
use lovage_client::{Client, JobState, ReadError};
use lovage_job::name::JobId;
use lovage_job::result::JobResult;
use lovage_job::unit::{ByteSize, UnixMs};
use serde_json::json;
use std::time::Duration;

/// The largest result within a JSON document about a job.
const RESULT_BYTES_MAX: usize = 64 << 10;

pub(super) async fn main(client: &Client, id: &JobId, target: Option<&str>, output: Output) -> Result<Exit, Failure> {
    let found = client.find(id).await.map_err(|error| match error {
        ReadError::Forbidden { .. } => {
            let message = format!("job {id} has no result yet, and this user sees results and events alone");
            Failure::new(Exit::NotFound, message).hint(format!("`lovage job wait {id}` waits for it"))
        }
        error => Failure::new(Exit::Broker, error),
    });
    match found? {
        JobState::Unknown => Err(unknown(id, client)),
        JobState::Done(result) => match target {
            Some(target) => write_result(&result, target, output),
            None if output.json => output.value(&EndedJob::new(&result, RESULT_BYTES_MAX)).map(|()| Exit::Done),
            None => print(&result, output).map(|()| Exit::Done),
        },
        JobState::Queued { .. } | JobState::Delayed { .. } | JobState::WaitingRetry { .. } | JobState::Held { .. }
            if target.is_some() =>
        {
            let failure = Failure::new(Exit::NotFound, format!("job {id} has no result yet"));
            Err(failure.hint(format!("`lovage job wait {id}` waits for it")))
        }
        JobState::Queued { subject, stored, attempt } => {
            if output.json {
                let (queue, task, lane) = (subject.queue, subject.task, subject.lane);
                let about = json!({"id": id, "state": "queued", "task": task, "queue": queue, "lane": lane,
                    "attempt": attempt, "since": stored});
                return output.value(&about).map(|()| Exit::Done);
            }
            output.line(&format!("job       {id}"))?;
            output.line("state     queued (waiting, or run by a worker)")?;
            output.line(&format!("task      {}", subject.task))?;
            output.line(&format!("queue     {} ({})", subject.queue, subject.lane))?;
            output.line(&format!("attempt   {attempt}"))?;
            output.line(&format!("since     {}", when(stored)))?;
            Ok(Exit::Done)
        }
        JobState::Delayed { due } => scheduled(id, "delayed", due, 1, output),
        JobState::Held { waits_for, due, attempt } => held(id, &waits_for, due, attempt, output),
        JobState::WaitingRetry { due, attempt } => scheduled(id, "waiting-retry", due, attempt, output),
    }
}

fn held(id: &JobId, waits_for: &str, due: UnixMs, attempt: u32, output: Output) -> Result<Exit, Failure> {
    if output.json {
        let about = json!({"id": id, "state": "held", "waits_for": waits_for, "due": due, "attempt": attempt});
        return output.value(&about).map(|()| Exit::Done);
    }
    output.line(&format!("job       {id}"))?;
    output.line(&format!("state     held, waits for {waits_for}"))?;
    output.line(&format!("attempt   {attempt}"))?;
    output.line(&format!("due       {} at the latest, to look again", when(due)))?;
    Ok(Exit::Done)
}

fn scheduled(id: &JobId, state: &str, due: UnixMs, attempt: u32, output: Output) -> Result<Exit, Failure> {
    if output.json {
        let about = json!({"id": id, "state": state, "due": due, "attempt": attempt});
        return output.value(&about).map(|()| Exit::Done);
    }
    output.line(&format!("job       {id}"))?;
    output.line(&format!("state     {state}"))?;
    output.line(&format!("attempt   {attempt}"))?;
    output.line(&format!("due       {}", when(due)))?;
    Ok(Exit::Done)
}

fn write_result(result: &JobResult, target: &str, output: Output) -> Result<Exit, Failure> {
    let outcome = result.record.outcome;
    if exit_of(outcome) != Exit::Done {
        let message = format!("job {} ended as {outcome} and has no result", result.record.id);
        return Err(Failure::new(Exit::JobFailed, message));
    }
    write_to(target, &result.body, output).map(|()| Exit::Done)
}

fn print(result: &JobResult, output: Output) -> Result<(), Failure> {
    let record = &result.record;
    let text = |name: &str, value: &str| output.line(&format!("{name:<9} {}", printable(value)));
    text("job", record.id.as_str())?;
    text("state", &format!("done: {}", record.outcome))?;
    if let Some(task) = &record.task {
        text("task", task.as_str())?;
    }
    if let (Some(queue), Some(lane)) = (&record.queue, record.lane) {
        text("queue", &format!("{queue} ({lane})"))?;
    }
    if let (Some(version), Some(digest)) = (&record.version, &record.digest) {
        text("version", &format!("{version} ({digest})"))?;
    }
    if !record.tags.is_empty() {
        text("tags", &record.tags.join(" "))?;
    }
    text("published", &when(record.published))?;
    let total = span(record.finished.since(record.published));
    text("finished", &format!("{}, {total} later", when(record.finished)))?;
    if record.attempt > 0 {
        let (wall, memory) = (Duration::from_micros(record.meter.wall_us), ByteSize(record.meter.memory_peak_bytes));
        let used = format!("time {wall:.1?} · fuel {} · memory {memory}", record.meter.fuel_used);
        let egress = ByteSize(record.meter.egress_bytes);
        text("used", &if egress.0 > 0 { format!("{used} · egress {egress}") } else { used })?;
        text("waited", &format!("{} until the last attempt", span(record.started.since(record.published))))?;
        text("attempts", &format!("{}, the last on {}", record.attempt, record.worker))?;
    }
    print_trail(&result.trail, result.error.as_ref(), output)?;
    if let Some(error) = &result.error {
        text("error", &format!("{}: {}", error.kind, error.message))?;
        print_error_body(error, output)?;
        return Ok(());
    }
    let media = result.content_type.as_deref().unwrap_or("unknown type");
    text("result", &format!("{} bytes of {media}", result.body.len()))?;
    if result.body.is_empty() { Ok(()) } else { output.line(&preview(&result.body)) }
}

//! What a result or a dead letter makes of what is known of a job. Pure, and the same in whatever order they come.
//!
//! A job's row is that of its latest run. A result is written before the dead letter of the same run, and that of a
//! replay after both, all by the broker's clock; so a job is dead where its latest letter is not older than its latest
//! result. Where there is a result, all but that comes from the result; a letter alone speaks for itself.

use crate::entry::{Buried, Ended, Entry};
use crate::row::{Attempt, JobRow, Stored};
use lovage_job::header;
use lovage_job::outcome::{JobError, Meter};
use lovage_job::subject::JobSubject;
use lovage_job::trace::TraceContext;
use lovage_job::trail::AttemptRecord;
use lovage_job::unit::UnixMs;

/// Characters of a message in a row.
const MESSAGE_MAX: usize = 500;
/// Bytes of an error with its details.
const ERROR_BYTES_MAX: usize = 4 * 1024;
/// Characters of a worker's name.
const WORKER_MAX: usize = 128;
/// Characters of a label, and labels of a job.
const TAG_MAX: usize = 100;
const TAGS_MAX: usize = 16;
/// Attempts of a job that are kept.
const TRAIL_MAX: usize = 100;

/// A job after `entry`. An entry that was applied before changes nothing.
pub(crate) fn merge(before: Option<Stored>, entry: &Entry) -> Stored {
    let (result_at, letter_at) =
        before.as_ref().map_or((UnixMs(0), UnixMs(0)), |before| (before.result_at, before.letter_at));
    let mut after = match (entry, before) {
        (Entry::Ended(ended), before) => match before {
            Some(before) if ended.at < result_at => before,
            _ => Stored { letter_at, ..of_result(ended) },
        },
        (Entry::Buried(buried), before) => match before {
            Some(before) if buried.at < letter_at => before,
            Some(before) if result_at.0 > 0 => Stored { letter_at: buried.at, ..before },
            _ => of_letter(buried),
        },
    };
    after.row.dead = after.letter_at.0 > 0 && after.letter_at >= after.result_at;
    after
}

fn of_result(ended: &Ended) -> Stored {
    let Ended { tenant, at, result } = ended;
    let record = &result.record;
    let row = JobRow {
        tenant: tenant.clone(),
        id: record.id.clone(),
        task: record.task.clone(),
        queue: record.queue.clone(),
        lane: record.lane,
        outcome: record.outcome,
        error_message: message(result.error.as_ref()),
        digest: record.digest.clone(),
        version: record.version.clone(),
        attempts: record.attempt.min(i32::MAX.unsigned_abs()),
        published: when(record.published),
        started: when(record.started),
        finished: when(record.finished),
        meter: meter(record.meter),
        worker: clean(&record.worker, WORKER_MAX),
        tags: tags(record.tags.iter().map(String::as_str)),
        dead: false,
        trace_id: record.trace_id.clone().filter(|id| is_trace(id)),
    };
    let trail = attempts(&result.trail.0);
    Stored { row, error_more: more(result.error.as_ref()), trail, result_at: when(*at), letter_at: UnixMs(0) }
}

fn of_letter(buried: &Buried) -> Stored {
    let Buried { tenant, at, letter } = buried;
    let subject = JobSubject::parse(&letter.subject).ok();
    let last = letter.trail.0.last();
    let started = |record: Option<&AttemptRecord>| when(record.map_or(letter.buried, |record| record.started));
    let row = JobRow {
        tenant: tenant.clone(),
        id: letter.id.clone(),
        task: subject.as_ref().map(|subject| subject.task.clone()),
        queue: subject.as_ref().map(|subject| subject.queue.clone()),
        lane: subject.map(|subject| subject.lane),
        outcome: letter.error.kind,
        error_message: message(Some(&letter.error)),
        digest: last.and_then(|last| last.digest.clone()),
        version: None,
        attempts: last.map_or(0, |last| last.attempt.min(i32::MAX.unsigned_abs())),
        published: started(letter.trail.0.first()),
        started: started(last),
        finished: when(letter.buried),
        meter: meter(last.map(|last| last.meter).unwrap_or_default()),
        worker: last.map(|last| clean(&last.worker, WORKER_MAX)).unwrap_or_default(),
        tags: tags(letter.headers.all(header::TAG)),
        dead: true,
        trace_id: letter.headers.get(header::TRACE_PARENT).and_then(TraceContext::parse).map(|trace| trace.trace_id()),
    };
    let trail = attempts(&letter.trail.0);
    Stored { row, error_more: more(Some(&letter.error)), trail, result_at: UnixMs(0), letter_at: when(*at) }
}

fn attempts(trail: &[AttemptRecord]) -> Vec<Attempt> {
    let newest = trail.get(trail.len().saturating_sub(TRAIL_MAX)..).unwrap_or_default();
    let each = |record: &AttemptRecord| Attempt {
        attempt: record.attempt.min(i32::MAX.unsigned_abs()),
        outcome: record.outcome,
        started: when(record.started),
        digest: record.digest.clone(),
        worker: clean(&record.worker, WORKER_MAX),
        meter: meter(record.meter),
        error_message: message(record.error.as_ref()),
    };
    newest.iter().map(each).collect()
}

/// Text that every engine stores: without NUL, and bounded.
fn clean(text: &str, max: usize) -> String {
    text.chars().take(max).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

/// Whether a text is the name of a trace, as all of them are written.
fn is_trace(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn message(error: Option<&JobError>) -> Option<String> {
    error.map(|error| clean(&error.message, MESSAGE_MAX))
}

fn more(error: Option<&JobError>) -> Option<String> {
    let clipped = error?.clone().clipped(ERROR_BYTES_MAX);
    serde_json::to_string(&clipped).ok()
}

fn tags<'a>(tags: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for tag in tags.take(TAGS_MAX).map(|tag| clean(tag, TAG_MAX)) {
        if !kept.contains(&tag) {
            kept.push(tag);
        }
    }
    kept
}

/// What fits into a number of SQL, far from its end, since times are calculated with.
fn when(at: UnixMs) -> UnixMs {
    const YEAR_10000: u64 = 253_402_300_800_000;
    UnixMs(at.0.min(YEAR_10000))
}

fn meter(meter: Meter) -> Meter {
    /// So that sums of very many of them fit, too.
    const MAX: u64 = 1 << 53;
    Meter {
        fuel_used: meter.fuel_used.min(MAX),
        memory_peak_bytes: meter.memory_peak_bytes.min(MAX),
        wall_us: meter.wall_us.min(MAX),
        egress_bytes: meter.egress_bytes.min(MAX),
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;

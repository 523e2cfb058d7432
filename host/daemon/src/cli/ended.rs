//! A job that has ended: its result for people and programs, and the exit code that says how it ended.

use super::output::{printable, printable_lines};
use super::run::note_error;
use super::{Exit, Failure, Output};
use base64::Engine as _;
use lovage_job::catalog::Encoding;
use lovage_job::outcome::{JobError, OutcomeKind};
use lovage_job::result::{JobResult, ResultRecord};
use lovage_job::trail::{AttemptRecord, Trail};
use lovage_job::unit::ByteSize;
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::IsTerminal;
use std::time::Duration;

/// An ended job for programs.
#[derive(Serialize)]
pub(super) struct EndedJob<'a> {
    state: &'static str,
    #[serde(flatten)]
    record: &'a ResultRecord,
    error: &'a Option<JobError>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    trail: &'a [AttemptRecord],
    content_type: Option<&'a str>,
    result_bytes: usize,
    #[serde(flatten)]
    body: Body,
}

/// The output of a job within a JSON document.
#[derive(Serialize, Default)]
pub(super) struct Body {
    /// JSON as it is, other text as a string.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    /// What is neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_base64: Option<String>,
}

impl Body {
    pub(super) fn of(result: &JobResult) -> Self {
        if result.record.outcome != OutcomeKind::Completed {
            return Self::default();
        }
        match std::str::from_utf8(&result.body) {
            Ok(text) => Self { result: Some(as_json(result.encoding(), text)), result_base64: None },
            Err(_) => {
                let text = base64::engine::general_purpose::STANDARD.encode(&result.body);
                Self { result: None, result_base64: Some(text) }
            }
        }
    }
}

/// JSON keeps its numbers as they are written; only line breaks go, since a document is one line.
fn as_json(encoding: Encoding, text: &str) -> Box<RawValue> {
    let own = match encoding {
        Encoding::Json if text.contains(['\n', '\r']) => {
            serde_json::from_str(text).and_then(|value: serde_json::Value| serde_json::value::to_raw_value(&value)).ok()
        }
        Encoding::Json => serde_json::from_str(text).ok(),
        Encoding::Bytes => None,
    };
    own.or_else(|| serde_json::value::to_raw_value(text).ok()).unwrap_or_else(|| RawValue::NULL.to_owned())
}

impl<'a> EndedJob<'a> {
    /// The job with its output, unless that is larger than `body_bytes_max`.
    pub(super) fn new(result: &'a JobResult, body_bytes_max: usize) -> Self {
        let fits = result.body.len() <= body_bytes_max;
        Self {
            state: "done",
            record: &result.record,
            error: &result.error,
            trail: &result.trail.0,
            content_type: result.content_type.as_deref(),
            result_bytes: result.body.len(),
            body: if fits { Body::of(result) } else { Body::default() },
        }
    }
}

/// The exit code that says how a job ended.
pub(super) fn exit_of(outcome: OutcomeKind) -> Exit {
    if outcome == OutcomeKind::Completed { Exit::Done } else { Exit::JobFailed }
}

/// Prints what a wait was for: the result alone on standard output, or what went wrong on standard error.
pub(super) fn print(result: &JobResult, output: Output) -> Result<Exit, Failure> {
    let record = &result.record;
    if output.json {
        output.value(&EndedJob::new(result, usize::MAX))?;
        return Ok(exit_of(record.outcome));
    }
    match &result.error {
        None => print_body(result, output)?,
        Some(error) => note_error(error, output),
    }
    if result.error.is_some() || std::io::stderr().is_terminal() {
        output.note(&format!("job {} {}", record.id, told(record)));
    }
    Ok(exit_of(record.outcome))
}

/// How a job ended and what that took, for people.
pub(super) fn told(record: &ResultRecord) -> String {
    let wall = Duration::from_micros(record.meter.wall_us);
    let version = record.version.as_ref().map(|version| format!(" · version {version}")).unwrap_or_default();
    let attempts = if record.attempt > 1 { format!(" · attempt {}", record.attempt) } else { String::new() };
    let fuel = record.meter.fuel_used;
    format!("{} · time {wall:.1?} · fuel {fuel}{attempts}{version}", record.outcome)
}

/// Writes the output: as it is, but for what would harm a terminal; JSON and text for people end in a line break.
fn print_body(result: &JobResult, output: Output) -> Result<(), Failure> {
    let terminal = std::io::stdout().is_terminal();
    let json = result.encoding() == Encoding::Json;
    match std::str::from_utf8(&result.body) {
        Ok(text) if terminal => output.line(text.trim_end_matches('\n')),
        Ok(text) if json => output.raw(format!("{text}\n").as_bytes()),
        Err(_) if terminal => {
            let media = result.content_type.as_deref().unwrap_or("unknown type");
            let size = ByteSize(u64::try_from(result.body.len()).unwrap_or(u64::MAX));
            output.note(&format!("the result is {size} of {media}, not text, and is not written to a terminal"));
            output.note(&format!("hint: lovage job show {} --output FILE", result.record.id));
            Ok(())
        }
        Ok(_) | Err(_) => output.raw(&result.body),
    }
}

/// The start of a body, for people.
pub(super) fn preview(body: &[u8]) -> String {
    const CHARACTERS: usize = 1_000;
    let start = body.get(..body.len().min(4 * CHARACTERS)).unwrap_or_default();
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // a character may be cut in two at the end
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(start.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(_) => return format!("{} bytes, not text", body.len()),
    };
    let shown: String = text.chars().take(CHARACTERS).collect();
    let cut = if shown.len() < body.len() { format!("… ({} bytes)", body.len()) } else { String::new() };
    printable_lines(&shown).trim_end().to_owned() + &cut
}

/// Prints what each attempt came to, with details and backtraces unless they are those of `end`, which follow.
pub(super) fn print_trail(trail: &Trail, end: Option<&JobError>, output: Output) -> Result<(), Failure> {
    for record in &trail.0 {
        let wall = Duration::from_micros(record.meter.wall_us);
        let message = record.error.as_ref().map(|error| printable(&error.message)).unwrap_or_default();
        let began = super::task::when(record.started);
        output.line(&format!("attempt   {}  {began}  {}  {wall:.1?}  {message}", record.attempt, record.outcome))?;
        let (fuel, memory) = (record.meter.fuel_used, ByteSize(record.meter.memory_peak_bytes));
        let digest = record.digest.as_ref().map(|digest| format!(" · sha256:{}…", digest.short())).unwrap_or_default();
        let worker = printable(&record.worker);
        output.line(&format!("  used    fuel {fuel} · memory {memory} · on {worker}{digest}"))?;
        let of_end =
            |error: &&JobError| end.is_some_and(|end| end.backtrace == error.backtrace && end.details == error.details);
        if let Some(error) = record.error.as_ref().filter(|error| !of_end(error)) {
            print_error_body(error, output)?;
        }
    }
    Ok(())
}

/// Prints details and backtrace of an error.
pub(super) fn print_error_body(error: &JobError, output: Output) -> Result<(), Failure> {
    if let Some(details) = &error.details {
        output.line(&format!("  details {}", printable(&details.to_string())))?;
    }
    for frame in frames(&error.backtrace) {
        output.line(&format!("  at {}", printable(&frame)))?;
    }
    Ok(())
}

/// The frames of a backtrace; those of a recursion are told once.
pub(super) fn frames(backtrace: &[String]) -> impl Iterator<Item = String> {
    backtrace.chunk_by(|a, b| a == b).filter_map(|same| {
        let frame = same.first()?;
        Some(if same.len() > 1 { format!("{frame} ({} times)", same.len()) } else { frame.clone() })
    })
}

/// A span for people, to the second where it is longer than some.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0..10) => format!("{span:.1?}"),
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, _) => format!("{hours}h{minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_as_written_and_on_one_line() {
        assert_eq!(as_json(Encoding::Json, "[1e400, 0.1]").get(), "[1e400, 0.1]");
        assert_eq!(as_json(Encoding::Json, "{\n \"a\": 1\r\n}").get(), r#"{"a":1}"#);
        assert_eq!(as_json(Encoding::Json, "broken").get(), r#""broken""#);
        assert_eq!(as_json(Encoding::Bytes, "1\n").get(), r#""1\n""#);
    }

    #[test]
    fn spans_are_short() {
        let shown = [12, 9_999, 10_000, 88_500, 3_725_000, 90_000_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(shown, ["12.0ms", "10.0s", "10s", "1m28s", "1h2m", "25h0m"]);
    }

    #[test]
    fn recursion_is_told_once() {
        let backtrace = ["a", "b", "b", "b", "a"].map(str::to_owned);
        assert_eq!(frames(&backtrace).collect::<Vec<_>>(), ["a", "b (3 times)", "a"]);
    }

    #[test]
    fn previews_are_bounded_and_harmless() {
        assert_eq!(preview(b"a\x1b[2J\n"), "a\u{fffd}[2J");
        assert_eq!(preview(b"\xff\xfe"), "2 bytes, not text");
        let long = preview("é".repeat(5_000).as_bytes());
        assert!(long.starts_with("éé") && long.ends_with("… (10000 bytes)") && long.len() < 2_100);
        assert_eq!(preview("€".repeat(3_999).as_bytes()).chars().filter(|c| *c == '€').count(), 1_000);
    }
}

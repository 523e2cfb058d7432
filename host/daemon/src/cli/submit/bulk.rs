//! `lovage submit --jsonl`: a job for each line, many at a time, in bounded memory.

use super::super::connection::ConnectionArgs;
use super::super::ended::Body;
use super::super::worker::Stops;
use super::super::{Exit, Failure, Output};
use super::lines::{self, Line};
use super::{JobArgs, SubmitArgs, failure, warn_unserved};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use lovage_client::{Client, Submitted, WaitError};
use lovage_job::name::{JobId, TaskName};
use lovage_job::outcome::{JobError, OutcomeKind};
use lovage_job::result::JobResult;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Submissions in flight.
const WINDOW: usize = 1_024;

/// What became of a line.
struct Told {
    number: u64,
    offset: u64,
    end: End,
}

enum End {
    /// No job.
    Refused(Failure),
    /// A job that nobody waited for.
    Submitted(Submitted),
    /// A job that has ended.
    Ended(Submitted, Box<JobResult>),
    /// A job whose end was not seen.
    Lost(Submitted, WaitError),
}

pub(super) async fn main(args: SubmitArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let source = lines::open(args.input.as_deref())?;
    let client = connection.client().await?;
    let (mut stops, stopping) = (Stops::new()?, CancellationToken::new());
    warn_unserved(&client, &args.job.queue, output).await;
    let mut tally = Tally::new(source.size);
    let work = lines::read(source).take_until(stopping.clone().cancelled_owned());
    let mut work = std::pin::pin!(work.map(|line| one(&client, &args, line)).buffer_unordered(WINDOW));
    let interrupted = loop {
        tokio::select! {
            told = work.next() => match told {
                Some(told) => {
                    if tally.add(told, output)? {
                        stopping.cancel();
                    }
                }
                None => break false,
            },
            () = stops.next() => break true,
        }
    };
    tally.sum_up(stopping.is_cancelled(), output);
    Ok(if interrupted { Exit::Interrupted } else { tally.exit() })
}

async fn one(client: &Client, args: &SubmitArgs, line: Line) -> Told {
    let (number, offset) = (line.number, line.offset);
    Told { number, offset, end: submit(client, &args.job, &args.task, args.wait, args.timeout, line).await }
}

async fn submit(
    client: &Client,
    job: &JobArgs,
    task: &TaskName,
    wait: bool,
    timeout: Option<Duration>,
    line: Line,
) -> End {
    // the rest of the line is its room, which is kept until the job is submitted
    let Line { content, .. } = &line;
    let payload = match content {
        Ok(payload) => payload.clone(),
        Err(reason) => return End::Refused(Failure::new(Exit::Usage, reason)),
    };
    let submitted = match client.submit(job.job(task.clone(), payload)).await {
        Ok(submitted) => submitted,
        Err(error) => return End::Refused(failure(&error)),
    };
    drop(line);
    if !wait {
        return End::Submitted(submitted);
    }
    match client.wait(&submitted.id, timeout).await {
        Ok(result) => End::Ended(submitted, Box::new(result)),
        Err(error) => End::Lost(submitted, error),
    }
}

/// One line of the answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    existing: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeKind>,
    #[serde(flatten)]
    body: Body,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Wrong<'a>>,
}

/// What went wrong: with the line, or with the job.
#[derive(Serialize)]
#[serde(untagged)]
enum Wrong<'a> {
    Line(String),
    Job(&'a JobError),
}

impl Told {
    fn answer(&self) -> Answer<'_> {
        let line = self.number;
        let body = Body::default();
        match &self.end {
            End::Refused(failure) => {
                let error = Some(Wrong::Line(failure.message.clone()));
                Answer { line, id: None, existing: None, outcome: None, body, error }
            }
            End::Submitted(submitted) => {
                let (id, existing) = (Some(&submitted.id), Some(submitted.existing));
                Answer { line, id, existing, outcome: None, body, error: None }
            }
            End::Ended(submitted, result) => {
                let (id, existing) = (Some(&submitted.id), Some(submitted.existing));
                let (outcome, error) = (Some(result.record.outcome), result.error.as_ref().map(Wrong::Job));
                Answer { line, id, existing, outcome, body: Body::of(result), error }
            }
            End::Lost(submitted, error) => {
                let (id, existing) = (Some(&submitted.id), Some(submitted.existing));
                Answer { line, id, existing, outcome: None, body, error: Some(Wrong::Line(error.to_string())) }
            }
        }
    }
}

/// Counts, and tells how far it is.
struct Tally {
    bar: ProgressBar,
    sized: bool,
    begun: Instant,
    submitted: u64,
    existing: u64,
    refused: u64,
    completed: u64,
    ended_otherwise: u64,
    late: u64,
    at_fault: Option<Exit>,
    /// The lines in flight that met the fault of the broker too.
    in_vain: Vec<u64>,
    last: u64,
}

impl Tally {
    fn new(size: Option<u64>) -> Self {
        let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = if size.is_some() { "{wide_bar} {percent}% {msg}" } else { "{spinner} {elapsed} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            sized: size.is_some(),
            begun: Instant::now(),
            submitted: 0,
            existing: 0,
            refused: 0,
            completed: 0,
            ended_otherwise: 0,
            late: 0,
            at_fault: None,
            in_vain: Vec::new(),
            last: 0,
        }
    }

    /// Counts and prints a line's end; true where reading on is in vain.
    fn add(&mut self, told: Told, output: Output) -> Result<bool, Failure> {
        let known = self.at_fault.is_some();
        let fault = self.count(&told.end);
        self.last = self.last.max(told.number);
        if self.sized {
            self.bar.set_position(self.bar.position().max(told.offset));
        } else {
            self.bar.tick();
        }
        self.bar.set_message(format!("{} jobs, {} refused", self.submitted, self.refused));
        if fault && known && !output.json && matches!(told.end, End::Refused(_)) {
            // told once for all, at the end
            self.in_vain.push(told.number);
        } else {
            self.bar.suspend(|| print(&told, output))?;
        }
        Ok(fault)
    }

    fn count(&mut self, end: &End) -> bool {
        let (submitted, exit) = match end {
            End::Refused(failure) => {
                self.refused += 1;
                // the next line may be right, but the broker will not be another
                let vain = failure.exit != Exit::Usage;
                if vain {
                    self.at_fault = Some(failure.exit);
                }
                return vain;
            }
            End::Submitted(submitted) => (submitted, None),
            End::Ended(submitted, result) => {
                if result.record.outcome == OutcomeKind::Completed {
                    self.completed += 1;
                } else {
                    self.ended_otherwise += 1;
                }
                (submitted, None)
            }
            End::Lost(submitted, WaitError::TimedOut { .. }) => {
                self.late += 1;
                (submitted, None)
            }
            End::Lost(submitted, WaitError::Closed { .. } | WaitError::Read(_)) => (submitted, Some(Exit::Broker)),
        };
        self.submitted += 1;
        self.existing += u64::from(submitted.existing);
        self.at_fault = exit.or(self.at_fault);
        exit.is_some()
    }

    fn sum_up(&mut self, stopped: bool, output: Output) {
        self.bar.finish_and_clear();
        if !self.in_vain.is_empty() {
            output.note(&format!("likewise: {}", ranges(&mut self.in_vain)));
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { self.submitted as f64 / seconds } else { 0.0 };
        let mut parts = vec![format!("{} submitted", self.submitted)];
        let counts = [
            (self.existing, "were there before"),
            (self.completed, "completed"),
            (self.ended_otherwise, "ended otherwise"),
            (self.late, "not ended in time"),
            (self.refused, "refused"),
        ];
        parts.extend(counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        output.note(&format!("{} in {seconds:.1}s, {rate:.0} jobs/s", parts.join(", ")));
        if stopped {
            output.note(&format!("stopped because of that; lines after {} were not submitted", self.last));
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self { at_fault: Some(exit), .. } => *exit,
            Self { refused: 1.., .. } => Exit::Usage,
            Self { late: 1.., .. } => Exit::Timeout,
            Self { ended_otherwise: 1.., .. } => Exit::JobFailed,
            Self { .. } => Exit::Done,
        }
    }
}

/// Numbers of lines for people: `line 3`, `lines 1-5, 7`.
fn ranges(numbers: &mut [u64]) -> String {
    numbers.sort_unstable();
    let runs = numbers.chunk_by(|a, b| a.saturating_add(1) == *b).filter_map(|run| match run {
        [] => None,
        [one] => Some(one.to_string()),
        [first, .., last] => Some(format!("{first}-{last}")),
    });
    let runs = runs.collect::<Vec<_>>().join(", ");
    if numbers.len() == 1 { format!("line {runs}") } else { format!("lines {runs}") }
}

fn print(told: &Told, output: Output) -> Result<(), Failure> {
    let number = told.number;
    match &told.end {
        _ if output.json => output.value(&told.answer()),
        End::Refused(failure) => {
            output.note(&format!("line {number}: {}", failure.message));
            Ok(())
        }
        End::Submitted(submitted) => output.line(submitted.id.as_str()),
        End::Ended(..) => output.value(&told.answer()),
        End::Lost(_, error) => {
            output.note(&format!("line {number}: {error}"));
            output.value(&told.answer())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_in_runs() {
        assert_eq!(ranges(&mut [4]), "line 4");
        assert_eq!(ranges(&mut [9, 2, 1, 3, 7, 8, 5]), "lines 1-3, 5, 7-9");
    }
}

//! `lovage submit --jsonl`: a job for each line, many at a time, in bounded memory.

use super::super::connection::ConnectionArgs;
use super::super::ended::Body;
use super::super::worker::Stops;
use super::super::{Exit, Failure, Output};
use super::envelope;
use super::lines::{self, Line};
use super::tally::Tally;
use super::{SubmitArgs, failure, warn_unserved};
use futures::StreamExt;
use lovage_client::{Client, Submitted, WaitError};
use lovage_job::name::JobId;
use lovage_job::outcome::{JobError, OutcomeKind};
use lovage_job::result::JobResult;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// Submissions in flight.
const WINDOW: usize = 1_024;

/// What became of a line.
pub(super) struct Told {
    pub(super) number: u64,
    pub(super) offset: u64,
    pub(super) end: End,
}

pub(super) enum End {
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
    Told { number, offset, end: submit(client, args, line).await }
}

async fn submit(client: &Client, args: &SubmitArgs, line: Line) -> End {
    // the rest of the line is its room, which is kept until the job is submitted
    let Line { content, .. } = &line;
    let payload = match content {
        Ok(payload) => payload.clone(),
        Err(reason) => return End::Refused(Failure::new(Exit::Usage, reason)),
    };
    let job = match args.envelope {
        true => envelope::job(&args.job, &args.task, &payload),
        false => Ok(args.job.job(args.task.clone(), payload)),
    };
    let job = match job {
        Ok(job) => job,
        Err(reason) => return End::Refused(Failure::new(Exit::Usage, reason)),
    };
    let submitted = match client.submit(job).await {
        Ok(submitted) => submitted,
        Err(error) => return End::Refused(failure(&error)),
    };
    drop(line);
    if !args.wait {
        return End::Submitted(submitted);
    }
    match client.wait(&submitted.id, args.timeout).await {
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

/// Prints a line's end: its id, or its answer for programs.
pub(super) fn print(told: &Told, output: Output) -> Result<(), Failure> {
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

//! `lovage job logs`: what the attempts of a job logged, afterwards or while it runs.

use super::super::exit::OrExit;
use super::super::output::printable;
use super::super::task::when;
use super::super::worker::Stops;
use super::super::{Exit, Failure, Output};
use super::unknown;
use futures::StreamExt;
use lovage_client::{AttemptLog, Client, JobState};
use lovage_job::log::{LogEnd, LogPiece};
use lovage_job::name::JobId;
use lovage_job::unit::UnixMs;
use serde_json::json;
use std::io::IsTerminal;

/// Which log.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// The job.
    id: JobId,
    /// Only this attempt, from 1, and nothing but its lines.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Go on while the job runs, and end with it.
    #[arg(long, short)]
    follow: bool,
}

pub(super) async fn main(client: &Client, args: &LogsArgs, output: Output) -> Result<Exit, Failure> {
    let logs = client.logs(&args.id, args.attempt).await.or_exit(Exit::Broker)?;
    if logs.is_empty() {
        let state = client.find(&args.id).await.or_exit(Exit::Broker)?;
        match state {
            JobState::Unknown => return Err(unknown(&args.id, client)),
            JobState::Done(_) => {
                output.note(&format!("{} logged nothing; logs are kept for 7 days", named(args)));
                return Ok(Exit::Done);
            }
            _ if !args.follow => {
                output.note(&format!("{} has logged nothing yet", named(args)));
                return Ok(Exit::Done);
            }
            _ => {}
        }
    }
    if args.follow { follow(client, args, output).await } else { print(&logs, args, output) }
}

fn named(args: &LogsArgs) -> String {
    match args.attempt {
        Some(attempt) => format!("attempt {attempt} of job {}", args.id),
        None => format!("job {}", args.id),
    }
}

fn print(logs: &[AttemptLog], args: &LogsArgs, output: Output) -> Result<Exit, Failure> {
    for log in logs {
        if output.json {
            let AttemptLog { attempt, started, worker, end, text } = log;
            let (ended, truncated) = (end.is_some(), *end == Some(LogEnd::Truncated));
            output.value(&json!({"id": args.id, "attempt": attempt, "started": started, "worker": worker,
                "ended": ended, "truncated": truncated, "log": text}))?;
            continue;
        }
        head(args, (log.attempt, log.started, &log.worker), output)?;
        lines(&log.text, output)?;
        foot(log.end, output);
    }
    Ok(Exit::Done)
}

async fn follow(client: &Client, args: &LogsArgs, output: Output) -> Result<Exit, Failure> {
    let mut stops = Stops::new()?;
    let mut pieces = client.follow_logs(&args.id, args.attempt);
    let mut run = None;
    loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            () = stops.next() => return Ok(Exit::Done),
        };
        let Some(piece) = piece else { return Ok(Exit::Done) };
        let piece = piece.or_exit(Exit::Broker)?;
        if output.json {
            output.value(&as_json(&piece))?;
            continue;
        }
        let this = (piece.attempt, piece.started, piece.worker.clone());
        if run.as_ref() != Some(&this) {
            head(args, (this.0, this.1, &this.2), output)?;
            run = Some(this);
        }
        lines(&piece.text, output)?;
        foot(piece.end, output);
    }
}

fn as_json(piece: &LogPiece) -> serde_json::Value {
    let LogPiece { id, attempt, started, worker, number, end, text } = piece;
    json!({"id": id, "attempt": attempt, "started": started, "worker": worker, "piece": number,
        "ended": end.is_some(), "truncated": *end == Some(LogEnd::Truncated), "log": text})
}

/// Says whose lines follow, unless one attempt was asked for and its lines alone are wanted.
fn head(args: &LogsArgs, (attempt, started, worker): (u32, UnixMs, &str), output: Output) -> Result<(), Failure> {
    match args.attempt {
        Some(_) => Ok(()),
        None => output.line(&format!("== attempt {attempt} · {} · {} ==", when(started), printable(worker))),
    }
}

/// Writes lines as they are, but for what would harm a terminal.
fn lines(text: &str, output: Output) -> Result<(), Failure> {
    match text.strip_suffix('\n') {
        None if text.is_empty() => Ok(()),
        _ if !std::io::stdout().is_terminal() => output.raw(text.as_bytes()),
        Some(lines) => output.line(lines),
        // the rest of a line that was too long for one piece follows
        None => output.raw(super::super::output::printable_lines(text).as_bytes()),
    }
}

fn foot(end: Option<LogEnd>, output: Output) {
    if end == Some(LogEnd::Truncated) {
        output.note("the attempt logged more than its limit; the rest was not kept (`lovage push --max-log`)");
    }
}

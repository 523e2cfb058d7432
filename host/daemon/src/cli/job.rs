//! `lovage job`: where jobs are, how they ended, and stopping them.

mod cancel;
mod logs;
mod show;

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::task::when;
use super::{Exit, Failure, Output, ended, wait};
use clap::{Args, Subcommand, ValueEnum};
use lovage_client::{Client, JobState, JobSummary, ListFilter, ListState, Place, ReadError};
use lovage_job::name::{JobId, QueueName, TaskName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::unit::parse_span;
use serde_json::{Value, json};
use std::time::Duration;

/// See, await and stop jobs.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Show a job: where it is, what became of it, what it used.
    Show {
        /// The job.
        id: JobId,
        /// Write the whole result, and nothing else, to this file, or to standard output where it is -.
        #[arg(long, short, value_name = "FILE")]
        output: Option<String>,
    },
    /// Wait for a job and print its result; the exit code says how it ended.
    Wait {
        /// The job.
        id: JobId,
        /// Wait no longer than this; the job goes on.
        #[arg(long, value_name = "SPAN", value_parser = parse_span)]
        timeout: Option<Duration>,
    },
    /// List jobs, newest first.
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Print what a job's attempts logged, also while it runs.
    Logs(logs::LogsArgs),
    /// Cancel jobs; one that runs is stopped.
    Cancel(Box<cancel::CancelArgs>),
}

/// Which jobs; all that is given must hold.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Where they are.
    #[arg(long, value_enum)]
    state: Option<StateArg>,
    /// What they run.
    #[arg(long, value_name = "TASK")]
    task: Option<TaskName>,
    /// Where they wait or waited.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,
    /// How they ended, such as completed, failed or timed-out.
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    outcome: Option<OutcomeKind>,
    /// A label that they carry.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// How many at most.
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateArg {
    /// In a queue: waiting, or run by a worker.
    Queued,
    /// Due later.
    Delayed,
    /// Failed, and due for another attempt.
    WaitingRetry,
    /// Waiting for a limit or a pause.
    Held,
    /// Ended.
    Done,
}

/// Reads the name of an outcome.
pub(super) fn outcome(text: &str) -> Result<OutcomeKind, String> {
    let known = || OutcomeKind::ALL.map(OutcomeKind::as_str).join(", ");
    OutcomeKind::parse(text).ok_or_else(|| format!("outcomes are {}", known()))
}

/// The name of a state, for people and programs.
pub(super) fn state_name(state: ListState) -> &'static str {
    match state {
        ListState::Queued => "queued",
        ListState::Delayed => "delayed",
        ListState::WaitingRetry => "waiting-retry",
        ListState::Held => "held",
        ListState::Done => "done",
    }
}

/// There is no such job, as far as can be known.
pub(super) fn unknown(id: &JobId, client: &Client) -> Failure {
    Failure::new(Exit::NotFound, format!("tenant {} has no job {id}", client.tenant()))
        .hint("results are forgotten after a time; `lovage job list` shows what is known")
}

pub(super) async fn main(command: JobCommand, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let client = connection.client().await?;
    match command {
        JobCommand::Show { id, output: target } => show::main(&client, &id, target.as_deref(), output).await,
        JobCommand::Wait { id, timeout } => await_end(&client, &id, timeout, output).await,
        JobCommand::Logs(args) => logs::main(&client, &args, output).await,
        JobCommand::List(args) => list(&client, &args, output).await,
        JobCommand::Cancel(args) => cancel::main(&client, &args, output).await,
    }
}

async fn await_end(client: &Client, id: &JobId, timeout: Option<Duration>, output: Output) -> Result<Exit, Failure> {
    let events = match wait::is_watched(output) {
        true => Some(client.events_of(id).await.or_exit(Exit::Broker)?),
        false => None,
    };
    // a job that nobody knows would be waited for in vain
    let found = match client.find(id).await {
        // a tenant's user sees no queues; the result comes all the same
        Err(ReadError::Forbidden { .. }) => {
            let result = wait::until_end(client, (id, "submitted"), timeout, events).await?;
            return ended::print(&result, output);
        }
        found => found.or_exit(Exit::Broker)?,
    };
    let place = match found {
        JobState::Unknown => return Err(unknown(id, client)),
        JobState::Done(result) => return ended::print(&result, output),
        JobState::Queued { .. } => "queued or running".to_owned(),
        JobState::Delayed { due } => format!("delayed until {}", when(due)),
        JobState::WaitingRetry { due, attempt } => format!("attempt {attempt} comes at {}", when(due)),
        JobState::Held { waits_for, .. } => format!("waits for {waits_for}"),
    };
    let result = wait::until_end(client, (id, &place), timeout, events).await?;
    ended::print(&result, output)
}

async fn list(client: &Client, args: &ListArgs, output: Output) -> Result<Exit, Failure> {
    let state = args.state.map(|state| match state {
        StateArg::Queued => ListState::Queued,
        StateArg::Delayed => ListState::Delayed,
        StateArg::WaitingRetry => ListState::WaitingRetry,
        StateArg::Held => ListState::Held,
        StateArg::Done => ListState::Done,
    });
    let filter = ListFilter {
        state,
        task: args.task.clone(),
        queue: args.queue.clone(),
        outcome: args.outcome,
        tag: args.tag.clone(),
        limit: Some(usize::from(args.limit)),
    };
    let page = client.list(&filter).await.or_exit(Exit::Broker)?;
    if output.json {
        output.value(&page.jobs.iter().map(as_json).collect::<Vec<_>>())?;
    } else if page.jobs.is_empty() {
        output.note("no such jobs");
    } else {
        let heads = ["ID", "STATE", "TASK", "QUEUE", "ATTEMPT", "SINCE", "DUE", "WAITS FOR", "TAGS"];
        output.table(&heads, page.jobs.iter().map(row).collect())?;
    }
    if page.more {
        output.note(&format!("the newest {} of more; narrow the search or raise --limit", page.jobs.len()));
    }
    Ok(Exit::Done)
}

fn parts(place: &Place) -> (&'static str, Option<lovage_job::unit::UnixMs>, Option<OutcomeKind>) {
    let state = state_name(place.state());
    match place {
        Place::Queued => (state, None, None),
        Place::Delayed { due } | Place::WaitingRetry { due } | Place::Held { due } => (state, Some(*due), None),
        Place::Done(outcome) => (state, None, Some(*outcome)),
    }
}

fn as_json(job: &JobSummary) -> Value {
    let (state, due, outcome) = parts(&job.place);
    json!({
        "id": job.id, "state": state, "outcome": outcome, "due": due, "task": job.task, "queue": job.queue,
        "lane": job.lane, "attempt": job.attempt, "published": job.published, "since": job.since, "tags": job.tags,
        "waits_for": job.waits_for,
    })
}

fn row(job: &JobSummary) -> Vec<String> {
    let (state, due, outcome) = parts(&job.place);
    vec![
        job.id.to_string(),
        outcome.map_or(state, OutcomeKind::as_str).to_owned(),
        job.task.as_ref().map(ToString::to_string).unwrap_or_default(),
        job.queue.as_ref().map(ToString::to_string).unwrap_or_default(),
        job.attempt.to_string(),
        when(job.since),
        due.map(when).unwrap_or_default(),
        job.waits_for.clone().unwrap_or_default(),
        job.tags.join(" "),
    ]
}

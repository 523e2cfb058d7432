//! `lovage dead`: jobs that failed for good; reading them, running them again, removing them.

mod act;
mod preview;
mod select;

use super::bulk::BulkArgs;
use super::connection::ConnectionArgs;
use super::ended::{preview, print_error_body, print_trail};
use super::exit::OrExit;
use super::input::write_to;
use super::output::printable;
use super::task::when;
use super::{Exit, Failure, Output};
use clap::{Args, Subcommand};
use lovage_client::{Client, DeadError, StoredLetter};
use lovage_job::catalog::VersionRef;
use lovage_job::dead::DeadLetter;
use lovage_job::header;
use lovage_job::name::JobId;
use select::{FilterArgs, Walk};
use serde_json::{Value, json};

/// The letters of a listing that names no limit.
const LIMIT_DEFAULT: usize = 50;

/// See, run again and remove jobs that failed for good.
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// List dead letters, newest first.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Show a dead letter: the reason, the attempts, headers and payload.
    Show {
        /// The job.
        id: JobId,
        /// Write the whole payload, and nothing else, to this file, or to standard output where it is -.
        #[arg(long, value_name = "FILE")]
        payload: Option<String>,
    },
    /// Run dead jobs again, each under its own id.
    Replay {
        #[command(flatten)]
        which: Which,
        /// Run this version, alias or sha256:… instead of the one that the job asked for.
        #[arg(long = "version", value_name = "V")]
        version: Option<VersionRef>,
    },
    /// Remove dead letters for good.
    Purge {
        #[command(flatten)]
        which: Which,
    },
}

/// Dead letters by id, or by filter.
#[derive(Debug, Args)]
pub struct Which {
    /// The jobs.
    #[arg(conflicts_with_all = ["all", "task", "queue", "reason", "since", "until", "text", "limit"])]
    ids: Vec<JobId>,
    /// All of them, or all that the filters take.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    bulk: BulkArgs,
}

pub(super) async fn main(command: DeadCommand, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let client = connection.operators_client().await?;
    match command {
        DeadCommand::List { filter } => list(&client, &filter, output).await,
        DeadCommand::Show { id, payload } => show(&client, &id, payload.as_deref(), output).await,
        DeadCommand::Replay { which, version } => act::replay(&client, &which, version, output).await,
        DeadCommand::Purge { which } => act::purge(&client, &which, output).await,
    }
}

/// The exit code of what went wrong with a letter.
fn failure(error: DeadError) -> Failure {
    let exit = match &error {
        DeadError::NotFound(_) => Exit::NotFound,
        DeadError::NotAJob { .. } => Exit::Usage,
        DeadError::Read(_) | DeadError::Publish { .. } => Exit::Broker,
    };
    Failure::new(exit, error)
}

async fn list(client: &Client, filter: &FilterArgs, output: Output) -> Result<Exit, Failure> {
    let mut walk = Walk::new(filter, Some(LIMIT_DEFAULT));
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    while let Some(letters) = walk.next(client).await? {
        for letter in &letters {
            if output.json {
                values.push(as_json(letter));
            } else {
                rows.push(row(letter));
            }
        }
    }
    if output.json {
        output.value(&values)?;
    } else if rows.is_empty() {
        output.note("no such dead letters");
    } else {
        output.table(&["ID", "TASK", "QUEUE", "REASON", "ATTEMPTS", "BURIED", "MESSAGE"], rows)?;
    }
    if walk.more() {
        output.note("these are the newest; there may be more: narrow the search or raise --limit");
    }
    Ok(Exit::Done)
}

fn attempts(stored: &StoredLetter) -> u32 {
    stored.letter.trail.0.last().map_or(0, |last| last.attempt)
}

fn row(stored: &StoredLetter) -> Vec<String> {
    const MESSAGE_LENGTH_MAX: usize = 80;
    let letter = &stored.letter;
    let (queue, task) = letter.place().map(|(queue, task)| (queue.to_string(), task.to_string())).unwrap_or_default();
    let mut message: String = letter.error.message.chars().take(MESSAGE_LENGTH_MAX).collect();
    if message.len() < letter.error.message.len() {
        message.push('…');
    }
    let kind = letter.error.kind.to_string();
    vec![letter.id.to_string(), task, queue, kind, attempts(stored).to_string(), when(letter.buried), message]
}

fn as_json(stored: &StoredLetter) -> Value {
    let letter = &stored.letter;
    let (queue, task) = letter.place().unzip();
    json!({
        "id": letter.id, "sequence": stored.sequence, "subject": letter.subject, "queue": queue, "task": task,
        "outcome": letter.error.kind, "message": letter.error.message, "attempts": attempts(stored),
        "buried": letter.buried, "payload_bytes": letter.payload.len(),
    })
}

/// The headers that the job was published with; what workers added for its attempts is in the trail.
fn published(letter: &DeadLetter) -> impl Iterator<Item = (&str, &str)> {
    let of_workers = |name: &str| header::FROM_WORKERS.iter().any(|worker| worker.eq_ignore_ascii_case(name));
    letter.headers.iter().filter(move |(name, _)| !of_workers(name))
}

async fn show(client: &Client, id: &JobId, payload: Option<&str>, output: Output) -> Result<Exit, Failure> {
    let stored = client.dead_show(id).await.map_err(failure)?;
    let letter = &stored.letter;
    if let Some(target) = payload {
        let whole = client.payload_of(letter).await.or_exit(Exit::Broker)?;
        return write_to(target, &whole, output).map(|()| Exit::Done);
    }
    if output.json {
        let mut about = as_json(&stored);
        if let Value::Object(about) = &mut about {
            about.insert("error".to_owned(), json!(letter.error));
            about.insert("trail".to_owned(), json!(letter.trail));
            about.insert("headers".to_owned(), json!(published(letter).collect::<Vec<_>>()));
        }
        return output.value(&about).map(|()| Exit::Done);
    }
    let text = |name: &str, value: &str| output.line(&format!("{name:<9} {}", printable(value)));
    text("job", letter.id.as_str())?;
    text("subject", &letter.subject)?;
    text("buried", &when(letter.buried))?;
    print_trail(&letter.trail, Some(&letter.error), output)?;
    text("reason", &format!("{}: {}", letter.error.kind, letter.error.message))?;
    print_error_body(&letter.error, output)?;
    for (name, value) in published(letter) {
        text("header", &format!("{name}: {value}"))?;
    }
    text("payload", &format!("{} bytes", letter.payload.len()))?;
    if letter.payload.is_empty() { Ok(Exit::Done) } else { output.line(&preview(&letter.payload)).map(|()| Exit::Done) }
}

//! `lovage history`: the history of jobs in SQL. What it is, whether it agrees with the broker, and its writer alone.

use super::connection::{ConnectionArgs, connect_failure};
use super::task::when;
use super::worker::Stops;
use super::{Exit, Failure, Output};
use crate::history::{Checked, Fault, Lag, Writer, WriterOptions, check};
use crate::telemetry::{self, LogFormat};
use async_nats::jetstream::{self, Context};
use clap::{Args, Subcommand};
use lovage_history::{DatabaseUrl, HistoryError, Store, StoreOptions};
use lovage_job::unit::{ByteSize, parse_span};
use std::time::Duration;

/// How often it is looked whether a rebuild has caught up.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The history of jobs in SQL: look at it, compare it with the broker, write it.
#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// Show what the history holds.
    Status(Database),
    /// Compare the history with every result and dead letter on the broker; exit code 1 where something differs.
    Check(CheckArgs),
    /// Read everything on the broker again, and correct what differs.
    Rebuild(RebuildArgs),
    /// Write the history, until told to stop. `serve` and `dev` do it, too; several at once do no harm.
    Write(WriteArgs),
}

/// Where the history is.
#[derive(Debug, Args)]
pub struct Database {
    /// sqlite:FILE, postgres://USER:PASSWORD@HOST/DATABASE or mysql://USER:PASSWORD@HOST/DATABASE.
    #[arg(long = "history", value_name = "URL", env = "LOVAGE_HISTORY", hide_env_values = true)]
    url: DatabaseUrl,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    keep: KeepArgs,
}

#[derive(Debug, Args)]
pub struct RebuildArgs {
    #[command(flatten)]
    database: Database,
    /// Empty the history first. What is not on the broker any more is lost with it.
    #[arg(long, requires = "yes")]
    empty: bool,
    /// Do not ask whether it is meant.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub struct WriteArgs {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    keep: KeepArgs,
    /// How log lines are written.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

/// How long jobs are kept.
#[derive(Debug, Clone, Args)]
pub(super) struct KeepArgs {
    /// How long jobs are kept in the history of tenants that say nothing (`tenant set --history`).
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = parse_span)]
    history_keep: Duration,
}

impl KeepArgs {
    /// The options of a writer.
    pub(super) fn options(&self) -> WriterOptions {
        WriterOptions { keep: self.history_keep, ..WriterOptions::default() }
    }
}

impl Database {
    /// Opens it.
    pub(super) async fn open(&self) -> Result<Store, Failure> {
        Store::open(&self.url, StoreOptions::default()).await.map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &HistoryError) -> Failure {
        Failure::new(Exit::Host, format!("{}: {error}", self.url))
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let exit = match &fault {
            Fault::Broker(_) => Exit::Broker,
            Fault::History(_) => Exit::Host,
        };
        Self::new(exit, fault)
    }
}

pub(super) async fn main(
    command: HistoryCommand,
    connection: &ConnectionArgs,
    output: Output,
) -> Result<Exit, Failure> {
    match command {
        HistoryCommand::Status(database) => status(&database, output).await,
        HistoryCommand::Check(args) => {
            let store = args.database.open().await?;
            let checked = check(&context(connection).await?, &store, args.keep.history_keep).await?;
            told(&checked, output)
        }
        HistoryCommand::Rebuild(args) => rebuild(args, connection, output).await,
        HistoryCommand::Write(args) => write(args, connection, output).await,
    }
}

async fn context(connection: &ConnectionArgs) -> Result<Context, Failure> {
    Ok(jetstream::new(connection.connect().await?))
}

async fn status(database: &Database, output: Output) -> Result<Exit, Failure> {
    let store = database.open().await?;
    let status = store.status().await.map_err(|error| database.failure(&error))?;
    if output.json {
        output.value(&status)?;
    } else {
        let times = match (status.oldest, status.newest) {
            (Some(oldest), Some(newest)) => format!(", from {} to {}", when(oldest), when(newest)),
            _ => String::new(),
        };
        let (jobs, bytes, schema) = (status.jobs, ByteSize(status.bytes), status.schema);
        output.line(&format!("{}: {jobs} jobs{times}; {bytes} in {}, schema {schema}", database.url, status.engine))?;
    }
    Ok(Exit::Done)
}

fn told(checked: &Checked, output: Output) -> Result<Exit, Failure> {
    if output.json {
        output.value(checked)?;
    } else {
        for difference in &checked.differences {
            let what = match difference.fields.as_slice() {
                [] => "is missing".to_owned(),
                fields => format!("differs in {}", fields.join(", ")),
            };
            output.line(&format!("{}/{} {what}", difference.tenant, difference.id))?;
        }
        let Checked { results, letters, unread, too_old, damaged, different, .. } = checked;
        output.line(&format!(
            "{results} results and {letters} dead letters compared: {different} differ; \
             {unread} not read yet, {too_old} too old, {damaged} damaged on the broker"
        ))?;
    }
    Ok(if checked.different == 0 { Exit::Done } else { Exit::JobFailed })
}

async fn rebuild(args: RebuildArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let store = args.database.open().await?;
    let js = context(connection).await?;
    let begun = if args.empty { store.clear().await } else { store.reread().await };
    begun.map_err(|error| args.database.failure(&error))?;
    // nothing is too old for what was asked for
    let options = WriterOptions { keep_every: Duration::MAX, keep: Duration::MAX, ..WriterOptions::default() };
    let writer = Writer::start(js, store, options);
    let mut stops = Stops::new()?;
    let lag = loop {
        tokio::select! {
            () = stops.next() => break writer.lag(),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let lag = writer.lag();
        if let Some(reason) = lag.degraded {
            writer.stop().await;
            return Err(Failure::new(Exit::Host, reason).hint("repeat the command: it goes on where it stopped"));
        }
        if lag.caught_up > 0 {
            break lag;
        }
    };
    writer.stop().await;
    let Lag { written, damaged, refused, caught_up, .. } = lag;
    if output.json {
        output.value(&serde_json::json!({"written": written, "damaged": damaged, "refused": refused}))?;
    } else {
        output.line(&format!("{written} entries written; {damaged} damaged and {refused} refused were left out"))?;
    }
    Ok(if caught_up > 0 { Exit::Done } else { Exit::Interrupted })
}

async fn write(args: WriteArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    telemetry::start(args.log_format, "info,async_nats=error,sqlx=error");
    let mut stops = Stops::new()?;
    let store = args.database.open().await?;
    let client = lovage_client::connect(&connection.options("lovage-history")?).await.map_err(connect_failure)?;
    let writer = Writer::start(jetstream::new(client), store, args.keep.options());
    output.note(&format!("lovage history: writing to {}", args.database.url));
    stops.next().await;
    writer.stop().await;
    Ok(Exit::Done)
}

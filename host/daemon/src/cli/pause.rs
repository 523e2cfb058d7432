//! `lovage pause` and `lovage resume`: a queue, a task or a tenant whose jobs wait.

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::task::when;
use super::{Exit, Failure, Output};
use clap::{Args, Subcommand};
use lovage_client::{Client, Pause};
use lovage_job::limit::PauseScope;
use lovage_job::name::{QueueName, TaskName};
use serde_json::json;

/// Pause a queue, a task or the tenant: no further attempt starts.
///
/// Attempts that run go on. Jobs can still be submitted and wait, also over restarts of workers and broker, until
/// `lovage resume`.
#[derive(Debug, Subcommand)]
pub enum PauseCommand {
    /// Pause every job of the tenant.
    Tenant {
        #[command(flatten)]
        why: Why,
    },
    /// Pause the jobs of a queue; they stay in it.
    Queue {
        /// The queue.
        queue: QueueName,
        #[command(flatten)]
        why: Why,
    },
    /// Pause the jobs of a task; other tasks of the same queues go on.
    Task {
        /// The task.
        task: TaskName,
        #[command(flatten)]
        why: Why,
    },
    /// List what is paused.
    #[command(visible_alias = "ls")]
    List,
}

/// Why.
#[derive(Debug, Args)]
pub struct Why {
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", default_value = "paused by hand")]
    reason: String,
}

/// Resume what was paused; jobs that wait start again.
#[derive(Debug, Subcommand)]
pub enum Target {
    /// Resume the tenant; its queues and tasks that are paused by themselves stay so.
    Tenant,
    /// Resume a queue.
    Queue {
        /// The queue.
        queue: QueueName,
    },
    /// Resume a task.
    Task {
        /// The task.
        task: TaskName,
    },
}

pub(super) async fn main(command: PauseCommand, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let client = connection.operators_client().await?;
    match command {
        PauseCommand::Tenant { why } => pause(&client, PauseScope::Tenant, &why, output).await,
        PauseCommand::Queue { queue, why } => pause(&client, PauseScope::Queue(queue), &why, output).await,
        PauseCommand::Task { task, why } => pause(&client, PauseScope::Task(task), &why, output).await,
        PauseCommand::List => list(&client, output).await,
    }
}

async fn pause(client: &Client, scope: PauseScope, why: &Why, output: Output) -> Result<Exit, Failure> {
    client.pause(&scope, &why.reason).await.or_exit(Exit::Broker)?;
    match output.json {
        true => output.value(&json!({"paused": scope, "reason": why.reason}))?,
        false => output.line(&format!("{scope}: paused"))?,
    }
    if let Some(missing) = missing(client, &scope).await {
        output.note(&missing);
    }
    Ok(Exit::Done)
}

/// Says so where nothing of that name is known: a slip of the pen pauses nothing. Not every user may look.
async fn missing(client: &Client, scope: &PauseScope) -> Option<String> {
    match scope {
        PauseScope::Task(task) => match client.task(task).await {
            Ok(None) => Some(format!("there is no task {task} yet; the pause holds for it once there is")),
            Ok(Some(_)) | Err(_) => None,
        },
        PauseScope::Queue(queue) => {
            let unserved = super::submit::is_unserved(client, queue).await;
            unserved.then(|| format!("no worker has served queue {queue} yet; the pause holds once one does"))
        }
        PauseScope::Tenant => None,
    }
}

pub(super) async fn resume(target: &Target, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let scope = match target {
        Target::Tenant => PauseScope::Tenant,
        Target::Queue { queue } => PauseScope::Queue(queue.clone()),
        Target::Task { task } => PauseScope::Task(task.clone()),
    };
    let client = connection.operators_client().await?;
    let resumed = client.resume(&scope).await.or_exit(Exit::Broker)?;
    match (output.json, resumed) {
        (true, _) => output.value(&json!({"resumed": scope, "was_paused": resumed}))?,
        (false, true) => output.line(&format!("{scope}: resumed"))?,
        (false, false) => output.note(&format!("{scope} was not paused")),
    }
    Ok(Exit::Done)
}

async fn list(client: &Client, output: Output) -> Result<Exit, Failure> {
    let pauses = client.pauses().await.or_exit(Exit::Broker)?;
    if output.json {
        output.value(&pauses)?;
    } else if pauses.is_empty() {
        output.note("nothing is paused");
    } else {
        let row = |pause: &Pause| vec![pause.scope.to_string(), when(pause.since), pause.reason.clone()];
        output.table(&["PAUSED", "SINCE", "REASON"], pauses.iter().map(row).collect())?;
    }
    Ok(Exit::Done)
}

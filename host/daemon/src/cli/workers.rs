//! `lovage workers`: those that run now, and telling one to rest, to go on or to end.

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::task::when;
use super::{Exit, Failure, Output};
use clap::{Args, Subcommand};
use lovage_client::WorkerError;
use lovage_job::name::JobId;
use lovage_job::worker::{RunnerInfo, Setting, WorkerInfo};

/// See the workers that run now, and tell one to rest, to go on or to end.
#[derive(Debug, Args)]
pub struct WorkersArgs {
    #[command(subcommand)]
    command: Option<WorkersCommand>,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum WorkersCommand {
    /// List the workers that run now.
    #[command(visible_alias = "ls")]
    List,
    /// Let a worker take no new jobs; running ones go on, and the worker stays.
    Quiet {
        /// The worker.
        name: JobId,
    },
    /// Let a quiet worker take jobs again.
    Resume {
        /// The worker.
        name: JobId,
    },
    /// Change a running worker: how many attempts it runs at once, or which queues it serves.
    Set {
        /// The worker.
        name: JobId,
        /// Attempts at once, up to what it was started with. Running attempts go on.
        #[arg(long, value_name = "N", required_unless_present = "queues")]
        concurrency: Option<usize>,
        /// The queues that it serves from now on, with their shares; several with commas, or by giving this again.
        #[arg(long = "queue", value_name = "NAME[=WEIGHT],…")]
        queues: Vec<String>,
    },
    /// Let a worker take no new jobs and end when its running ones have, as SIGTERM does.
    Drain {
        /// The worker.
        name: JobId,
    },
}

pub(super) async fn main(args: WorkersArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let client = connection.operators_client().await?;
    let told = match args.command.unwrap_or(WorkersCommand::List) {
        WorkersCommand::List => return list(&client.workers().await.map_err(failure)?, output),
        WorkersCommand::Quiet { name } => client.quiet_worker(&name).await,
        WorkersCommand::Resume { name } => client.resume_worker(&name).await,
        WorkersCommand::Drain { name } => client.drain_worker(&name).await,
        WorkersCommand::Set { name, concurrency, queues } => {
            let queues = match queues.is_empty() {
                true => None,
                false => Some(Setting::parse_queues(&queues.join(",")).or_exit(Exit::Usage)?),
            };
            client.set_worker(&name, Setting { concurrency, queues }).await
        }
    };
    let info = told.map_err(failure)?;
    match output.json {
        true => output.value(&info)?,
        false => output.line(&format!(
            "{}: {}, {} of {} running, queues {}",
            info.name,
            info.mode.as_str(),
            info.running,
            info.concurrency,
            queues(&info)
        ))?,
    }
    Ok(Exit::Done)
}

fn failure(error: WorkerError) -> Failure {
    match &error {
        WorkerError::Unknown(_) => Failure::new(Exit::NotFound, error).hint("`lovage workers` lists those that run"),
        WorkerError::Silent(_) => Failure::new(Exit::Broker, error),
        WorkerError::Refused(_) => Failure::new(Exit::Usage, error),
    }
}

fn list(workers: &[WorkerInfo], output: Output) -> Result<Exit, Failure> {
    if output.json {
        output.value(&workers)?;
    } else if workers.is_empty() {
        output.note("no workers run");
    } else {
        let row = |worker: &WorkerInfo| {
            vec![
                worker.name.to_string(),
                worker.mode.as_str().to_owned(),
                format!("{}/{}", worker.running, worker.concurrency),
                queues(worker),
                when(worker.started),
                worker.version.clone(),
            ]
        };
        output
            .table(&["WORKER", "STATE", "RUNNING", "QUEUES", "SINCE", "VERSION"], workers.iter().map(row).collect())?;
        show_runners(workers, output)?;
    }
    Ok(Exit::Done)
}

/// A worker's queues, with their shares where these are not one.
fn queues(worker: &WorkerInfo) -> String {
    let shares = worker.shares.iter().copied().chain(std::iter::repeat(1));
    let queue = |(name, share)| if share == 1 { format!("{name}") } else { format!("{name}={share}") };
    worker.queues.iter().zip(shares).map(queue).collect::<Vec<_>>().join(" ")
}

/// The processes in which jobs run, where they run apart.
fn show_runners(workers: &[WorkerInfo], output: Output) -> Result<(), Failure> {
    let runners = workers.iter().flat_map(|worker| worker.runners.iter().map(move |runner| (&worker.name, runner)));
    let row = |(worker, runner): (&JobId, &RunnerInfo)| {
        let jail = if runner.jail.seccomp { "seccomp, " } else { "" };
        vec![
            worker.to_string(),
            runner.tenant.to_string(),
            runner.pid.to_string(),
            runner.running.to_string(),
            runner.alone.as_ref().map(|digest| digest.short().to_string()).unwrap_or_default(),
            format!("{jail}landlock {}", runner.jail.landlock),
        ]
    };
    let rows: Vec<Vec<String>> = runners.map(row).collect();
    match rows.is_empty() {
        true => Ok(()),
        false => output.table(&["WORKER", "TENANT", "RUNNER", "RUNNING", "ALONE", "JAIL"], rows),
    }
}

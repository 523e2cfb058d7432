//! `lovage schedule`: tasks that run by the clock.

mod add;
mod show;

use super::connection::ConnectionArgs;
use super::{Exit, Failure, Output, submit};
use crate::clock::now;
use clap::Subcommand;
use lovage_client::ScheduleFault;
use lovage_job::name::ScheduleName;
use lovage_job::schedule::TimingText;
use lovage_job::unit::UnixMs;
use serde_json::json;

/// Run tasks by the clock: cron rules in time zones, even intervals, or one time.
///
/// Every worker plans every schedule, and each tick runs once. A rule with a fixed hour and minute means the clock on
/// the wall: where daylight saving leaves its time out it runs once right after, where the time comes twice it runs the
/// first time. Other rules (`*/5 * * * *`) go on evenly.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Add a schedule, or put it in the place of the one of its name.
    Add(Box<add::AddArgs>),
    /// List the schedules.
    #[command(visible_alias = "ls")]
    List,
    /// Show a schedule: what it says, its next ticks, its last run.
    Show {
        /// The schedule.
        name: ScheduleName,
    },
    /// Pause a schedule: queued runs are skipped, and no tick is missed meanwhile.
    Pause {
        /// The schedule.
        name: ScheduleName,
    },
    /// Resume a paused schedule with the next tick from now.
    Resume {
        /// The schedule.
        name: ScheduleName,
    },
    /// Run a schedule now; prints the job's id.
    Run {
        /// The schedule.
        name: ScheduleName,
    },
    /// Remove a schedule.
    #[command(visible_alias = "rm")]
    Remove {
        /// The schedule.
        name: ScheduleName,
    },
    /// Print when an expression would tick, without adding anything.
    Next {
        /// A cron expression, such as '0 3 * * 1-5' or @daily, or '@every 90s'.
        #[arg(allow_hyphen_values = true)]
        expression: String,
        /// The time zone of a cron expression [default: UTC].
        #[arg(long, value_name = "ZONE")]
        zone: Option<String>,
        /// The ticks after this time [default: now].
        #[arg(long, value_name = "TIME", value_parser = UnixMs::from_rfc3339)]
        from: Option<UnixMs>,
        /// How many.
        #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
    },
}

pub(super) async fn main(
    command: ScheduleCommand,
    connection: &ConnectionArgs,
    output: Output,
) -> Result<Exit, Failure> {
    if let ScheduleCommand::Next { expression, zone, from, count } = &command {
        return next(expression, zone.as_deref(), from.unwrap_or_else(now), usize::from(*count), output);
    }
    if let ScheduleCommand::Add(args) = command {
        return add::main(*args, connection, output).await;
    }
    let client = connection.operators_client().await?;
    match command {
        ScheduleCommand::List => show::list(&client, output).await,
        ScheduleCommand::Show { name } => show::one(&client, &name, output).await,
        ScheduleCommand::Pause { name } => {
            let record = client.pause_schedule(&name, true).await.map_err(|fault| failure(&fault))?;
            told(output, &record.name, "paused")
        }
        ScheduleCommand::Resume { name } => {
            let record = client.pause_schedule(&name, false).await.map_err(|fault| failure(&fault))?;
            told(output, &record.name, "resumed")
        }
        ScheduleCommand::Run { name } => {
            let id = client.run_schedule(&name).await.map_err(|fault| failure(&fault))?;
            match output.json {
                true => output.value(&json!({"name": name, "id": id}))?,
                false => output.line(id.as_str())?,
            }
            Ok(Exit::Done)
        }
        ScheduleCommand::Remove { name } => {
            client.remove_schedule(&name).await.map_err(|fault| failure(&fault))?;
            told(output, &name, "removed")
        }
        ScheduleCommand::Add(_) | ScheduleCommand::Next { .. } => Ok(Exit::Done),
    }
}

fn told(output: Output, name: &ScheduleName, what: &str) -> Result<Exit, Failure> {
    match output.json {
        true => output.value(&json!({"name": name, "schedule": what}))?,
        false => output.line(&format!("{name} {what}"))?,
    }
    Ok(Exit::Done)
}

fn next(expression: &str, zone: Option<&str>, from: UnixMs, count: usize, output: Output) -> Result<Exit, Failure> {
    let usage = |error: lovage_job::schedule::ScheduleError| Failure::new(Exit::Usage, error);
    let text = TimingText::parse(expression, zone, from).map_err(usage)?;
    let ticks = text.ready().map_err(usage)?.next(from, count);
    if output.json {
        output.value(&ticks.iter().map(|tick| show::tick(&text, *tick)).collect::<Vec<_>>())?;
    } else {
        let rows = ticks.iter().map(|tick| vec![text.by_the_clock(*tick), tick.to_rfc3339()]);
        output.table(&[text.zone(), "UTC"], rows.collect())?;
    }
    Ok(Exit::Done)
}

/// The exit code of a schedule that was not changed, and what to do about it.
pub(super) fn failure(fault: &ScheduleFault) -> Failure {
    let exit = match fault {
        ScheduleFault::Job(error) => return submit::failure(error),
        ScheduleFault::Invalid(_) | ScheduleFault::OfOneJob(_) | ScheduleFault::Foreign { .. } => Exit::Usage,
        ScheduleFault::Unknown { .. } => {
            return Failure::new(Exit::NotFound, fault).hint("`lovage schedule list` prints what there is");
        }
        ScheduleFault::Read(_) | ScheduleFault::NoBucket | ScheduleFault::Busy(_) | ScheduleFault::Refused(_) => {
            Exit::Broker
        }
    };
    Failure::new(exit, fault)
}

//! `lovage schedule add`: what a schedule says, from options.

use super::super::connection::ConnectionArgs;
use super::super::input::read_input;
use super::super::submit::JobArgs;
use super::super::{Exit, Failure, Output};
use super::{failure, show};
use crate::clock::now;
use clap::{Arg, Args};
use lovage_client::{Client, NewJob, NewSchedule, Put, ScheduleFault, SubmitError, When};
use lovage_job::name::{ScheduleName, TaskName};
use lovage_job::schedule::{Missed, Overlap, ScheduleError, ScheduleRecord, TimingText};
use lovage_job::unit::{UnixMs, parse_span};
use serde_json::json;
use std::time::Duration;

/// Shown under the help.
const EXAMPLES: &str = "\
Examples:
  lovage schedule add nightly --task report --cron '30 2 * * *' --zone Europe/Berlin
  lovage schedule add pulse --task ping --every 30s --overlap skip
  lovage schedule add launch --task announce --at 2030-01-01T00:00:00Z --input '{\"year\":2030}'";

/// A schedule: exactly one of --cron, --every and --at says when. What is of single jobs is refused, and not shown.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, mut_args(of_schedules))]
pub struct AddArgs {
    /// The schedule's name; one of the same name is replaced.
    name: ScheduleName,
    /// A cron expression of five fields, six with seconds in front, or @hourly, @daily, @weekly, @monthly, @yearly.
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    cron: Option<String>,
    /// The time zone of --cron, such as Europe/Berlin [default: UTC].
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Tick evenly, from 1s to 365d.
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true)]
    every: Option<String>,
    /// The task to run.
    #[arg(long, value_name = "TASK")]
    task: TaskName,
    /// The input of each run: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    input: Option<String>,
    /// What becomes of ticks that are not started in time: skip, one (the latest), or all:N (the last N).
    #[arg(long, value_name = "POLICY", default_value = "one")]
    missed: Missed,
    /// A tick that is not started within this span is missed.
    #[arg(long, value_name = "SPAN", value_parser = parse_span, default_value = "1m")]
    deadline: Duration,
    /// What becomes of a run while an earlier one has not ended: allow, skip, or queue (one waits).
    #[arg(long, value_name = "POLICY", default_value = "allow")]
    overlap: Overlap,
    #[command(flatten)]
    job: JobArgs,
}

/// The options of jobs as schedules have them.
fn of_schedules(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "id" | "delay" | "expires" | "idempotency_key" | "window" | "unique" | "debounce" | "debounce_max"
        | "throttle" => arg.hide(true),
        "at" => arg.help("Run once, at this time, such as 2026-11-23T18:30:00Z").help_heading("Options"),
        _ => arg,
    }
}

pub(super) async fn main(args: AddArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let mut job = args.job.job(args.task.clone(), read_input(args.input.as_deref())?);
    let timing = timing(&args, job.due.take())?;
    let schedule = NewSchedule::new(args.name, timing, job).missed(args.missed).overlap(args.overlap);
    let client = connection.operators_client().await?;
    let put = put(&client, schedule.deadline(args.deadline), args.input.is_none()).await;
    let (record, put) = put.map_err(|fault| failure(&fault))?;
    print(&record, put, output)
}

/// When the schedule ticks. `due` is what the options of a job say.
fn timing(args: &AddArgs, due: Option<When>) -> Result<TimingText, Failure> {
    let usage = |error: ScheduleError| Failure::new(Exit::Usage, error);
    let one = "give exactly one of --cron, --every and --at";
    let zone = args.zone.as_deref();
    match (&args.cron, &args.every, due) {
        (Some(cron), None, None) => TimingText::parse(cron, zone, now()).map_err(usage),
        (None, Some(every), None) => TimingText::parse(&format!("@every {every}"), zone, now()).map_err(usage),
        (None, None, Some(When::At(_))) if zone.is_some() => {
            Err(usage(ScheduleError::ZoneWithout("a time with its offset")))
        }
        (None, None, Some(When::At(at))) => TimingText::at(at, now()).map_err(usage),
        (_, _, Some(When::In(_))) => {
            Err(Failure::new(Exit::Usage, "--delay is of a single job").hint("--at TIME makes a schedule of one tick"))
        }
        (None, None, None) => Err(Failure::new(Exit::Usage, format!("when shall {} run? {one}", args.name))),
        _ => Err(Failure::new(Exit::Usage, one)),
    }
}

/// Puts the schedule. Where no input is given and the task takes JSON, nothing is null.
async fn put(
    client: &Client,
    schedule: NewSchedule,
    nothing_given: bool,
) -> Result<(ScheduleRecord, Put), ScheduleFault> {
    let null = nothing_given.then(|| {
        let job = NewJob { payload: "null".into(), ..schedule.job.clone() }.content_type("application/json");
        NewSchedule { job, ..schedule.clone() }
    });
    match (client.put_schedule(schedule).await, null) {
        (Err(fault @ ScheduleFault::Job(SubmitError::BadInput { .. })), Some(null)) => {
            client.put_schedule(null).await.map_err(|_| fault)
        }
        (put, _) => put,
    }
}

fn print(record: &ScheduleRecord, put: Put, output: Output) -> Result<Exit, Failure> {
    let what = match put {
        Put::Added => "added",
        Put::Changed => "changed",
        Put::Same => "unchanged",
    };
    let next: Vec<UnixMs> = show::next(record, 1);
    if output.json {
        let next = next.first().map(|tick| show::tick(&record.definition.timing, *tick));
        output.value(&json!({"name": record.name, "schedule": what, "next": next, "paused": record.paused}))?;
        return Ok(Exit::Done);
    }
    output.line(&format!("{} {what}", record.name))?;
    match next.first() {
        _ if record.paused => output.note("it is paused; `lovage schedule resume` lets it go on"),
        Some(tick) => output.note(&format!("next tick {}", record.definition.timing.by_the_clock(*tick))),
        None => output.note("it has no tick to come"),
    }
    Ok(Exit::Done)
}

//! `lovage job cancel`: by id, or by filter where that is counted first.

use super::super::bulk::{AT_ONCE, BulkArgs, Words};
use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use crate::clock::now;
use clap::{Args, ValueEnum};
use futures::StreamExt;
use lovage_client::{
    CancelError, CancelOptions, CancelOutcome, Client, GRACE_MAX, JobState, ListState, PickFilter, Picked,
};
use lovage_job::name::{JobId, QueueName, TaskName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::unit::{UnixMs, format_span, parse_span};
use serde_json::json;
use std::time::Duration;

const WORDS: Words = Words { one: "job", verb: "cancel" };

/// Jobs by id, or by filter.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The jobs.
    #[arg(conflicts_with_all = ["all", "state", "task", "queue", "tag", "older_than"])]
    ids: Vec<JobId>,
    /// All jobs that have not ended, or all that the filters take.
    #[arg(long)]
    all: bool,
    /// Where they are.
    #[arg(long, value_enum)]
    state: Option<WaitingArg>,
    /// What they run.
    #[arg(long, value_name = "TASK")]
    task: Option<TaskName>,
    /// Where they wait.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,
    /// A label that they carry.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Published longer ago than this.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    older_than: Option<Duration>,
    #[command(flatten)]
    bulk: BulkArgs,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", default_value = "cancelled by hand")]
    reason: String,
    /// How long a job that runs may go on after its task is told, to clean up; an hour at most.
    #[arg(long, value_name = "SPAN", value_parser = grace, default_value = "0s")]
    grace: Duration,
}

/// Where a job is that has not ended.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum WaitingArg {
    /// In a queue: waiting, or run by a worker.
    Queued,
    /// Due later.
    Delayed,
    /// Failed, and due for another attempt.
    WaitingRetry,
    /// Held by a limit, a pause or an earlier run of a schedule.
    Held,
}

fn grace(text: &str) -> Result<Duration, String> {
    let span = parse_span(text).map_err(|error| error.to_string())?;
    if span > GRACE_MAX { Err(format!("a grace is {} at most", format_span(GRACE_MAX))) } else { Ok(span) }
}

impl CancelArgs {
    fn is_filtered(&self) -> bool {
        let Self { all, state, task, queue, tag, older_than, .. } = self;
        let by_name = task.is_some() || queue.is_some() || tag.is_some();
        *all || state.is_some() || by_name || older_than.is_some()
    }

    fn filter(&self) -> PickFilter {
        let before =
            |span: Duration| UnixMs(now().0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)));
        PickFilter {
            state: self.state.map(|state| match state {
                WaitingArg::Queued => ListState::Queued,
                WaitingArg::Delayed => ListState::Delayed,
                WaitingArg::WaitingRetry => ListState::WaitingRetry,
                WaitingArg::Held => ListState::Held,
            }),
            task: self.task.clone(),
            queue: self.queue.clone(),
            tag: self.tag.clone(),
            published_before: self.older_than.map(before),
        }
    }
}

pub(super) async fn main(client: &Client, args: &CancelArgs, output: Output) -> Result<Exit, Failure> {
    if args.ids.is_empty() && !args.is_filtered() {
        let hint = "name jobs, or give a filter such as --task, or --all: lovage job cancel --all --dry-run";
        return Err(Failure::new(Exit::Usage, "nothing to cancel").hint(hint));
    }
    let options = CancelOptions { reason: args.reason.clone(), grace: args.grace };
    let mut told = Told { output, exit: None, cancelled: 0, other: 0 };
    if !args.ids.is_empty() {
        by_ids(client, args, &options, &mut told).await?;
    } else if count(client, args, output).await? {
        by_filter(client, args, &options, &mut told).await?;
    }
    Ok(told.exit.unwrap_or(Exit::Done))
}

/// Counts what the filter takes; true where it is to be cancelled.
async fn count(client: &Client, args: &CancelArgs, output: Output) -> Result<bool, Failure> {
    let (mut pick, mut count) = (client.pick(args.filter()).await.or_exit(Exit::Broker)?, 0u64);
    while let Some(picked) = pick.next().await.or_exit(Exit::Broker)? {
        count += u64::try_from(picked.len()).unwrap_or(u64::MAX);
    }
    args.bulk.agree(count, WORDS, output)
}

async fn by_ids(client: &Client, args: &CancelArgs, options: &CancelOptions, told: &mut Told) -> Result<(), Failure> {
    if args.bulk.dry_run {
        for id in &args.ids {
            let state = client.find(id).await.or_exit(Exit::Broker)?;
            told.would(id, &state)?;
        }
        return Ok(());
    }
    let each = args.ids.iter().map(|id| async move { (id, client.cancel_with(id, options).await) });
    // in the order that was asked for; a grace of one does not hold up the others
    let mut each = futures::stream::iter(each).buffered(AT_ONCE);
    while let Some((id, outcome)) = each.next().await {
        told.add(client, id, outcome).await?;
    }
    Ok(())
}

async fn by_filter(
    client: &Client,
    args: &CancelArgs,
    options: &CancelOptions,
    told: &mut Told,
) -> Result<(), Failure> {
    let mut pick = client.pick(args.filter()).await.or_exit(Exit::Broker)?;
    while let Some(picked) = pick.next().await.or_exit(Exit::Broker)? {
        let each = picked.into_iter().map(|picked: Picked| async move {
            let outcome = client.cancel_picked(&picked, options).await;
            (picked.summary.id, outcome)
        });
        let mut each = futures::stream::iter(each).buffer_unordered(AT_ONCE);
        while let Some((id, outcome)) = each.next().await {
            told.add(client, &id, outcome).await?;
        }
    }
    told.output.note(&format!("{} cancelled, {} not", told.cancelled, told.other));
    Ok(())
}

/// What became of jobs.
struct Told {
    output: Output,
    exit: Option<Exit>,
    cancelled: u64,
    other: u64,
}

impl Told {
    async fn add(
        &mut self,
        client: &Client,
        id: &JobId,
        outcome: Result<CancelOutcome, CancelError>,
    ) -> Result<(), Failure> {
        let word = match outcome {
            Ok(CancelOutcome::Cancelled | CancelOutcome::AlreadyDone(OutcomeKind::Cancelled)) => "cancelled",
            Ok(CancelOutcome::AlreadyDone(outcome)) => {
                self.exit = self.exit.or(Some(Exit::JobFailed));
                outcome.as_str()
            }
            Ok(CancelOutcome::Requested) => match client.find(id).await.or_exit(Exit::Broker)? {
                JobState::Unknown => {
                    self.exit = Some(Exit::NotFound);
                    "unknown"
                }
                JobState::Done(result) => result.record.outcome.as_str(),
                JobState::Queued { .. }
                | JobState::Delayed { .. }
                | JobState::WaitingRetry { .. }
                | JobState::Held { .. } => "requested",
            },
            Err(error) => return self.failed(id, &error),
        };
        if matches!(word, "cancelled" | "requested") {
            self.cancelled += 1;
        } else {
            self.other += 1;
        }
        let output = self.output;
        match word {
            _ if output.json => output.value(&json!({"id": id, "cancel": word})),
            "cancelled" => output.line(&format!("{id} cancelled")),
            "requested" => output.line(&format!("{id} is just being moved; the worker that gets it cancels it")),
            "unknown" => {
                output.note(&format!("{id} is not known; a worker that gets it within a day cancels it"));
                Ok(())
            }
            ended => {
                output.note(&format!("{id} had ended before: {ended}"));
                Ok(())
            }
        }
    }

    /// One job's fault does not keep the others.
    fn failed(&mut self, id: &JobId, error: &CancelError) -> Result<(), Failure> {
        self.exit = Some(Exit::Broker);
        self.other += 1;
        if self.output.json {
            return self.output.value(&json!({"id": id, "cancel": null, "error": error.to_string()}));
        }
        self.output.note(&format!("error: {error}"));
        Ok(())
    }

    fn would(&mut self, id: &JobId, state: &JobState) -> Result<(), Failure> {
        let word = match state {
            JobState::Queued { .. } => "queued",
            JobState::Delayed { .. } => "delayed",
            JobState::WaitingRetry { .. } => "waiting-retry",
            JobState::Held { .. } => "held",
            JobState::Done(result) => result.record.outcome.as_str(),
            JobState::Unknown => {
                self.exit = Some(Exit::NotFound);
                "unknown"
            }
        };
        if self.output.json {
            return self.output.value(&json!({"id": id, "dry_run": true, "state": word}));
        }
        self.output.line(&format!("{id} {word}; nothing was changed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_an_hour_at_most() {
        assert_eq!(grace("1h"), Ok(GRACE_MAX));
        for bad in ["61m", "-1s", "5", ""] {
            assert!(grace(bad).is_err(), "{bad}");
        }
    }
}

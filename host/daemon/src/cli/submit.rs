//! `lovage submit`: one job, or one for each line of a file.

mod bulk;
mod envelope;
mod lines;
mod tally;
mod traced;
mod unique;

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::input::{is_json, read_input};
use super::push::variable;
use super::{Exit, Failure, Output, ended, wait};
use clap::{Args, ValueEnum};
use lovage_client::{Client, NewJob, Place, SubmitError, Submitted, When};
use lovage_job::catalog::VersionRef;
use lovage_job::flow::Target;
use lovage_job::name::{JobId, QueueName, TaskName};
use lovage_job::retry::{ATTEMPTS_MAX, Backoff};
use lovage_job::retry_on::RetryOn;
use lovage_job::subject::{Lane, asset};
use lovage_job::unit::{UnixMs, parse_span};
use serde_json::json;
use std::time::Duration;
use traced::Exporter;
use unique::UniqueArgs;

/// Headings of the help.
const STARTS: &str = "When it starts";
const ATTEMPTS: &str = "Attempts";
const AFTERWARDS: &str = "What runs afterwards";

/// Shown under the help.
const EXAMPLES: &str = "\
Examples:
  lovage submit word-stats '{\"text\":\"to be or not to be\"}' --wait
  lovage submit word-stats @input.json --delay 10m --retries 5 --backoff fixed:30s
  lovage submit word-stats --jsonl texts.jsonl --tag nightly
  lovage submit crawl '{\"url\":\"http://localhost\"}' --then word-stats --on-failure notify";

/// Submit a job, or one for each line of a file.
///
/// Prints the job's id. With --wait it prints the result instead, and the exit code says how the job ended.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SubmitArgs {
    /// The task to run.
    task: TaskName,
    /// The input: JSON, @FILE, or - for standard input [default: nothing, which is null where JSON is taken].
    #[arg(allow_negative_numbers = true)]
    input: Option<String>,
    /// Submit a job for each line of the input, which is a FILE or - [default: standard input].
    #[arg(long, conflicts_with = "id")]
    jsonl: bool,
    /// Each line is a whole job, {"input": …, "id": …, "tags": […], "unique": …}; its fields are named as the options.
    #[arg(long, requires = "jsonl")]
    envelope: bool,
    /// Wait for the result and print it.
    #[arg(long)]
    wait: bool,
    /// Wait no longer than this; the job goes on.
    #[arg(long, value_name = "SPAN", value_parser = parse_span, requires = "wait")]
    timeout: Option<Duration>,
    #[command(flatten)]
    job: JobArgs,
}

/// What a job asks for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The job")]
pub struct JobArgs {
    /// The job's id; a job of the same id is submitted once [default: a fresh one].
    #[arg(long, value_name = "ID")]
    id: Option<JobId>,
    /// Where the job waits; a worker takes it that serves this queue.
    #[arg(long, value_name = "QUEUE", default_value = "default")]
    queue: QueueName,
    /// Before or after others in the queue.
    #[arg(long, value_enum, default_value = "normal")]
    priority: Priority,
    /// The version to run: a version, an alias or sha256:… [default: stable].
    #[arg(long = "version", value_name = "V")]
    version: Option<VersionRef>,
    /// What limits per key count by, such as a customer; see `lovage limit`.
    #[arg(long, value_name = "KEY")]
    limit_key: Option<String>,
    /// A label to find the job and its result by; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// A header for the task; may be given several times.
    #[arg(long = "header", value_name = "K=V", value_parser = variable)]
    headers: Vec<(String, String)>,
    /// The input's media type [default: application/json where it is JSON].
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Submit without checking task and input first; the worker tells what is wrong.
    #[arg(long)]
    unchecked: bool,
    /// Start the job no sooner than after this, such as 30s, 10m or 1d.
    #[arg(long, value_name = "SPAN", value_parser = parse_span, conflicts_with = "at", allow_hyphen_values = true,
        help_heading = STARTS)]
    delay: Option<Duration>,
    /// Start the job no sooner than at this time, such as 2026-11-23T18:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = UnixMs::from_rfc3339, help_heading = STARTS)]
    at: Option<UnixMs>,
    /// Do not start the job later than this: a span from now, or a time. It ends as expired then.
    #[arg(long, value_name = "SPAN|TIME", value_parser = span_or_time, allow_hyphen_values = true,
        help_heading = STARTS)]
    expires: Option<When>,
    /// Further attempts after the first, where it fails [default: the task's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..i64::from(ATTEMPTS_MAX)),
        allow_negative_numbers = true, help_heading = ATTEMPTS)]
    retries: Option<u32>,
    /// The back-off between attempts, such as exponential:2s..10m, fixed:30s or list:1s,1m [default: the task's].
    #[arg(long, value_name = "BACKOFF", help_heading = ATTEMPTS)]
    backoff: Option<Backoff>,
    /// How an attempt must have ended to be tried again, such as failed,timed-out; or none [default: the task's].
    #[arg(long, value_name = "OUTCOMES", help_heading = ATTEMPTS)]
    retry_on: Option<RetryOn>,
    /// The longest time of an attempt, which is stopped then [default: the task's].
    #[arg(long, value_name = "SPAN", value_parser = parse_span, help_heading = ATTEMPTS)]
    run_timeout: Option<Duration>,
    /// When an attempt is asked to stop, before --run-timeout stops it; what it then gives stands.
    #[arg(long, value_name = "SPAN", value_parser = parse_span, help_heading = ATTEMPTS)]
    soft_timeout: Option<Duration>,
    /// The next job of a chain, with the output of the one before; may be given several times.
    #[arg(long = "then", value_name = "TASK|JSON|URL", help_heading = AFTERWARDS)]
    then: Vec<Target>,
    /// What runs once the job has completed, with its output: a task, a job as JSON such as
    /// {"task":"notify","queue":"mail"}, or the URL of a webhook.
    #[arg(long, value_name = "TASK|JSON|URL", help_heading = AFTERWARDS)]
    on_success: Option<Target>,
    /// What runs once the job has ended in any other way.
    #[arg(long, value_name = "TASK|JSON|URL", help_heading = AFTERWARDS)]
    on_failure: Option<Target>,
    /// What runs once the job has failed for good and is a dead letter.
    #[arg(long, value_name = "TASK|JSON|URL", help_heading = AFTERWARDS)]
    on_dead: Option<Target>,
    #[command(flatten)]
    unique: UniqueArgs,
}

/// Before or after others.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Priority {
    /// Before the others.
    High,
    /// As most jobs.
    Normal,
    /// After the others.
    Low,
}

impl Priority {
    fn lane(self) -> Lane {
        match self {
            Self::High => Lane::High,
            Self::Normal => Lane::Normal,
            Self::Low => Lane::Low,
        }
    }
}

/// Reads a span or a time.
pub(super) fn span_or_time(text: &str) -> Result<When, String> {
    let time = || UnixMs::from_rfc3339(text).map(When::At).ok();
    parse_span(text)
        .map(When::In)
        .ok()
        .or_else(time)
        .ok_or_else(|| "write a span such as 30s or 2h, or a time such as 2026-11-23T18:30:00Z".to_owned())
}

impl JobArgs {
    /// The job that was asked for.
    pub(super) fn job(&self, task: TaskName, payload: Vec<u8>) -> NewJob {
        let json = self.content_type.is_none() && is_json(&payload);
        let mut job = NewJob::new(task, payload);
        job.content_type = if json { Some("application/json".to_owned()) } else { self.content_type.clone() };
        job.queue = self.queue.clone();
        job.lane = self.priority.lane();
        job.id = self.id.clone();
        job.unique = self.unique.unique();
        job.version = self.version.clone();
        job.retries = self.retries;
        job.backoff = self.backoff.clone();
        job.retry_on = self.retry_on;
        job.timeout = self.run_timeout;
        job.limit_key = self.limit_key.clone();
        job.soft_timeout = self.soft_timeout;
        job.expires = self.expires;
        job.due = self.delay.map(When::In).or(self.at.map(When::At));
        job.on_success = self.on_success.clone();
        job.on_failure = self.on_failure.clone();
        job.on_dead = self.on_dead.clone();
        job.then = self.then.clone();
        job.tags = self.tags.clone();
        job.headers = self.headers.iter().cloned().collect();
        traced::carry(&mut job.headers);
        job.unchecked = self.unchecked;
        job
    }
}

pub(super) async fn main(args: SubmitArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    if args.jsonl {
        return bulk::main(args, connection, output).await;
    }
    let exporter = Exporter::start()?;
    let ended = one(args, connection, output, &exporter).await;
    exporter.stop().await;
    ended
}

async fn one(
    args: SubmitArgs,
    connection: &ConnectionArgs,
    output: Output,
    exporter: &Exporter,
) -> Result<Exit, Failure> {
    let payload = read_input(args.input.as_deref())?;
    let mut job = args.job.job(args.task.clone(), payload);
    let client = connection.client().await?;
    let watched = args.wait && wait::is_watched(output);
    if watched {
        // the events of the job can be asked for only by an id that is known before it is submitted
        job.id = job.id.take().or_else(|| job.unique.is_none().then(fresh_id).flatten());
    }
    let events = match job.id.clone().filter(|_| watched) {
        Some(id) => Some(client.events_of(&id).await.or_exit(Exit::Broker)?),
        None => None,
    };
    let publishing = exporter.begin(client.tenant(), &mut job);
    let submit = submit(&client, job, args.input.is_none());
    let (submitted, ()) = tokio::join!(submit, warn_unserved(&client, &args.job.queue, output));
    traced::end(publishing, &submitted);
    let submitted = submitted.map_err(|error| failure(&error))?;
    if args.wait {
        let result =
            wait::until_end(&client, (&submitted.id, &place_of(&submitted.place)), args.timeout, events).await?;
        return ended::print(&result, output);
    }
    print(&submitted, output)
}

/// Submits a job. Where nothing is given and the task takes JSON, nothing is null.
async fn submit(client: &Client, job: NewJob, nothing_given: bool) -> Result<Submitted, SubmitError> {
    let null = nothing_given.then(|| NewJob { payload: "null".into(), ..job.clone() });
    match (client.submit(job).await, null) {
        (Err(error @ SubmitError::BadInput { .. }), Some(null)) => {
            client.submit(null.content_type("application/json")).await.map_err(|_| error)
        }
        (submitted, _) => submitted,
    }
}

fn print(submitted: &Submitted, output: Output) -> Result<Exit, Failure> {
    let Submitted { id, existing, place } = submitted;
    let state = super::job::state_name(place.state());
    if output.json {
        let (due, outcome) = match place {
            Place::Queued => (None, None),
            Place::Delayed { due } | Place::WaitingRetry { due } | Place::Held { due } => (Some(due), None),
            Place::Done(outcome) => (None, Some(outcome)),
        };
        output.value(&json!({"id": id, "existing": existing, "state": state, "due": due, "outcome": outcome}))?;
        return Ok(Exit::Done);
    }
    output.line(id.as_str())?;
    if *existing {
        output.note(&format!("job {id} was there before ({state}) and was not submitted again"));
    }
    Ok(Exit::Done)
}

/// Where a job is, for people who wait for it.
fn place_of(place: &Place) -> String {
    match place {
        Place::Queued => "queued".to_owned(),
        Place::Delayed { due } => format!("delayed until {}", super::task::when(*due)),
        Place::WaitingRetry { due } => format!("failed before; again at {}", super::task::when(*due)),
        Place::Held { due } => format!("held until {} at the latest", super::task::when(*due)),
        Place::Done(outcome) => outcome.to_string(),
    }
}

/// An id of our own; ids of later jobs sort later.
fn fresh_id() -> Option<JobId> {
    uuid::Uuid::now_v7().simple().to_string().parse().ok()
}

/// The exit code of a submission that failed, and what to do about it.
pub(super) fn failure(error: &SubmitError) -> Failure {
    let exit = match error {
        SubmitError::Invalid(_)
        | SubmitError::BadInput { .. }
        | SubmitError::OverTenantPayload { .. }
        | SubmitError::PayloadTooLarge { .. } => Exit::Usage,
        SubmitError::UnknownTask { .. } | SubmitError::UnknownVersion(_) => Exit::NotFound,
        SubmitError::QueueFull { .. } | SubmitError::TooManyDelayed { .. } => Exit::Quota,
        SubmitError::NoSuchTenant(_)
        | SubmitError::Forbidden { .. }
        | SubmitError::Payload(_)
        | SubmitError::Refused { .. }
        | SubmitError::Key { .. }
        | SubmitError::Contended { .. }
        | SubmitError::Indeterminate { .. } => Exit::Broker,
    };
    let failure = Failure::new(exit, error);
    match error {
        SubmitError::BadInput { task, .. } => failure.hint(format!("`lovage task show {task}` prints what it takes")),
        SubmitError::UnknownTask { .. } => failure.hint("`lovage task list` prints what there is"),
        SubmitError::NoSuchTenant(_) => failure.hint("`lovage push` and `lovage worker` set a tenant up"),
        _ => failure,
    }
}

/// Says so where no worker has ever served the queue: the job would wait without a word.
async fn warn_unserved(client: &Client, queue: &QueueName, output: Output) {
    if is_unserved(client, queue).await {
        output.note(&format!("no worker has served queue {queue} yet; the job waits until one does"));
    }
}

/// Whether no worker has ever served a queue. False where that cannot be told.
pub(super) async fn is_unserved(client: &Client, queue: &QueueName) -> bool {
    /// How long to wait for an answer: not every user may ask.
    const TIMEOUT: Duration = Duration::from_millis(500);
    /// The broker's number for a consumer that is not there.
    const NO_CONSUMER: u64 = 10_014;
    let (stream, consumer) = (asset::jobs(client.tenant()), asset::consumer(Lane::Normal, queue));
    let asked = client.nats().request(format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"), "".into());
    let Ok(Ok(answer)) = tokio::time::timeout(TIMEOUT, asked).await else { return false };
    let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
    answer.pointer("/error/err_code").and_then(serde_json::Value::as_u64) == Some(NO_CONSUMER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_span_or_a_time() {
        assert_eq!(span_or_time("2h"), Ok(When::In(Duration::from_secs(7200))));
        assert!(matches!(span_or_time("2026-11-23T18:30:00Z"), Ok(When::At(_))));
        for bad in ["", "5", "tomorrow", "-1s", "2026-11-23"] {
            assert!(span_or_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fresh_ids_are_ids_that_differ() {
        assert!(fresh_id().is_some() && fresh_id() != fresh_id());
    }
}

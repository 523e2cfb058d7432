//! Lines that are whole jobs: `{"input": …, "id": …, "tags": […]}`. What a line does not say, the options of the command
//! do.

use super::unique::UniqueArgs;
use super::{JobArgs, Priority, span_or_time};
use clap::ValueEnum;
use lovage_client::{NewJob, When};
use lovage_job::name::{JobId, QueueName, TaskName};
use lovage_job::retry::Backoff;
use lovage_job::unit::{UnixMs, span_option};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;

/// A job as a line says it. Unknown fields are refused: a field that is misspelt would be a job that does something
/// else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    task: Option<TaskName>,
    queue: Option<QueueName>,
    priority: Option<String>,
    id: Option<JobId>,
    #[serde(default, with = "span_option")]
    delay: Option<Duration>,
    at: Option<String>,
    expires: Option<String>,
    retries: Option<u32>,
    backoff: Option<Backoff>,
    #[serde(default, with = "span_option")]
    run_timeout: Option<Duration>,
    version: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    idempotency_key: Option<String>,
    #[serde(default, with = "span_option")]
    window: Option<Duration>,
    unique: Option<String>,
    #[serde(default, with = "span_option")]
    debounce: Option<Duration>,
    #[serde(default, with = "span_option")]
    debounce_max: Option<Duration>,
    #[serde(default, with = "span_option")]
    throttle: Option<Duration>,
}

/// The job of a line.
pub(super) fn job(args: &JobArgs, task: &TaskName, line: &[u8]) -> Result<NewJob, String> {
    let told: Envelope<'_> = serde_json::from_slice(line).map_err(|error| format!("not a job: {error}"))?;
    let payload = told.input.map(|input| input.get().as_bytes().to_vec()).unwrap_or_default();
    let unique = unique(&told)?;
    let mut job = args.job(told.task.clone().unwrap_or_else(|| task.clone()), payload);
    if let Some(queue) = told.queue {
        job.queue = queue;
    }
    if let Some(priority) = &told.priority {
        let known = Priority::from_str(priority, false);
        job.lane = known.map_err(|_| format!("priority {priority:?} is not high, normal or low"))?.lane();
    }
    let due = match (told.delay, &told.at) {
        (Some(_), Some(_)) => return Err("a job has a delay or a time, but not both".to_owned()),
        (Some(delay), None) => Some(When::In(delay)),
        (None, Some(at)) => Some(When::At(UnixMs::from_rfc3339(at).map_err(|error| error.to_string())?)),
        (None, None) => None,
    };
    job.id = told.id.or(job.id);
    job.due = due.or(job.due);
    if let Some(text) = &told.expires {
        job.expires = Some(span_or_time(text).map_err(|error| format!("expires: {error}"))?);
    }
    job.retries = told.retries.or(job.retries);
    job.backoff = told.backoff.or(job.backoff);
    job.timeout = told.run_timeout.or(job.timeout);
    if let Some(text) = &told.version {
        job.version = Some(text.parse().map_err(|error| format!("version: {error}"))?);
    }
    job.tags.extend(told.tags);
    told.headers.into_iter().for_each(|(name, value)| job.headers.set(&name, value));
    job.unique = unique.unique().or(job.unique);
    Ok(job)
}

fn unique(told: &Envelope<'_>) -> Result<UniqueArgs, String> {
    let args = UniqueArgs {
        idempotency_key: told.idempotency_key.clone(),
        window: told.window,
        unique: told.unique.clone(),
        debounce: told.debounce,
        debounce_max: told.debounce_max,
        throttle: told.throttle,
    };
    let wrong = match &args {
        UniqueArgs { idempotency_key: Some(_), unique: Some(_), .. } => "idempotency_key and unique exclude each other",
        UniqueArgs { idempotency_key: None, window: Some(_), .. } => "window goes with idempotency_key",
        UniqueArgs { unique: None, debounce: Some(_), .. } => "debounce goes with unique",
        UniqueArgs { unique: None, throttle: Some(_), .. } => "throttle goes with unique",
        UniqueArgs { debounce: None, debounce_max: Some(_), .. } => "debounce_max goes with debounce",
        UniqueArgs { debounce: Some(_), throttle: Some(_), .. } => "debounce and throttle exclude each other",
        UniqueArgs { .. } => return Ok(args),
    };
    Err(wrong.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use lovage_job::subject::Lane;
    use lovage_job::unique::Rule;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        job: JobArgs,
    }

    fn read(options: &[&str], line: &str) -> Result<NewJob, String> {
        let args = Line::parse_from(["lovage"].iter().chain(options)).job;
        job(&args, &"add".parse().unwrap(), line.as_bytes())
    }

    #[test]
    fn a_line_goes_before_the_options() {
        let options = ["--queue", "mail", "--tag", "a", "--retries", "3"];
        let job = read(&options, r#"{"input": {"n": 1e400}}"#).unwrap();
        assert_eq!(
            (job.queue.as_str(), job.retries, job.tags.as_slice()),
            ("mail", Some(3), ["a".to_owned()].as_slice())
        );
        assert_eq!(
            (&job.payload[..], job.content_type.as_deref()),
            (&br#"{"n": 1e400}"#[..], Some("application/json"))
        );
        let line = r#"{"task":"sub","queue":"q","priority":"low","id":"J","delay":"5s","retries":0,"version":"2",
            "tags":["b"],"headers":{"X-Own":"mine"},"expires":"1h","run_timeout":"2s","backoff":"fixed:1s"}"#;
        let job = read(&options, line).unwrap();
        assert_eq!((job.task.as_str(), job.queue.as_str(), job.lane), ("sub", "q", Lane::Low));
        assert_eq!((job.due, job.retries, job.tags.len()), (Some(When::In(Duration::from_secs(5))), Some(0), 2));
        assert!(job.payload.is_empty() && job.expires.is_some() && job.timeout.is_some() && job.backoff.is_some());
        let unique = read(&[], r#"{"unique":"k","debounce":"5s"}"#).unwrap().unique.unwrap();
        assert!(matches!(unique.rule, Rule::Debounce { .. }));
    }

    #[test]
    fn a_line_that_is_no_job_is_told() {
        for (line, word) in [
            ("5", "not a job"),
            ("{", "not a job"),
            (r#"{"imput":1}"#, "imput"),
            (r#"{"delay":"-5s"}"#, "-5s"),
            (r#"{"delay":5}"#, "not a job"),
            (r#"{"at":"10000-01-01T00:00:00Z"}"#, "10000"),
            (r#"{"delay":"5s","at":"2026-11-23T18:30:00Z"}"#, "not both"),
            (r#"{"queue":"a.b"}"#, "a.b"),
            (r#"{"priority":"urgent"}"#, "urgent"),
            (r#"{"unique":"k","idempotency_key":"k"}"#, "exclude"),
            (r#"{"window":"5s"}"#, "goes with"),
            (r#"{"debounce":"5s"}"#, "goes with"),
        ] {
            let told = read(&[], line).unwrap_err();
            assert!(told.contains(word), "{line}: {told}");
        }
    }
}

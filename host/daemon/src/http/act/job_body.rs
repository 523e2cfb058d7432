//! A job as a request asks for it. Unknown fields are refused: a field that is misspelt would be a job that does something
//! else.

use crate::http::problem::{Code, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lovage_client::{NewJob, Unique, When};
use lovage_job::catalog::VersionRef;
use lovage_job::flow::Target;
use lovage_job::header::TRACE_PARENT;
use lovage_job::name::{JobId, QueueName, TaskName};
use lovage_job::subject::Lane;
use lovage_job::trace::TraceContext;
use lovage_job::unit::{UnixMs, parse_span};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;
use utoipa::ToSchema;

/// A job to be submitted. Only the task is needed.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobBody {
    /// What to run.
    pub task: String,
    /// The input, as JSON.
    #[schema(value_type = Option<Object>)]
    pub input: Option<Box<RawValue>>,
    /// The input, as base64, in place of `input`.
    pub input_base64: Option<String>,
    /// The media type of `input_base64`.
    pub content_type: Option<String>,
    /// Where it waits.
    pub queue: Option<String>,
    /// high, normal or low.
    pub priority: Option<String>,
    /// Its id; a job of the same id is submitted once.
    pub id: Option<String>,
    /// The version to run: a version, an alias or `sha256:…`.
    pub version: Option<String>,
    /// Start it no sooner than after this span, such as 10m.
    pub delay: Option<String>,
    /// Start it no sooner than at this time, as RFC 3339.
    pub at: Option<String>,
    /// Do not start it later than this: a span or a time.
    pub expires: Option<String>,
    /// Further attempts after the first.
    pub retries: Option<u32>,
    /// The back-off, such as exponential:2s..10m.
    pub backoff: Option<String>,
    /// The outcomes that are tried again, such as failed,timed-out.
    pub retry_on: Option<String>,
    /// The longest time of an attempt.
    pub timeout: Option<String>,
    /// When an attempt is asked to stop.
    pub soft_timeout: Option<String>,
    /// What limits per key count by.
    pub limit_key: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// Headers for the task.
    pub headers: BTreeMap<String, String>,
    /// The trace that the request is part of, by its own header; one in `headers` goes before it.
    #[serde(skip)]
    pub trace: Option<TraceContext>,
    /// What runs once it has completed: a task, a job as JSON text, or a URL.
    pub on_success: Option<String>,
    /// What runs once it has ended otherwise.
    pub on_failure: Option<String>,
    /// What runs once it is a dead letter.
    pub on_dead: Option<String>,
    /// The jobs of a chain.
    pub then: Vec<String>,
    /// A key: while a job of the same task and key has not ended, that one stands for this.
    pub unique: Option<String>,
    /// The key holds this long from the first submission on, whatever becomes of the job.
    pub unique_within: Option<String>,
    /// Start the job of the key this long after its last submission, with that one's input.
    pub debounce: Option<String>,
    /// But no later than this after the first.
    pub debounce_max: Option<String>,
    /// Start at most one job of the key in each such span.
    pub throttle: Option<String>,
}

/// Reads a field, or says which one is wrong.
fn read<T: FromStr<Err: Display>>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    text.map(|text| text.parse().map_err(|error| bad(name, error))).transpose()
}

fn bad(name: &str, error: impl Display) -> Problem {
    Problem::new(Code::BadBody, format_args!("{name}: {error}"))
}

fn span(name: &str, text: Option<&str>) -> Result<Option<Duration>, Problem> {
    text.map(|text| parse_span(text).map_err(|error| bad(name, error))).transpose()
}

fn when(name: &str, text: &str) -> Result<When, Problem> {
    match parse_span(text) {
        Ok(span) => Ok(When::In(span)),
        Err(_) => UnixMs::from_rfc3339(text).map(When::At).map_err(|error| bad(name, error)),
    }
}

impl JobBody {
    /// The job that is asked for.
    pub fn job(&self) -> Result<NewJob, Problem> {
        let task = read::<TaskName>("task", Some(&self.task))?.ok_or_else(|| bad("task", "it is missing"))?;
        let mut job = NewJob::new(task, self.payload()?);
        job.content_type = match (&self.input, &self.content_type) {
            (Some(_), Some(_)) => return Err(bad("content_type", "it goes with input_base64; input is JSON")),
            (Some(_), None) => Some("application/json".to_owned()),
            (None, given) => given.clone(),
        };
        if let Some(queue) = read::<QueueName>("queue", self.queue.as_deref())? {
            job.queue = queue;
        }
        job.lane = self.lane()?;
        job.id = read::<JobId>("id", self.id.as_deref())?;
        job.version = read::<VersionRef>("version", self.version.as_deref())?;
        job.due = match (&self.delay, &self.at) {
            (Some(_), Some(_)) => return Err(bad("delay", "a job has a delay or a time, but not both")),
            (Some(delay), None) => span("delay", Some(delay))?.map(When::In),
            (None, Some(at)) => Some(When::At(UnixMs::from_rfc3339(at).map_err(|error| bad("at", error))?)),
            (None, None) => None,
        };
        job.expires = self.expires.as_deref().map(|text| when("expires", text)).transpose()?;
        job.retries = self.retries;
        job.backoff = read("backoff", self.backoff.as_deref())?;
        job.retry_on = read("retry_on", self.retry_on.as_deref())?;
        job.timeout = span("timeout", self.timeout.as_deref())?;
        job.soft_timeout = span("soft_timeout", self.soft_timeout.as_deref())?;
        job.limit_key = self.limit_key.clone();
        job.tags = self.tags.clone();
        job.headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(trace) = self.trace.filter(|_| job.headers.get(TRACE_PARENT).is_none()) {
            job.headers.push(TRACE_PARENT, trace.to_string());
        }
        job.unique = self.key()?;
        self.follow(job)
    }

    fn follow(&self, mut job: NewJob) -> Result<NewJob, Problem> {
        job.on_success = read::<Target>("on_success", self.on_success.as_deref())?;
        job.on_failure = read::<Target>("on_failure", self.on_failure.as_deref())?;
        job.on_dead = read::<Target>("on_dead", self.on_dead.as_deref())?;
        for text in &self.then {
            job.then.extend(read::<Target>("then", Some(text))?);
        }
        Ok(job)
    }

    fn payload(&self) -> Result<Vec<u8>, Problem> {
        match (&self.input, &self.input_base64) {
            (Some(_), Some(_)) => Err(bad("input_base64", "a job has one input")),
            (Some(json), None) => Ok(json.get().as_bytes().to_vec()),
            (None, Some(text)) => STANDARD.decode(text).map_err(|error| bad("input_base64", error)),
            (None, None) => Ok(Vec::new()),
        }
    }

    fn lane(&self) -> Result<Lane, Problem> {
        match self.priority.as_deref() {
            None | Some("normal") => Ok(Lane::Normal),
            Some("high") => Ok(Lane::High),
            Some("low") => Ok(Lane::Low),
            Some(other) => Err(bad("priority", format_args!("{other:?} is not high, normal or low"))),
        }
    }

    fn key(&self) -> Result<Option<Unique>, Problem> {
        let within = span("unique_within", self.unique_within.as_deref())?;
        let debounce = span("debounce", self.debounce.as_deref())?;
        let most = span("debounce_max", self.debounce_max.as_deref())?;
        let throttle = span("throttle", self.throttle.as_deref())?;
        let Some(key) = &self.unique else {
            let alone = within.or(debounce).or(most).or(throttle).is_none();
            return if alone { Ok(None) } else { Err(bad("unique", "the other rules for keys need one")) };
        };
        match (within, debounce, most, throttle) {
            (None, None, None, None) => Ok(Some(Unique::active(key))),
            (Some(window), None, None, None) => Ok(Some(Unique::idempotent(key, window))),
            (None, Some(delay), None, None) => Ok(Some(Unique::debounce(key, delay))),
            (None, Some(delay), Some(most), None) => Ok(Some(Unique::debounce(key, delay).at_most(most))),
            (None, None, None, Some(window)) => Ok(Some(Unique::throttle(key, window))),
            _ => Err(bad("unique", "give one of unique_within, debounce (with debounce_max) and throttle")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::unique::Rule;

    fn read(text: &str) -> Result<NewJob, Problem> {
        serde_json::from_str::<JobBody>(text).map_err(|error| Problem::new(Code::BadBody, error))?.job()
    }

    #[test]
    fn each_field_reaches_the_job() {
        let job = read(
            r#"{"task":"sub","input":{"n": 1e400},"queue":"q","priority":"low","id":"J","delay":"5s","retries":0,
            "version":"2","tags":["b"],"headers":{"X-Own":"mine"},"expires":"1h","timeout":"2s","soft_timeout":"1s",
            "backoff":"fixed:1s","retry_on":"failed","limit_key":"c","on_success":"next","then":["a","b"],
            "unique":"k","throttle":"1m"}"#,
        )
        .unwrap();
        assert_eq!((job.task.as_str(), job.queue.as_str(), job.lane), ("sub", "q", Lane::Low));
        assert_eq!(
            (&job.payload[..], job.content_type.as_deref()),
            (&br#"{"n": 1e400}"#[..], Some("application/json"))
        );
        assert_eq!((job.due, job.retries, job.tags.len()), (Some(When::In(Duration::from_secs(5))), Some(0), 1));
        assert!(job.id.is_some() && job.version.is_some() && job.expires.is_some() && job.soft_timeout.is_some());
        assert!(job.backoff.is_some() && job.retry_on.is_some() && job.on_success.is_some() && job.then.len() == 2);
        assert!(matches!(job.unique.unwrap().rule, Rule::Throttle(_)));
        let bytes = read(r#"{"task":"t","input_base64":"AP8=","content_type":"image/png"}"#).unwrap();
        assert_eq!((&bytes.payload[..], bytes.content_type.as_deref()), (&[0, 255][..], Some("image/png")));
    }

    #[test]
    fn what_is_no_job_is_told_by_its_field() {
        for (text, word) in [
            ("{}", "task"),
            (r#"{"task":"<b>"}"#, "task"),
            (r#"{"task":"t","imput":1}"#, "imput"),
            (r#"{"task":"t","delay":"-5s"}"#, "delay"),
            (r#"{"task":"t","at":"10000-01-01T00:00:00Z"}"#, "at"),
            (r#"{"task":"t","delay":"5s","at":"2026-11-23T18:30:00Z"}"#, "both"),
            (r#"{"task":"t","queue":"a.b"}"#, "queue"),
            (r#"{"task":"t","priority":"urgent"}"#, "urgent"),
            (r#"{"task":"t","input":1,"input_base64":""}"#, "one input"),
            (r#"{"task":"t","input_base64":"*"}"#, "input_base64"),
            (r#"{"task":"t","throttle":"1s"}"#, "unique"),
            (r#"{"task":"t","unique":"k","throttle":"1s","debounce":"1s"}"#, "give one"),
            (r#"{"task":"t","then":["ftp://x"]}"#, "then"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.code == Code::BadBody && told.detail.contains(word), "{text}: {told:?}");
        }
    }
}

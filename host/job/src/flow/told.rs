//! What a follow-up is told: the input of a callback for a failure, and the body of a webhook.
//!
//! Both shapes are read by programs of others; `next_tests.rs` holds them fast.

use super::group::GroupRecord;
use super::next::Led;
use super::url::WebhookUrl;
use crate::name::{Digest, JobId, QueueName, TaskName};
use crate::outcome::{JobError, OutcomeKind};
use crate::result::JobResult;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most JSON of an error that is told.
const ERROR_BYTES_MAX: usize = 8 * 1024;
/// The largest output that the body of a webhook carries along, in bytes.
const OUTPUT_TOLD_MAX: usize = 256 * 1024;

/// What of a job is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Success,
    Then,
    Failure,
    Dead,
}

impl Kind {
    /// The name that ids are made from; a change would let a repeat submit a second follow-up.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Then => "then",
            Self::Failure => "failure",
            Self::Dead => "dead",
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Success | Self::Then => "job.completed",
            Self::Failure => "job.failed",
            Self::Dead => "job.dead",
        }
    }
}

/// The input of a callback for a failure: how the job ended, and what it was given where that is JSON of at most
/// 64 KiB. A larger input that is an object is named by its digest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The job that ended.
    pub id: JobId,
    /// What it ran; null where the message was no job.
    pub task: Option<TaskName>,
    /// Where it waited; null where the message was no job.
    pub queue: Option<QueueName>,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// What went wrong.
    pub error: Option<JobError>,
    /// How many attempts were made.
    pub attempts: u32,
    /// Its input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The object that holds its input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_object: Option<Digest>,
}

impl Told {
    /// What is told of a job that ended so.
    pub fn of(led: &Led, result: &JobResult) -> Self {
        let record = &result.record;
        Self {
            id: record.id.clone(),
            task: record.task.clone(),
            queue: record.queue.clone(),
            outcome: record.outcome,
            error: result.error.clone().map(|error| error.clipped(ERROR_BYTES_MAX)),
            attempts: record.attempt,
            payload: led.input.as_deref().and_then(|input| serde_json::from_slice(input).ok()),
            payload_object: led.input_object.clone(),
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The body of a webhook that tells of a job: `{"type", "timestamp", "data"}`. The data of a job that completed holds
/// its `output`, as JSON or in `output_base64`, unless it is larger than 256 KiB or an object; otherwise it is [`Told`].
pub(super) fn event_of(kind: Kind, led: &Led, result: &JobResult) -> Value {
    let record = &result.record;
    let data = match kind {
        Kind::Failure | Kind::Dead => serde_json::to_value(Told::of(led, result)).unwrap_or_default(),
        Kind::Success | Kind::Then => {
            let mut data = json!({
                "id": record.id, "task": record.task, "queue": record.queue, "outcome": record.outcome,
                "attempts": record.attempt,
            });
            let (name, value) = output_of(result);
            if let Some(data) = data.as_object_mut() {
                data.insert(name.to_owned(), value);
            }
            data
        }
    };
    json!({"type": kind.event(), "timestamp": record.finished.to_rfc3339(), "data": data})
}

fn output_of(result: &JobResult) -> (&'static str, Value) {
    if let Some(object) = &result.record.payload {
        return ("output_object", json!(object));
    }
    if result.body.len() > OUTPUT_TOLD_MAX {
        return ("output_bytes", json!(result.body.len()));
    }
    match super::gather::value_of(result) {
        Value::Object(fields)
            if fields.len() == 1 && fields.contains_key("base64") && !super::gather::is_json(result) =>
        {
            ("output_base64", fields.get("base64").cloned().unwrap_or_default())
        }
        value => ("output", value),
    }
}

/// The body of a webhook that tells of a group which is complete.
pub(super) fn group_event(group: &GroupRecord, input: &[u8]) -> Value {
    let data: Value = serde_json::from_slice(input).unwrap_or_default();
    json!({"type": "group.completed", "timestamp": group.changed.to_rfc3339(), "data": data})
}

/// The payload of a job that delivers a webhook: where to, and the JSON that is posted.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookCall {
    /// Where it goes.
    pub url: WebhookUrl,
    /// What is posted.
    pub body: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCall {
    url: String,
    body: Value,
}

impl WebhookCall {
    /// As the payload of a job.
    pub fn to_json(&self) -> Vec<u8> {
        let raw = RawCall { url: self.url.to_string(), body: self.body.clone() };
        serde_json::to_vec(&raw).unwrap_or_default()
    }

    /// Reads the payload of a job; the text says what would be right.
    pub fn from_json(payload: &[u8]) -> Result<Self, String> {
        let raw: RawCall = serde_json::from_slice(payload)
            .map_err(|error| format!("not {{\"url\": \"https://…\", \"body\": …}}: {error}"))?;
        Ok(Self { url: raw.url.parse().map_err(|error: super::FlowError| error.to_string())?, body: raw.body })
    }

    /// The bytes that are posted and signed: the same for each attempt.
    pub fn posted(&self) -> Vec<u8> {
        serde_json::to_vec(&self.body).unwrap_or_default()
    }
}

//! The result of a job: a message whose body is the output and whose headers say the rest.

use crate::catalog::Encoding;
use crate::header::{self, Headers};
use crate::name::{Digest, JobId, QueueName, TaskName, VersionName};
use crate::outcome::{JobError, Meter, OutcomeKind};
use crate::subject::Lane;
use crate::trail::{Trail, ascii_json};
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};

/// The most JSON that a result's error takes in its header.
const ERROR_BYTES_MAX: usize = 8 * 1024;

/// What is known of a job that ended, apart from its output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultRecord {
    /// The job.
    pub id: JobId,
    /// Its task; nothing where the message was no job.
    pub task: Option<TaskName>,
    /// Its queue; nothing where the message was no job.
    pub queue: Option<QueueName>,
    /// Its lane.
    pub lane: Option<Lane>,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// The component that ran last, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The version of the task that ran last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionName>,
    /// The last attempt, from 1; 0 where none was made.
    pub attempt: u32,
    /// When the job was published.
    pub published: UnixMs,
    /// When the last attempt began.
    pub started: UnixMs,
    /// When the job ended.
    pub finished: UnixMs,
    /// What the last attempt used.
    #[serde(flatten)]
    pub meter: Meter,
    /// The worker that ran the last attempt.
    pub worker: String,
    /// Labels of the publisher.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The object that holds the output, where it is too large for a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Digest>,
    /// The trace of the last attempt, or of its publisher: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// A result as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct JobResult {
    /// What is known of the job.
    pub record: ResultRecord,
    /// What went wrong.
    pub error: Option<JobError>,
    /// What the attempts came to; empty for a job that completed at once.
    pub trail: Trail,
    /// The media type of the output.
    pub content_type: Option<String>,
    /// The output, unless it is in an object.
    pub body: Vec<u8>,
}

/// A message that is not a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored result is damaged: {0}")]
pub struct ResultError(String);

impl JobResult {
    /// The headers of the stored result.
    pub fn to_headers(&self) -> Headers {
        let mut headers = Headers(Vec::with_capacity(5));
        headers.push(header::OUTCOME, self.record.outcome.as_str());
        headers.push(header::RECORD, ascii_json(&self.record));
        if let Some(content_type) = &self.content_type {
            headers.push(header::CONTENT_TYPE, content_type.clone());
        }
        if let Some(error) = &self.error {
            headers.push(header::ERROR, ascii_json(&error.clone().clipped(ERROR_BYTES_MAX)));
        }
        if !self.trail.0.is_empty() {
            headers.push(header::TRAIL, self.trail.to_header());
        }
        headers
    }

    /// Reads a stored result.
    pub fn from_message(headers: &Headers, body: Vec<u8>) -> Result<Self, ResultError> {
        let record = headers.get(header::RECORD).ok_or_else(|| ResultError("it has no record".into()))?;
        let record = serde_json::from_str(record).map_err(|error| ResultError(error.to_string()))?;
        let error = headers.get(header::ERROR).map(serde_json::from_str).transpose();
        Ok(Self {
            record,
            error: error.map_err(|error| ResultError(error.to_string()))?,
            trail: headers.get(header::TRAIL).and_then(Trail::from_header).unwrap_or_default(),
            content_type: headers.get(header::CONTENT_TYPE).map(str::to_owned),
            body,
        })
    }

    /// Whether the body is JSON, going by its media type.
    pub fn encoding(&self) -> Encoding {
        match self.content_type.as_deref() {
            Some("application/json") => Encoding::Json,
            _ => Encoding::Bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> JobResult {
        JobResult {
            record: ResultRecord {
                id: "j".parse().unwrap(),
                task: Some("add".parse().unwrap()),
                queue: Some("default".parse().unwrap()),
                lane: Some(Lane::High),
                outcome: OutcomeKind::Completed,
                digest: Some(Digest::of(b"x")),
                version: Some("1.2".parse().unwrap()),
                attempt: 1,
                published: UnixMs(1),
                started: UnixMs(2),
                finished: UnixMs(3),
                meter: Meter { fuel_used: 4, memory_peak_bytes: 5, wall_us: 6, egress_bytes: 0 },
                worker: "w".into(),
                tags: vec!["wörld".into()],
                payload: None,
                trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
            },
            error: None,
            trail: Trail::default(),
            content_type: Some("application/json".into()),
            body: b"3".to_vec(),
        }
    }

    #[test]
    fn a_result_reads_back() {
        let result = result();
        let headers = result.to_headers();
        assert!(headers.iter().all(|(_, value)| value.is_ascii()));
        assert_eq!(JobResult::from_message(&headers, b"3".to_vec()).unwrap(), result);
    }

    #[test]
    fn the_record_on_the_wire_is_stable() {
        assert_eq!(
            ascii_json(&result().record),
            r#"{"id":"j","task":"add","queue":"default","lane":"high","outcome":"completed","digest":"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","version":"1.2","attempt":1,"published":1,"started":2,"finished":3,"fuel_used":4,"memory_peak_bytes":5,"wall_us":6,"worker":"w","tags":["w\u00f6rld"],"trace_id":"0af7651916cd43dd8448eb211c80319c"}"#
        );
    }

    #[test]
    fn damage_is_told() {
        assert!(JobResult::from_message(&Headers::new(), vec![]).is_err());
        let headers: Headers = [(header::RECORD, "{}")].into_iter().collect();
        assert!(JobResult::from_message(&headers, vec![]).is_err());
    }
}

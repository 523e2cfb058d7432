//! The input of a group's completion job, gathered from the results of its members in their order.
//!
//! ```text
//! {"group": ID, "size": N, "results": [...], "failed_count": M, "failed": [{"index", "id", "outcome", "message"}]}
//! ```
//!
//! A result is its JSON, or `{"base64": ...}` where it is none, or null where the member failed. Where all results
//! together are larger than 512 KiB, each one is `{"id": ...}` instead, to be read by who needs it.

use super::group::{GroupRecord, MemberFailure};
use crate::catalog::Encoding;
use crate::name::JobId;
use crate::outcome::OutcomeKind;
use crate::result::JobResult;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The most bytes of outputs that the input of a completion job carries along.
pub const GATHERED_BYTES_MAX: usize = 512 * 1024;
/// The most failed members that it names.
const FAILED_NAMED_MAX: usize = 1_000;

/// The results of a group so far.
#[derive(Debug)]
pub struct Gathered {
    /// Which members completed, in their order.
    completed: Vec<bool>,
    /// Their outputs, until they are too large.
    outputs: Option<Vec<Box<RawValue>>>,
    bytes: usize,
    failed: Vec<MemberFailure>,
    failed_count: usize,
}

#[derive(Serialize)]
struct Reference {
    id: JobId,
}

#[derive(Serialize)]
struct Input<'a, R> {
    group: &'a str,
    size: u32,
    results: Vec<R>,
    failed_count: usize,
    failed: &'a [MemberFailure],
}

impl Default for Gathered {
    fn default() -> Self {
        Self { completed: Vec::new(), outputs: Some(Vec::new()), bytes: 0, failed: Vec::new(), failed_count: 0 }
    }
}

impl Gathered {
    /// Adds the result of the next member; nothing where it is forgotten.
    pub fn add(&mut self, group: &GroupRecord, result: Option<JobResult>) {
        let index = u32::try_from(self.completed.len()).unwrap_or(u32::MAX);
        let completed = result.as_ref().is_some_and(|result| result.record.outcome == OutcomeKind::Completed);
        self.completed.push(completed);
        if !completed {
            self.add_failed(group, index, result.as_ref());
        }
        let output = result.as_ref().filter(|_| completed);
        self.bytes += output.map_or(4, |result| result.body.len());
        if self.bytes > GATHERED_BYTES_MAX || output.is_some_and(|result| result.record.payload.is_some()) {
            self.outputs = None;
        }
        if let Some(outputs) = &mut self.outputs {
            outputs.push(output.map_or_else(null, raw_of));
        }
    }

    fn add_failed(&mut self, group: &GroupRecord, index: u32, result: Option<&JobResult>) {
        self.failed_count += 1;
        if self.failed.len() < FAILED_NAMED_MAX {
            let gone = || "its result is forgotten".to_owned();
            let message = result.map_or_else(gone, |result| {
                result.error.as_ref().map(|error| error.message.clone()).unwrap_or_default()
            });
            let outcome = result.map_or(OutcomeKind::Expired, |result| result.record.outcome);
            self.failed.push(MemberFailure::new(&group.id, index, outcome, &message));
        }
    }

    /// The input of the completion job.
    pub fn into_json(self, group: &GroupRecord) -> Vec<u8> {
        let (size, failed_count, failed) = (group.size, self.failed_count, self.failed.as_slice());
        let group_id = group.id.as_str();
        let written = match self.outputs {
            Some(results) => serde_json::to_vec(&Input { group: group_id, size, results, failed_count, failed }),
            None => {
                let reference =
                    |(index, completed): (u32, bool)| completed.then(|| Reference { id: group.id.member(index) });
                let results: Vec<_> = (0..).zip(self.completed).map(reference).collect();
                serde_json::to_vec(&Input { group: group_id, size, results, failed_count, failed })
            }
        };
        written.unwrap_or_default()
    }
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// An output within JSON, numbers as they are written.
fn raw_of(result: &JobResult) -> Box<RawValue> {
    if result.encoding() == Encoding::Json
        && let Ok(json) = serde_json::from_slice::<Box<RawValue>>(&result.body)
    {
        return json;
    }
    let text = format!("{{\"base64\":\"{}\"}}", STANDARD.encode(&result.body));
    RawValue::from_string(text).unwrap_or_else(|_| null())
}

/// Whether an output is JSON indeed.
pub(super) fn is_json(result: &JobResult) -> bool {
    result.encoding() == Encoding::Json && serde_json::from_slice::<serde::de::IgnoredAny>(&result.body).is_ok()
}

/// An output within JSON: as it is, or in `{"base64": ...}`.
pub(super) fn value_of(result: &JobResult) -> Value {
    serde_json::from_str(raw_of(result).get()).unwrap_or_default()
}

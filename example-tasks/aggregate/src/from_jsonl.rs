//! Reads JSON lines: one object a line, blank lines skipped.

use lovage_task::{Bytes, Job, TaskError, task};
use serde_json::{Map, Value};

use crate::summary::{Aggregation, Field, Summary};

/// Summarises the fields of JSON lines, one object each; the header Group-By names a field to group by.
#[task(timeout = "60s")]
pub(crate) fn jsonl_summary(job: &Job, lines: Bytes) -> Result<Summary, TaskError> {
    let mut aggregation = Aggregation::of(job);
    for (index, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row: Map<String, Value> = serde_json::from_slice(line)
            .map_err(|error| TaskError::bad_input(format!("line {}: {error}", index + 1)))?;
        let group = aggregation.group_by().and_then(|name| row.get(name)).map(group_value);
        aggregation.add(group, row.iter().map(|(name, value)| (name.as_str(), field(value))))?;
    }
    Ok(aggregation.finish())
}

/// A string groups as it reads, anything else as its JSON.
fn group_value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn field(value: &Value) -> Field {
    match value {
        Value::Null => Field::Empty,
        Value::Number(number) => number.as_f64().map_or(Field::Other, Field::Number),
        Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => Field::Other,
    }
}

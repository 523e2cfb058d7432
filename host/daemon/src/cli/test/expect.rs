//! What a case expects of its job, and what is at fault where it does not come.

use super::case::Ran;
use lovage_job::unit::{ByteSize, format_span, parse_span};
use lovage_testing::{OutcomeKind, RecordedChild, Report};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Text of a fault is cut here.
const SHOWN_CHARS: usize = 600;

/// What must come of a job. What is not named may be anything, but the outcome: a job is expected to complete.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expect {
    outcome: Option<OutcomeKind>,
    output: Option<Value>,
    /// The output where TOML cannot say it, such as `null`.
    output_json: Option<String>,
    output_text: Option<String>,
    /// Is in the error's message.
    message: Option<String>,
    /// Each is in the log.
    log: Vec<String>,
    /// The messages, in order.
    progress: Option<Vec<String>>,
    /// In order.
    children: Option<Vec<Child>>,
    /// These and perhaps others.
    checkpoints: BTreeMap<String, Value>,
    /// What lies in buckets, by bucket and key.
    values: BTreeMap<String, BTreeMap<String, Value>>,
    fuel_max: Option<u64>,
    memory_max: Option<ByteSize>,
    attempts: Option<usize>,
    delays: Option<Vec<String>>,
}

/// A job that the job submits.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Child {
    task: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
}

impl Expect {
    /// Whether what it says makes sense.
    pub(super) fn check(&self) -> Result<(), String> {
        let output = self.output.is_some() || self.output_json.is_some() || self.output_text.is_some();
        if output && self.kind() != OutcomeKind::Completed {
            return Err(format!("a job that ends as {} has no output", self.kind()));
        }
        if let Some(text) = &self.output_json {
            let _value: Value = serde_json::from_str(text).map_err(|error| format!("output_json: {error}"))?;
        }
        for delay in self.delays.iter().flatten() {
            parse_span(delay).map_err(|error| format!("delays: {error}"))?;
        }
        Ok(())
    }

    /// Whether the job is followed to its end, with the waits of the retry policy, or is one attempt.
    pub(super) fn is_of_all_attempts(&self) -> bool {
        self.attempts.is_some() || self.delays.is_some()
    }

    fn kind(&self) -> OutcomeKind {
        self.outcome.unwrap_or(OutcomeKind::Completed)
    }

    /// What came otherwise; nothing where all came as expected.
    pub(super) fn faults(&self, ran: &Ran) -> Vec<String> {
        let mut faults = Vec::new();
        let mut same = |what: &str, wanted: Value, is: Value| {
            if wanted != is {
                faults.push(format!("{what}: expected {}, got {}", shown(&wanted), shown(&is)));
            }
        };
        let report = &ran.last;
        if report.kind() != self.kind() {
            let message = report.message();
            let why = if message.is_empty() { String::new() } else { format!(": {message}") };
            return vec![format!("outcome: expected {}, got {}{why}", self.kind(), report.kind())];
        }
        for wanted in self.output.iter().cloned().chain(self.output_json.iter().filter_map(|text| value(text))) {
            same("output", wanted, json_or_text(report.output.as_deref().unwrap_or_default()));
        }
        if let Some(text) = &self.output_text {
            same("output_text", json!(text), json!(report.text()));
        }
        if let Some(messages) = &self.progress {
            same("progress", json!(messages), report.progress.iter().map(|(_, message)| json!(message)).collect());
        }
        if let Some(children) = &self.children {
            same("children", json!(children), got_children(children, &report.children));
        }
        for (bucket, wanted) in &self.values {
            for (key, wanted) in wanted {
                let is = report.values.get(&(bucket.clone(), key.clone()));
                let is = is.map_or(Value::Null, |bytes| json_or_text(bytes));
                same(&format!("value {key:?} of bucket {bucket:?}"), wanted.clone(), is);
            }
        }
        for (key, wanted) in &self.checkpoints {
            let is = report.checkpoints.get(key).map_or(Value::Null, |bytes| json_or_text(bytes));
            same(&format!("checkpoint {key:?}"), wanted.clone(), is);
        }
        if let Some(attempts) = self.attempts {
            same("attempts", json!(attempts), json!(ran.attempts));
        }
        if let Some(delays) = &self.delays {
            let spelled = |text: &String| parse_span(text).map_or_else(|_| text.clone(), format_span);
            let wanted: Vec<_> = delays.iter().map(spelled).collect();
            let is: Vec<_> = ran.delays.iter().map(|delay| format_span(*delay)).collect();
            same("delays", json!(wanted), json!(is));
        }
        faults.extend(self.missing(report));
        faults.extend(self.too_much(report));
        faults
    }

    fn missing(&self, report: &Report) -> Vec<String> {
        let message = report.message();
        let of_message = self.message.iter().filter(|text| !message.contains(text.as_str()));
        let of_message = of_message.map(|text| format!("message: expected {text:?} in it, got {message:?}"));
        let of_log = self.log.iter().filter(|text| !report.log.contains(text.as_str()));
        of_message.chain(of_log.map(|text| format!("log: expected {text:?} in it"))).collect()
    }

    fn too_much(&self, report: &Report) -> Vec<String> {
        let fuel = self.fuel_max.filter(|most| report.fuel_used > *most);
        let fuel = fuel.map(|most| format!("fuel: expected at most {most}, got {}", report.fuel_used));
        let memory = self.memory_max.filter(|most| report.memory_peak_bytes > most.0);
        let peak = ByteSize(report.memory_peak_bytes);
        fuel.into_iter().chain(memory.map(|most| format!("memory: expected at most {most}, got {peak}"))).collect()
    }
}

/// The children with what the expected ones name of them, so that they compare.
fn got_children(wanted: &[Child], children: &[RecordedChild]) -> Value {
    let got = |(number, child): (usize, &RecordedChild)| {
        let named = wanted.get(number);
        json!(Child {
            task: child.job.task.clone(),
            input: named.is_none_or(|child| child.input.is_some()).then(|| json_or_text(&child.job.input)),
            key: named.and_then(|wanted| wanted.key.as_ref()).and(child.job.key.clone()),
            queue: named.and_then(|wanted| wanted.queue.as_ref()).and(child.job.queue.clone()),
        })
    };
    children.iter().enumerate().map(got).collect()
}

fn value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn json_or_text(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::outcome::{Outcome, Output};
    use std::time::Duration;

    fn ran(outcome: Outcome) -> Ran {
        let output = match &outcome {
            Outcome::Completed(output) => Some(output.body.clone()),
            _ => None,
        };
        let last = Report {
            outcome,
            output,
            progress: vec![(Some(0.5), "half".to_owned())],
            children: Vec::new(),
            checkpoints: BTreeMap::from([("done".to_owned(), b"3".to_vec())]),
            values: BTreeMap::from([(("seen".to_owned(), "n".to_owned()), b"4".to_vec())]),
            blobs: BTreeMap::new(),
            log: "a line\n".to_owned(),
            fuel_used: 100,
            memory_peak_bytes: 1 << 20,
            took: Duration::ZERO,
        };
        Ran { attempts: 2, last, delays: vec![Duration::from_secs(60)], took: Duration::from_secs(60) }
    }

    #[test]
    fn each_expectation_is_held_against_what_came() {
        let done = ran(Outcome::Completed(Output {
            body: b"{\"n\":1}".to_vec(),
            content_type: "application/json".to_owned(),
        }));
        let faults = |text: &str| toml::from_str::<Expect>(text).unwrap().faults(&done);
        for met in [
            "",
            "output = { n = 1 }",
            "output_json = '{\"n\": 1}'",
            "output_text = '{\"n\":1}'",
            "progress = ['half']",
            "children = []",
            "checkpoints = { done = 3 }",
            "values = { seen = { n = 4 } }",
            "log = ['line']",
            "fuel_max = 100\nmemory_max = '1MiB'",
            "attempts = 2\ndelays = ['60s']",
        ] {
            assert_eq!(faults(met), Vec::<String>::new(), "{met}");
        }
        for (missed, told) in [
            ("outcome = 'failed'", "outcome: expected failed, got completed"),
            ("output = { n = 2 }", "output: expected {\"n\":2}, got {\"n\":1}"),
            ("output_json = 'null'", "output: expected null"),
            ("output_text = 'x'", "output_text"),
            ("progress = []", "progress: expected [], got [\"half\"]"),
            ("children = [{ task = 'x' }]", "children"),
            ("values = { seen = { n = 5 } }", "value \"n\" of bucket \"seen\": expected 5, got 4"),
            ("checkpoints = { other = 3 }", "checkpoint \"other\": expected 3, got null"),
            ("message = 'x'", "message"),
            ("log = ['word']", "log: expected \"word\" in it"),
            ("fuel_max = 99", "fuel: expected at most 99, got 100"),
            ("memory_max = '512KiB'", "memory"),
            ("attempts = 1", "attempts: expected 1, got 2"),
            ("delays = ['1s']", "delays: expected [\"1s\"], got [\"1m\"]"),
        ] {
            let faults = faults(missed);
            assert!(faults.len() == 1 && faults[0].contains(told), "{missed}: {faults:?}");
        }
    }
}

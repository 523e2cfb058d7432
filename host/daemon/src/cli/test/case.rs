//! What a case of a file says: the job.

use super::expect::Expect;
use lovage_testing::{LimitsWish, Report, RetryPolicy, TaskTest};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseFile {
    /// Relative to the file.
    pub(super) component: Option<PathBuf>,
    #[serde(rename = "case", default)]
    pub(super) cases: Vec<Case>,
}

/// One job and what must come of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Case {
    pub(super) name: String,
    task: Option<String>,
    input: Option<Value>,
    /// The input as text: JSON that TOML cannot say, or another media type.
    input_text: Option<String>,
    /// The input as a file, relative to the file of cases.
    input_file: Option<PathBuf>,
    content_type: Option<String>,
    headers: BTreeMap<String, String>,
    id: Option<String>,
    at: Option<String>,
    attempt: Option<u32>,
    retry: Option<RetryPolicy>,
    limits: LimitsWish,
    seed: u64,
    cancelled: Option<String>,
    may_submit: Option<bool>,
    /// What the task is granted, as for `push --allow`.
    allow: Vec<String>,
    checkpoints: BTreeMap<String, Value>,
    /// The secrets that the tenant has.
    secrets: BTreeMap<String, String>,
    /// What lies in buckets before, by bucket and key: as JSON.
    values: BTreeMap<String, BTreeMap<String, Value>>,
    pub(super) expect: Expect,
}

/// What came of a case: one attempt, or all of them.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) attempts: usize,
    pub(super) last: Report,
    pub(super) delays: Vec<Duration>,
    pub(super) took: Duration,
}

impl CaseFile {
    /// Reads the text of a file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for (number, case) in file.cases.iter().enumerate() {
            if case.name.is_empty() {
                return Err(format!("case {} has no name", number + 1));
            }
            case.check().map_err(|fault| format!("case {:?}: {fault}", case.name))?;
        }
        Ok(file)
    }
}

impl Case {
    fn check(&self) -> Result<(), String> {
        let inputs = [self.input.is_some(), self.input_text.is_some(), self.input_file.is_some()];
        if inputs.into_iter().filter(|given| *given).count() > 1 {
            return Err("give one of input, input_text and input_file".to_owned());
        }
        if self.attempt == Some(0) {
            return Err("attempts are counted from 1".to_owned());
        }
        self.expect.check()
    }

    /// Makes its attempt; all of them, where it expects something of them.
    pub(super) fn run(&self, folder: &Path, ready: &TaskTest) -> Result<Ran, String> {
        let test = self.test(folder, ready)?;
        if self.expect.is_of_all_attempts() {
            let run = test.run_to_end().map_err(|error| error.to_string())?;
            let (delays, took) = (run.delays(), run.took);
            return Ok(Ran { attempts: run.attempts.len(), last: run.last, delays, took });
        }
        let last = test.run().map_err(|error| error.to_string())?;
        Ok(Ran { attempts: 1, took: last.took, last, delays: Vec::new() })
    }

    fn test(&self, folder: &Path, ready: &TaskTest) -> Result<TaskTest, String> {
        let mut test = ready.another().attempt(self.attempt.unwrap_or(1)).seed(self.seed).limits(self.limits.clone());
        if let Some(input) = &self.input {
            test = test.input(input);
        }
        let typed = self.content_type.as_deref().unwrap_or("application/json");
        if let Some(text) = &self.input_text {
            test = test.bytes(text.clone(), typed);
        }
        if let Some(path) = &self.input_file {
            let path = folder.join(path);
            let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            test = test.bytes(bytes, self.content_type.as_deref().unwrap_or("application/octet-stream"));
        }
        test = self.headers.iter().fold(test, |test, (name, value)| test.header(name, value));
        test = self.checkpoints.iter().fold(test, |test, (key, value)| test.checkpoint(key, value));
        test = self.secrets.iter().fold(test, |test, (name, value)| test.secret(name, value.as_bytes()));
        for (bucket, values) in &self.values {
            test = values.iter().fold(test, |test, (key, value)| test.value(bucket, key, value.to_string()));
        }
        test = self.task.iter().fold(test, |test, name| test.task(name));
        test = self.id.iter().fold(test, |test, id| test.id(id));
        test = self.at.iter().fold(test, |test, at| test.at(at));
        test = self.retry.iter().fold(test, |test, policy| test.retry(policy.clone()));
        test = self.allow.iter().fold(test, |test, capability| test.allow(capability));
        test = self.cancelled.iter().fold(test, |test, reason| test.cancelled(reason));
        Ok(if self.may_submit == Some(false) { test.without_grants() } else { test })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_says_what_it_is_and_nothing_unknown() {
        let text = "component = \"a.wasm\"\n[[case]]\nname = \"a\"\ninput = { count = 2 }\n\
                    limits = { timeout = \"1s\", fuel = 10 }\nretry = { attempts_max = 3, backoff = \"fixed:1s\" }\n\
                    checkpoints = { done = 3 }\nexpect = { outcome = \"failed\", message = \"no\", attempts = 3 }\n";
        let file = CaseFile::parse(text).unwrap();
        assert_eq!(file.cases[0].input, Some(serde_json::json!({"count": 2})));
        assert!(file.cases[0].expect.is_of_all_attempts());
        for (bad, told) in [
            ("[[case]]\nname = \"a\"\nimput = 1", "imput"),
            ("[[case]]\nname = \"a\"\nexpect = { outcom = \"failed\" }", "outcom"),
            ("[[case]]\nname = \"a\"\nexpect = { outcome = \"broken\" }", "broken"),
            ("[[case]]\ninput = 1", "no name"),
            ("[[case]]\nname = \"a\"\ninput = 1\ninput_text = \"2\"", "give one of"),
            ("[[case]]\nname = \"a\"\nattempt = 0", "from 1"),
            ("[[case]]\nname = \"a\"\nexpect = { output = 1, outcome = \"failed\" }", "no output"),
            ("[[case]]\nname = \"a\"\nexpect = { output_json = \"{\" }", "output_json"),
            ("cases = 1", "cases"),
        ] {
            let fault = CaseFile::parse(bad).unwrap_err();
            assert!(fault.contains(told), "{bad}: {fault}");
        }
    }
}

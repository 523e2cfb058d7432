//! What runs after a job: a job to come, written as the name of a task or as JSON, or the URL of a webhook.

use super::url::WebhookUrl;
use crate::catalog::VersionRef;
use crate::decode::{TAG_LENGTH_MAX, TAGS_MAX};
use crate::header::{self, Headers};
use crate::name::{QueueName, TaskName};
use crate::retry::{ATTEMPTS_MAX, Backoff};
use crate::retry_on::RetryOn;
use crate::subject::Lane;
use crate::trail::ascii_json;
use crate::unit::span_option;
use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most bytes of one header that says what follows.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// How deep the follow-ups of follow-ups may be written into one another.
pub const NESTING_MAX: usize = 8;
/// The most jobs that follow one another in one chain.
pub const CHAIN_MAX: usize = 31;
/// The most headers of its own that a follow-up brings to the guest.
const OWN_HEADERS_MAX: usize = 32;

/// What follows a job is not written as it should be. The text names the value and says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FlowError(pub String);

/// What runs after a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Another job.
    Job(Box<JobSpec>),
    /// A webhook.
    Webhook(WebhookUrl),
}

/// A job to come. Its input is what it follows; all that is left out is as for any job, but for queue and lane, which
/// are those of the job that it follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// What to run.
    pub task: TaskName,
    /// Where it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Its priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// The version to run.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub version: Option<VersionRef>,
    /// Further attempts after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// The back-off between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// How an attempt must have ended to be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<RetryOn>,
    /// When an attempt is asked to stop.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "span_option")]
    pub soft_timeout: Option<Duration>,
    /// The longest wall time of an attempt.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "span_option")]
    pub timeout: Option<Duration>,
    /// Labels of its result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Headers for the guest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What runs once it has completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_success: Option<Target>,
    /// What runs once it has ended otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Target>,
    /// What runs once it is a dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_dead: Option<Target>,
    /// The jobs that follow one after another, each with the output of the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<Target>,
}

impl JobSpec {
    /// A job of this task, all else by default.
    pub fn new(task: TaskName) -> Self {
        Self {
            task,
            queue: None,
            lane: None,
            version: None,
            retries: None,
            backoff: None,
            retry_on: None,
            soft_timeout: None,
            timeout: None,
            tags: Vec::new(),
            headers: BTreeMap::new(),
            on_success: None,
            on_failure: None,
            on_dead: None,
            then: Vec::new(),
        }
    }

    /// The headers of the job, but for those that say where it comes from.
    pub(super) fn to_headers(&self) -> Headers {
        let mut headers: Headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                headers.push(name, value);
            }
        };
        put(header::VERSION, self.version.as_ref().map(ToString::to_string));
        put(header::RETRIES, self.retries.map(|retries| retries.to_string()));
        put(header::BACKOFF, self.backoff.as_ref().map(ToString::to_string));
        put(header::RETRY_ON, self.retry_on.map(|outcomes| outcomes.to_string()));
        put(header::SOFT_TIMEOUT, self.soft_timeout.map(crate::unit::format_span));
        put(header::TIMEOUT, self.timeout.map(crate::unit::format_span));
        put(header::ON_SUCCESS, self.on_success.as_ref().map(ToString::to_string));
        put(header::ON_FAILURE, self.on_failure.as_ref().map(ToString::to_string));
        put(header::ON_DEAD, self.on_dead.as_ref().map(ToString::to_string));
        for tag in &self.tags {
            headers.push(header::TAG, tag.clone());
        }
        headers
    }

    fn plain(&self) -> bool {
        *self == Self::new(self.task.clone())
    }

    fn targets(&self) -> impl Iterator<Item = &Target> {
        [&self.on_success, &self.on_failure, &self.on_dead].into_iter().flatten().chain(&self.then)
    }

    /// Checks all that its types do not say. `level` counts the jobs that this one is written into.
    fn check(&self, level: usize) -> Result<(), FlowError> {
        let bad = |reason: String| Err(FlowError(format!("task {}: {reason}", self.task)));
        if level > NESTING_MAX {
            return bad(format!("follow-ups are written into one another more than {NESTING_MAX} deep"));
        }
        if self.retries.is_some_and(|retries| retries >= ATTEMPTS_MAX) {
            return bad(format!("retries are more than {}", ATTEMPTS_MAX - 1));
        }
        if let (Some(soft), Some(hard)) = (self.soft_timeout, self.timeout)
            && soft >= hard
        {
            return bad("its soft timeout is not below its timeout".to_owned());
        }
        if [self.timeout, self.soft_timeout].into_iter().flatten().any(|timeout| timeout.is_zero()) {
            return bad("a timeout of 0 would stop the job before it starts".to_owned());
        }
        if self.tags.len() > TAGS_MAX || self.headers.len() > OWN_HEADERS_MAX {
            return bad(format!("more than {TAGS_MAX} tags or {OWN_HEADERS_MAX} headers"));
        }
        if let Some(tag) = self.tags.iter().find(|tag| tag.is_empty() || tag.len() > TAG_LENGTH_MAX || !one_line(tag)) {
            return bad(format!("a tag of {} bytes is not one line of 1 to {TAG_LENGTH_MAX}", tag.len()));
        }
        if let Some((name, _)) = self.headers.iter().find(|(name, value)| !own(name) || !one_line(value)) {
            let name: String = name.chars().take(60).collect();
            return bad(format!("header {name:?} is not one that a job may bring to a task"));
        }
        check_chain(&self.then)?;
        self.targets().try_for_each(|target| target.check(level + 1))
    }
}

fn one_line(text: &str) -> bool {
    !text.chars().any(char::is_control) && text.trim() == text
}

fn own(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_graphic() && b != b':';
    !name.is_empty()
        && name.len() <= 100
        && name.bytes().all(token)
        && !header::is_brokers(name)
        && !header::is_lovages(name)
        // the media type is that of the input
        && !name.eq_ignore_ascii_case(header::CONTENT_TYPE)
}

fn check_chain(then: &[Target]) -> Result<(), FlowError> {
    match then.len() {
        0..=CHAIN_MAX => Ok(()),
        length => Err(FlowError(format!("a chain of {length} more jobs is longer than {CHAIN_MAX}"))),
    }
}

impl Target {
    fn check(&self, level: usize) -> Result<(), FlowError> {
        match self {
            Self::Job(spec) => spec.check(level),
            Self::Webhook(_) => Ok(()),
        }
    }
}

fn check_size(text: &str) -> Result<(), FlowError> {
    match text.len() {
        0..=HEADER_BYTES_MAX => Ok(()),
        size => Err(FlowError(format!("{size} bytes of follow-ups are more than {HEADER_BYTES_MAX}"))),
    }
}

fn json_error(error: serde_json::Error) -> FlowError {
    FlowError(format!("not the JSON of a job such as {{\"task\":\"word-stats\",\"retries\":2}}: {error}"))
}

impl FromStr for Target {
    type Err = FlowError;
    fn from_str(text: &str) -> Result<Self, FlowError> {
        check_size(text)?;
        let target = match text.trim_start().starts_with('{') {
            true => serde_json::from_str(text).map_err(json_error)?,
            false => of_word(text)?,
        };
        Self::check(&target, 1)?;
        Ok(target)
    }
}

/// A target without braces: the name of a task or a URL.
fn of_word(text: &str) -> Result<Target, FlowError> {
    if text.contains(':') || text.contains('/') {
        return text.parse().map(Target::Webhook);
    }
    let task: TaskName = text.parse().map_err(|error: crate::name::NameError| {
        FlowError(format!("{error}; give a task, a job as JSON, or the http(s) URL of a webhook"))
    })?;
    Ok(Target::Job(Box::new(JobSpec::new(task))))
}

impl fmt::Display for Target {
    /// As in a header: one line of ASCII.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(url) => f.write_str(url.as_str()),
            Self::Job(spec) if spec.plain() => f.write_str(spec.task.as_str()),
            Self::Job(spec) => f.write_str(&ascii_json(spec)),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Webhook(url) => serializer.serialize_str(url.as_str()),
            Self::Job(spec) if spec.plain() => serializer.serialize_str(spec.task.as_str()),
            Self::Job(spec) => spec.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Target;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a task, a job as an object, or the URL of a webhook")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Target, E> {
                of_word(text).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Target, A::Error> {
                JobSpec::deserialize(MapAccessDeserializer::new(map)).map(|spec| Target::Job(Box::new(spec)))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Reads the rest of a chain: a JSON list of tasks, jobs or URLs, or one of them alone.
pub fn chain_from_text(text: &str) -> Result<Vec<Target>, FlowError> {
    check_size(text)?;
    if !text.trim_start().starts_with('[') {
        return text.parse().map(|target| vec![target]);
    }
    let then: Vec<Target> = serde_json::from_str(text).map_err(json_error)?;
    check_chain(&then)?;
    then.iter().try_for_each(|target| target.check(1))?;
    Ok(then)
}

/// Writes the rest of a chain as one line of ASCII.
pub fn chain_to_text(then: &[Target]) -> String {
    ascii_json(&then)
}

/// An optional value that has a text.
mod text_option {
    use super::*;

    pub(super) fn serialize<S: Serializer>(value: &Option<VersionRef>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(ToString::to_string).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<VersionRef>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

impl JobSpec {
    /// Reads one spec: the name of a task or JSON; a URL is none.
    pub fn from_text(text: &str) -> Result<Self, FlowError> {
        match text.parse()? {
            Target::Job(spec) => Ok(*spec),
            Target::Webhook(url) => Err(FlowError(format!("{url} is a webhook, where a task is wanted"))),
        }
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;

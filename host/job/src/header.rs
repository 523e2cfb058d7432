//! Message headers: their names, and a small ordered map that is not tied to a NATS library.

/// The publisher's job id.
pub const ID: &str = "Lovage-Id";
/// The version, alias or digest to run.
pub const VERSION: &str = "Lovage-Version";
/// Further attempts after the first one.
pub const RETRIES: &str = "Lovage-Retries";
/// The back-off between attempts.
pub const BACKOFF: &str = "Lovage-Backoff";
/// The longest wall time of an attempt.
pub const TIMEOUT: &str = "Lovage-Timeout";
/// When the job is no longer worth starting: a time, or a span from when it was published.
pub const EXPIRES: &str = "Lovage-Expires";
/// How an attempt must have ended to be tried again: names of outcomes, such as `failed,timed-out`.
pub const RETRY_ON: &str = "Lovage-Retry-On";
/// When an attempt is asked to stop, before it is stopped.
pub const SOFT_TIMEOUT: &str = "Lovage-Soft-Timeout";
/// What limits per key count by, such as a customer.
pub const LIMIT_KEY: &str = "Lovage-Limit-Key";
/// What runs once the job has completed: a task, a job as JSON, or the URL of a webhook.
pub const ON_SUCCESS: &str = "Lovage-On-Success";
/// What runs once the job has ended without completing.
pub const ON_FAILURE: &str = "Lovage-On-Failure";
/// What runs once the job has become a dead letter.
pub const ON_DEAD: &str = "Lovage-On-Dead";
/// The rest of a chain as JSON: the jobs that follow one after another, each with the output of the one before.
pub const THEN: &str = "Lovage-Then";
/// A label that the result carries; may occur several times.
pub const TAG: &str = "Lovage-Tag";
/// A subject that gets the outcome by core NATS.
pub const REPLY: &str = "Lovage-Reply";
/// The object that holds the payload, where it is too large for a message.
pub const PAYLOAD: &str = "Lovage-Payload";
/// The publisher's trace context.
pub const TRACE_PARENT: &str = "traceparent";
/// The media type of the payload.
pub const CONTENT_TYPE: &str = "Content-Type";

/// Which attempt this is; set by workers on retries.
pub const ATTEMPT: &str = "Lovage-Attempt";
/// The component that earlier attempts ran; set by workers on retries.
pub const DIGEST: &str = "Lovage-Digest";
/// What earlier attempts came to; set by workers on retries.
pub const TRAIL: &str = "Lovage-Trail";
/// When the job was published, in Unix milliseconds; set by workers on retries.
pub const PUBLISHED: &str = "Lovage-Published";

/// How often the job was put back: for another attempt, by a snooze, or to wait for a limit. Set by workers.
pub const ROUND: &str = "Lovage-Round";
/// How many workers died while they ran the job; set by workers.
pub const CRASHES: &str = "Lovage-Crashes";
/// The rate limits that have a place for the job already; set by workers.
pub const RESERVED: &str = "Lovage-Reserved";

/// The dead letter that the job was replayed from, by its place in their stream.
pub const REPLAY: &str = "Lovage-Replay";
/// The job that submitted this one.
pub const PARENT: &str = "Lovage-Parent";
/// How many jobs led to this one, one by another: parents and callbacks.
pub const DEPTH: &str = "Lovage-Depth";
/// The group that the job is a member of, and its place in it: `<group>/<index>`.
pub const GROUP: &str = "Lovage-Group";
/// The schedule that the job is a run of.
pub const SCHEDULE: &str = "Lovage-Schedule";
/// The tick of the schedule that the job is the run of, in Unix milliseconds.
pub const SLOT: &str = "Lovage-Slot";

/// How the job ended; on results, dead letters and replies.
pub const OUTCOME: &str = "Lovage-Outcome";
/// The error as JSON; on results and dead letters.
pub const ERROR: &str = "Lovage-Error";
/// The record of the result as JSON; on results.
pub const RECORD: &str = "Lovage-Record";
/// The subject that the job was published to; on dead letters.
pub const SUBJECT: &str = "Lovage-Subject";
/// When the job was buried, in Unix milliseconds; on dead letters.
pub const BURIED: &str = "Lovage-Buried";

/// Every header that a publisher may set.
pub const FROM_PUBLISHERS: [&str; 16] = [
    ID,
    VERSION,
    RETRIES,
    BACKOFF,
    RETRY_ON,
    TIMEOUT,
    SOFT_TIMEOUT,
    EXPIRES,
    LIMIT_KEY,
    TAG,
    REPLY,
    PAYLOAD,
    ON_SUCCESS,
    ON_FAILURE,
    ON_DEAD,
    THEN,
];
/// Every header that only workers set on jobs: the state of a job's attempts.
pub const FROM_WORKERS: [&str; 8] = [ATTEMPT, DIGEST, TRAIL, PUBLISHED, ROUND, RESERVED, CRASHES, REPLAY];
/// Where a job comes from; set by whoever submits it for another job, a group or a schedule, and kept by a replay.
pub const LINEAGE: [&str; 5] = [PARENT, DEPTH, GROUP, SCHEDULE, SLOT];

/// The broker's own headers, which never reach a guest.
pub fn is_brokers(name: &str) -> bool {
    name.get(..5).is_some_and(|prefix| prefix.eq_ignore_ascii_case("nats-"))
}

/// Headers that speak to Lovage.
pub fn is_lovages(name: &str) -> bool {
    name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("lovage-"))
}

/// Headers in the order they came; a name may occur several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value under a name, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every value under a name, in any case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Adds a value.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Adds a value in place of those that are under the name.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.push(name, value);
    }

    /// Removes every value under a name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// How many bytes the headers take in a message, about.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum()
    }

    /// Every header in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        Self(headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

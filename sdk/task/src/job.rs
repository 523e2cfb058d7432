//! What a task may know about the job it runs.

use std::time::{Duration, SystemTime};

/// The job that is being run. A task that wants it takes `&Job` as its first argument.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// Unique within the tenant, and the same in every attempt: a good key for idempotent effects.
    pub id: String,
    /// The name of the task as it was published.
    pub task: String,
    /// The queue the job came from.
    pub queue: String,
    /// Counts from 1.
    pub attempt: u32,
    /// The attempt after which the job is buried.
    pub attempts_max: u32,
    /// When the attempt is stopped.
    pub deadline: SystemTime,
    /// The media type of the input, where the publisher gave one.
    pub content_type: Option<String>,
    /// The publisher's own headers, in order. Those of the broker and of Lovage are not among them.
    pub headers: Vec<(String, String)>,
}

impl Job {
    /// Makes a first attempt out of five with 30 seconds left, for native tests of tasks that take a `&Job`.
    pub fn sample(task: &str) -> Self {
        Self {
            id: "sample".into(),
            task: task.into(),
            queue: "default".into(),
            attempt: 1,
            attempts_max: 5,
            deadline: SystemTime::now() + Duration::from_secs(30),
            content_type: None,
            headers: Vec::new(),
        }
    }

    /// Adds a header, for native tests.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Gives the first header of this name; case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Gives the time left until the attempt is stopped; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.duration_since(SystemTime::now()).unwrap_or_default()
    }

    /// Tells whether no attempt follows this one.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.attempts_max
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::Job;

    #[test]
    fn headers_are_found_whatever_their_case() {
        let job = Job::sample("t").with_header("Thumbnail-Max", "64").with_header("thumbnail-max", "32");
        assert_eq!(job.header("THUMBNAIL-MAX"), Some("64"));
        assert_eq!(job.header("absent"), None);
    }

    #[test]
    fn nothing_remains_past_the_deadline() {
        let mut job = Job::sample("t");
        assert!(job.remaining() > Duration::from_secs(20));
        job.deadline = SystemTime::UNIX_EPOCH;
        assert_eq!(job.remaining(), Duration::ZERO);
    }

    #[test]
    fn last_attempt_is_known() {
        let mut job = Job::sample("t");
        assert!(!job.is_last_attempt());
        job.attempt = 5;
        assert!(job.is_last_attempt());
    }
}

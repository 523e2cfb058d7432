//! How a task fails. The constructor an author picks decides what happens to the job.

use std::error::Error;
use std::fmt::{self, Display};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// A failed attempt: what to do about it, a message for people and optional details for programs.
///
/// Any [`std::error::Error`] converts into [`TaskError::retry`], so `?` works on most things. That is why this
/// type does not implement `std::error::Error` itself.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskError {
    kind: ErrorKind,
    message: String,
    details: Option<Value>,
}

/// What Lovage does about a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Try again after the task's back-off, while attempts are left.
    Retry,
    /// Try again, but not before this much time has passed.
    RetryAfter(Duration),
    /// Put the job off for this much time, which costs no attempt.
    Snooze(Duration),
    /// Bury the job: no attempt will succeed.
    Permanent,
    /// Bury the job: the input is not what the task takes.
    BadInput,
}

impl TaskError {
    /// Fails an attempt that may succeed later.
    pub fn retry(message: impl Display) -> Self {
        Self::new(ErrorKind::Retry, message)
    }

    /// Fails an attempt that may succeed once `delay` has passed, rounded up to milliseconds.
    pub fn retry_after(delay: Duration, message: impl Display) -> Self {
        Self::new(ErrorKind::RetryAfter(delay), message)
    }

    /// Puts the job off: it is run again once `delay` has passed, and this attempt does not count. For waiting, as
    /// often as it takes, for something that is not there yet; from 250 ms to 30 days.
    pub fn snooze(delay: Duration, message: impl Display) -> Self {
        Self::new(ErrorKind::Snooze(delay), message)
    }

    /// Fails a job that will never succeed.
    pub fn permanent(message: impl Display) -> Self {
        Self::new(ErrorKind::Permanent, message)
    }

    /// Fails a job whose input is not what the task takes.
    pub fn bad_input(message: impl Display) -> Self {
        Self::new(ErrorKind::BadInput, message)
    }

    /// Adds details for programs. What cannot be written as JSON becomes a string that says so.
    #[must_use]
    pub fn with_details(mut self, details: impl Serialize) -> Self {
        let details = serde_json::to_value(details);
        self.details = Some(details.unwrap_or_else(|error| Value::String(format!("details are not JSON: {error}"))));
        self
    }

    /// Gives what Lovage does about this error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Gives the message for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Gives the details for programs.
    pub fn details(&self) -> Option<&Value> {
        self.details.as_ref()
    }

    fn new(kind: ErrorKind, message: impl Display) -> Self {
        Self { kind, message: message.to_string(), details: None }
    }
}

impl Display for TaskError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl<E: Error> From<E> for TaskError {
    /// Makes a retryable error of `error` and its sources.
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Many errors repeat their source in their own message.
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        Self::retry(message)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ErrorKind, TaskError};

    #[test]
    fn constructor_decides_the_kind() {
        assert_eq!(TaskError::retry("a").kind(), ErrorKind::Retry);
        assert_eq!(TaskError::permanent("a").kind(), ErrorKind::Permanent);
        assert_eq!(TaskError::bad_input("a").kind(), ErrorKind::BadInput);
        let delay = Duration::from_secs(3);
        assert_eq!(TaskError::retry_after(delay, "a").kind(), ErrorKind::RetryAfter(delay));
    }

    #[test]
    fn standard_error_becomes_a_retry_through_the_question_mark() {
        fn fails() -> Result<u8, TaskError> {
            Ok("300".parse::<u8>()?)
        }
        let error = fails().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry);
        assert_eq!(error.message(), "number too large to fit in target type");
    }

    #[test]
    fn sources_of_an_error_are_told_once() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl std::fmt::Display for Outer {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("reading the count")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = TaskError::from(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(error.message(), "reading the count: invalid digit found in string");
    }

    #[test]
    fn details_are_json() {
        let error = TaskError::permanent("no").with_details([1, 2]);
        assert_eq!(error.details().unwrap().to_string(), "[1,2]");
    }
}

//! Tasks that give back what they were given.

use std::time::UNIX_EPOCH;

use lovage_task::{Bytes, Job, payload, task};

/// Gives back its input as it came, with its media type.
#[task]
fn echo(input: Bytes) -> Bytes {
    input
}

#[payload]
struct Seen {
    id: String,
    task: String,
    queue: String,
    attempt: u32,
    attempts_max: u32,
    deadline_ms: u64,
    remaining_ms: u64,
    content_type: Option<String>,
    headers: Vec<(String, String)>,
    /// The arguments and environment of the program, which a task should find empty.
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    input_bytes: usize,
}

/// Gives back everything a task can see of its job and its surroundings.
#[task]
fn context(job: &Job, input: Bytes) -> Seen {
    Seen {
        id: job.id.clone(),
        task: job.task.clone(),
        queue: job.queue.clone(),
        attempt: job.attempt,
        attempts_max: job.attempts_max,
        deadline_ms: job.deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64,
        remaining_ms: job.remaining().as_millis() as u64,
        content_type: job.content_type.clone(),
        headers: job.headers.clone(),
        arguments: std::env::args().collect(),
        environment: std::env::vars().collect(),
        input_bytes: input.len(),
    }
}

#[cfg(test)]
mod tests {
    use lovage_task::{Bytes, Job};

    use super::context;

    #[test]
    fn job_is_given_back() {
        let seen = context(&Job::sample("context").with_header("Colour", "blue"), Bytes::new("12345"));
        assert_eq!((seen.id.as_str(), seen.attempt, seen.input_bytes), ("sample", 1, 5));
        assert_eq!(seen.headers, [("Colour".to_owned(), "blue".to_owned())]);
    }
}

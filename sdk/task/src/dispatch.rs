//! Finds the task that a job names and runs it. Knows no bindings, so that it is tested natively.

use crate::payload::Reply;
use crate::registered::Task;
use crate::{Job, TaskError};

/// Runs one attempt with the task the job names.
///
/// A component with one task runs it under whatever name it was published; with several, the name decides.
pub(crate) fn handle(tasks: &[&'static Task], job: &Job, input: Vec<u8>) -> Result<Reply, TaskError> {
    let task = match tasks {
        [only] => only,
        several => several.iter().find(|task| task.name == job.task).ok_or_else(|| unknown_task(several, &job.task))?,
    };
    (task.run)(job, input)
}

fn unknown_task(tasks: &[&'static Task], name: &str) -> TaskError {
    let known: Vec<&str> = tasks.iter().map(|task| task.name).collect();
    let listed = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    TaskError::permanent(format!("this component has no task `{name}`; its tasks are: {listed}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::handle;
    use crate::payload::{Form, Reply};
    use crate::registered::{Defaults, tasks};
    use crate::{Bytes, ErrorKind, Job, TaskError, payload, task};

    #[payload]
    struct Order {
        items: Vec<Item>,
    }

    #[payload]
    struct Item {
        /// How many.
        count: u32,
    }

    /// Adds up the items.
    #[task(timeout = "5s", soft_timeout = "4s", attempts = 3, fuel = "2M", memory = "16MiB")]
    fn add_up(order: Order) -> Result<u64, TaskError> {
        Ok(order.items.iter().map(|item| u64::from(item.count)).sum())
    }

    #[task(name = "shout")]
    fn upper(job: &Job, text: Bytes) -> Bytes {
        Bytes::new(text.to_ascii_uppercase()).with_content_type(job.content_type.clone().unwrap_or_default())
    }

    #[task]
    fn nothing() {}

    #[task]
    fn parse(text: String) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }

    fn run(task: &str, input: &str) -> Result<Reply, TaskError> {
        handle(&tasks(), &Job::sample(task), input.into())
    }

    #[test]
    fn json_goes_in_and_out() {
        let reply = run("add-up", r#"{"items": [{"count": 2}, {"count": 3}]}"#).unwrap();
        assert_eq!((reply.body.as_slice(), reply.content_type.as_str()), (&b"5"[..], "application/json"));
    }

    #[test]
    fn bytes_keep_their_media_type() {
        let mut job = Job::sample("shout");
        job.content_type = Some("text/plain".into());
        let reply = handle(&tasks(), &job, b"hi\xff".to_vec()).unwrap();
        assert_eq!((reply.body.as_slice(), reply.content_type.as_str()), (&b"HI\xff"[..], "text/plain"));
    }

    #[test]
    fn task_without_input_takes_an_empty_body() {
        assert_eq!(run("nothing", "").unwrap().body, b"null");
        assert_eq!(run("nothing", "null").unwrap().body, b"null");
    }

    #[test]
    fn faulty_json_is_bad_input_that_says_where() {
        let error = run("add-up", r#"{"items": [{"count": 2}, {"count": -3}]}"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadInput);
        assert!(error.message().starts_with("input at `items[1].count`: invalid value: integer `-3`"), "{error}");
        assert_eq!(error.details().unwrap()["path"], json!("items[1].count"));
    }

    #[test]
    fn missing_malformed_empty_and_trailing_json_are_bad_input() {
        for (input, reason) in [
            ("{}", "missing field `items`"),
            ("{", "EOF while parsing"),
            ("", "input is empty; the task takes JSON"),
            (r#"{"items": []} x"#, "trailing characters"),
        ] {
            let error = run("add-up", input).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadInput, "{input}");
            assert!(error.message().contains(reason), "{input}: {error}");
        }
    }

    #[test]
    fn error_of_the_task_is_converted() {
        let error = run("parse", r#""x""#).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Retry, "invalid digit found in string"));
    }

    #[test]
    fn unknown_task_is_permanent_and_names_the_known_ones() {
        let error = run("absent", "").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert_eq!(
            error.message(),
            "this component has no task `absent`; its tasks are: add-up, nothing, parse, shout"
        );
    }

    #[test]
    fn only_task_runs_under_any_name() {
        let only: Vec<_> = tasks().into_iter().filter(|task| task.name == "nothing").collect();
        assert!(handle(&only, &Job::sample("renamed"), Vec::new()).is_ok());
    }

    #[test]
    fn tasks_are_described_with_schemas_and_defaults() {
        let tasks = tasks();
        let add_up = tasks.iter().find(|task| task.name == "add-up").unwrap();
        assert_eq!(add_up.summary, Some("Adds up the items."));
        let expected = Defaults {
            attempts_max: Some(3),
            timeout_ms: Some(5_000),
            soft_timeout_ms: Some(4_000),
            fuel: Some(2_000_000),
            memory_bytes: Some(16 << 20),
        };
        assert_eq!(add_up.defaults, expected);
        let Form::Json(schema) = (add_up.input)() else { panic!("input is JSON") };
        let schema: Value = serde_json::from_str(&schema).unwrap();
        assert_eq!(schema["required"], json!(["items"]));
        assert_eq!(schema["$defs"]["Item"]["properties"]["count"]["description"], json!("How many."));
        let shout = tasks.iter().find(|task| task.name == "shout").unwrap();
        assert_eq!(((shout.input)(), (shout.output)()), (Form::Bytes, Form::Bytes));
    }
}

//! How inputs are read and outputs written: JSON for types with serde and a schema, anything else as [`Bytes`].

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Bytes, Job, TaskError};

const JSON_TYPE: &str = "application/json";

/// How a payload is read, and its JSON Schema where it is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// JSON that fits this schema, itself JSON text.
    Json(String),
    /// Bytes as they are.
    Bytes,
}

/// What goes back to the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: String,
}

/// A type that a task can take: one with `#[payload]`, or [`Bytes`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the input of a task",
    note = "put `#[payload]` on the type, or take `lovage_task::Bytes`"
)]
pub trait TaskInput: Sized {
    /// Gives the form and schema of the input; called only when the component is described.
    fn form() -> Form;

    /// Reads the input of a job; a faulty one is a bad-input error that says where.
    fn decode(job: &Job, body: Vec<u8>) -> Result<Self, TaskError>;
}

/// A type that a task can return: one with `#[payload]`, or [`Bytes`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the output of a task",
    note = "put `#[payload]` on the type, or return `lovage_task::Bytes`"
)]
pub trait TaskOutput {
    /// Gives the form and schema of the output; called only when the component is described.
    fn form() -> Form;

    /// Writes the output; a value that cannot be JSON is a permanent error.
    fn encode(self) -> Result<Reply, TaskError>;
}

/// The `Result` a task function returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a task returns",
    note = "a task returns `Result<T, E>` where `T` has `#[payload]` or is `lovage_task::Bytes`, and `E: Into<TaskError>`"
)]
pub trait Fallible {
    /// Gives the form and schema of the success.
    fn form() -> Form;

    /// Writes the success, or turns the error into a [`TaskError`].
    fn encode(self) -> Result<Reply, TaskError>;
}

impl<T: DeserializeOwned + JsonSchema> TaskInput for T {
    fn form() -> Form {
        Form::Json(schema_of::<T>(SchemaSettings::default().for_deserialize()))
    }

    fn decode(_: &Job, body: Vec<u8>) -> Result<Self, TaskError> {
        // A publisher that sends nothing means null, so that tasks without input need no body.
        let text: &[u8] = if body.is_empty() { b"null" } else { &body };
        let mut json = serde_json::Deserializer::from_slice(text);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            bad_json(error.inner(), &path, body.is_empty())
        })?;
        json.end().map_err(|error| bad_json(&error, ".", false))?;
        Ok(value)
    }
}

impl TaskInput for Bytes {
    fn form() -> Form {
        Form::Bytes
    }

    fn decode(job: &Job, body: Vec<u8>) -> Result<Self, TaskError> {
        let bytes = Self::new(body);
        Ok(match &job.content_type {
            Some(content_type) => bytes.with_content_type(content_type),
            None => bytes,
        })
    }
}

impl<T: Serialize + JsonSchema> TaskOutput for T {
    fn form() -> Form {
        Form::Json(schema_of::<T>(SchemaSettings::default().for_serialize()))
    }

    fn encode(self) -> Result<Reply, TaskError> {
        let body =
            serde_json::to_vec(&self).map_err(|error| TaskError::permanent(format!("output is not JSON: {error}")))?;
        Ok(Reply { body, content_type: JSON_TYPE.into() })
    }
}

impl TaskOutput for Bytes {
    fn form() -> Form {
        Form::Bytes
    }

    fn encode(self) -> Result<Reply, TaskError> {
        let (body, content_type) = self.into_parts();
        Ok(Reply { body, content_type })
    }
}

impl<T: TaskOutput, E: Into<TaskError>> Fallible for Result<T, E> {
    fn form() -> Form {
        T::form()
    }

    fn encode(self) -> Result<Reply, TaskError> {
        self.map_err(Into::into)?.encode()
    }
}

fn schema_of<T: JsonSchema + ?Sized>(settings: SchemaSettings) -> String {
    settings.into_generator().into_root_schema_for::<T>().as_value().to_string()
}

fn bad_json(error: &serde_json::Error, path: &str, empty: bool) -> TaskError {
    let message = match (empty, path) {
        (true, _) => "input is empty; the task takes JSON".to_owned(),
        (false, ".") => format!("input: {error}"),
        (false, path) => format!("input at `{path}`: {error}"),
    };
    TaskError::bad_input(message).with_details(serde_json::json!({
        "path": path,
        "line": error.line(),
        "column": error.column(),
    }))
}

//! Asks an SDK component which tasks it has, and checks the answer: the author of a component may be hostile.

use crate::attempt::cell::Cell;
use crate::attempt::ending::Fault;
use crate::attempt::run::{self, Guest};
use crate::bindings::{Description, Encoding as GuestEncoding, TaskPre};
use crate::cache::artifact::ArtifactPath;
use crate::load::LoadError;
use crate::sandbox::Sandbox;
use lovage_job::catalog::{BodyType, Encoding, Entry, Export, Shape};
use lovage_job::limits::{Limits, LimitsWish};
use lovage_job::name::{NameError, TaskName};
use lovage_job::outcome::Outcome;
use lovage_job::unit::ByteSize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Store;

/// The most tasks of one component.
const TASKS_MAX: usize = 256;
/// The largest schema.
const SCHEMA_BYTES_MAX: usize = 64 << 10;
/// The longest summary.
const SUMMARY_BYTES_MAX: usize = 1024;

/// Why a component's tasks are not known.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The component cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The component ran and failed.
    #[error("the component fails when it is asked for its tasks ({}): {message}", .outcome.kind())]
    Failed {
        /// How it ended.
        outcome: Box<Outcome>,
        /// What went wrong.
        message: String,
    },
    /// No task at all.
    #[error("the component describes no task")]
    NoTasks,
    /// Too many tasks.
    #[error("the component describes {count} tasks, and at most {TASKS_MAX} are taken")]
    TooManyTasks {
        /// How many.
        count: usize,
    },
    /// A name that no task can have.
    #[error("the component describes a task with a bad name: {0}")]
    Name(#[from] NameError),
    /// A name twice.
    #[error("the component describes the task {name} twice")]
    Duplicate {
        /// The name.
        name: TaskName,
    },
    /// A schema that is none.
    #[error("the {side} schema of the task {name} {problem}")]
    Schema {
        /// The task.
        name: TaskName,
        /// `input` or `output`.
        side: &'static str,
        /// What is wrong.
        problem: String,
    },
}

impl Sandbox {
    /// The tasks of an SDK component, by running its `describe` under `limits`.
    pub async fn describe(&self, artifact: &ArtifactPath, limits: &Limits) -> Result<Vec<Export>, DescribeError> {
        let loaded = self.component(artifact)?;
        let pre = TaskPre::new(loaded.pre.clone());
        let pre = pre.map_err(|error| LoadError::Entry { shape: Shape::Handler, message: format!("{error:#}") })?;
        let described = run::ask(&self.0, &Arc::new(limits.clone()), DescribeCall(&pre)).await;
        checked(described.map_err(|outcome| {
            let message = outcome.error().map(|error| error.message).unwrap_or_default();
            DescribeError::Failed { outcome: Box::new(outcome), message }
        })?)
    }
}

struct DescribeCall<'t>(&'t TaskPre<Cell>);

impl Guest for DescribeCall<'_> {
    type Answer = Vec<Description>;
    async fn call(self, store: &mut Store<Cell>) -> Result<Vec<Description>, Fault> {
        let instance = self.0.instantiate_async(&mut *store).await.map_err(Fault::Instantiate)?;
        instance.lovage_task_handler().call_describe(&mut *store).await.map_err(Fault::Call)
    }
}

fn checked(descriptions: Vec<Description>) -> Result<Vec<Export>, DescribeError> {
    match descriptions.len() {
        0 => return Err(DescribeError::NoTasks),
        count if count > TASKS_MAX => return Err(DescribeError::TooManyTasks { count }),
        _ => {}
    }
    let mut names = BTreeSet::new();
    descriptions.into_iter().map(|description| export(description, &mut names)).collect()
}

fn export(description: Description, names: &mut BTreeSet<TaskName>) -> Result<Export, DescribeError> {
    let Description { name, summary, input, input_schema, output, output_schema, defaults } = description;
    let task: TaskName = name.parse()?;
    if !names.insert(task.clone()) {
        return Err(DescribeError::Duplicate { name: task });
    }
    let input = body(&task, "input", input, input_schema)?;
    let output = body(&task, "output", output, output_schema)?;
    let summary = summary.map(|text| crate::attempt::journal::clipped(&text, SUMMARY_BYTES_MAX).to_owned());
    let limits = LimitsWish {
        fuel: defaults.fuel,
        memory: defaults.memory_bytes.map(ByteSize),
        timeout: defaults.timeout_ms.map(Duration::from_millis),
        soft_timeout: defaults.soft_timeout_ms.map(Duration::from_millis),
        ..LimitsWish::default()
    };
    Ok(Export {
        name: task,
        entry: Entry::Handler { name },
        summary,
        input,
        output,
        limits,
        attempts_max: defaults.attempts_max,
    })
}

fn body(
    name: &TaskName,
    side: &'static str,
    encoding: GuestEncoding,
    schema: Option<String>,
) -> Result<BodyType, DescribeError> {
    let problem = |problem: String| DescribeError::Schema { name: name.clone(), side, problem };
    let schema = match schema {
        None => None,
        Some(text) if text.len() > SCHEMA_BYTES_MAX => {
            return Err(problem(format!("has {} bytes, and at most {SCHEMA_BYTES_MAX} are taken", text.len())));
        }
        Some(text) => {
            let schema: serde_json::Value =
                serde_json::from_str(&text).map_err(|error| problem(format!("is not JSON: {error}")))?;
            if !schema.is_object() && !schema.is_boolean() {
                return Err(problem("is neither an object nor a boolean".to_owned()));
            }
            Some(schema)
        }
    };
    let encoding = match encoding {
        GuestEncoding::Json => Encoding::Json,
        GuestEncoding::Bytes => Encoding::Bytes,
    };
    Ok(BodyType { encoding, schema })
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;

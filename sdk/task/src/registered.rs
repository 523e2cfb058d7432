//! The tasks of a component, gathered from wherever `#[task]` stands.

use crate::payload::{Form, Reply};
use crate::{Job, TaskError};

/// One task as the macro registers it.
#[derive(Debug)]
pub struct Task {
    pub name: &'static str,
    pub summary: Option<&'static str>,
    pub defaults: Defaults,
    /// Builds the schema, so it is called only when the component is described.
    pub input: fn() -> Form,
    /// Builds the schema, so it is called only when the component is described.
    pub output: fn() -> Form,
    pub run: fn(&Job, Vec<u8>) -> Result<Reply, TaskError>,
}

/// What the author asks for; the operator's ceiling is never passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Defaults {
    pub attempts_max: Option<u32>,
    pub timeout_ms: Option<u64>,
    pub soft_timeout_ms: Option<u64>,
    pub fuel: Option<u64>,
    pub memory_bytes: Option<u64>,
}

inventory::collect!(Task);

/// Gives the tasks by name; the order of registration is the linker's.
#[cfg(any(test, target_family = "wasm"))]
pub(crate) fn tasks() -> Vec<&'static Task> {
    let mut tasks: Vec<_> = inventory::iter::<Task>.into_iter().collect();
    tasks.sort_by_key(|task| task.name);
    tasks
}

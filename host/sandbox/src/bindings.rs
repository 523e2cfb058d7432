//! The contract of `wit/task.wit`, as Rust types.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "lovage:task/task",
    imports: {
        "lovage:task/jobs.submit": async | trappable,
        "lovage:task/jobs.submit-group": async | trappable,
        "lovage:task/checkpoint.save": async | trappable,
        "lovage:task/checkpoint.load": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

pub(crate) use exports::lovage::task::handler::{Description, Job};
pub(crate) use lovage::task::types::{Encoding, Error as TaskError, Failure as TaskFailure};
pub(crate) use lovage::task::{checkpoint, job_context, jobs, types};

//! What a loaded entry calls, decided once when it is loaded.

use crate::attempt::cell::Cell;
use crate::attempt::ending::Fault;
use crate::attempt::pipe::ResultPipe;
use crate::attempt::request::AttemptRequest;
use crate::bindings::TaskPre;
use crate::shape::function::FunctionCallee;
use crate::shape::{command, function, handler, http};
use lovage_job::catalog::Shape;
use lovage_job::outcome::Outcome;
use wasmtime::Store;
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// The export that a task calls.
pub(crate) enum Callee {
    /// `lovage:task/handler`; `task` is the name that the component itself gives the task.
    Handler { pre: TaskPre<Cell>, task: String },
    /// `wasi:http/incoming-handler`.
    Http(ProxyPre<Cell>),
    /// `wasi:cli/run`.
    Command(CommandPre<Cell>),
    /// A plain function.
    Function(FunctionCallee),
}

/// One call.
pub(crate) struct Call {
    pub(crate) request: AttemptRequest,
    /// Where a program's standard output goes.
    pub(crate) result: Option<ResultPipe>,
}

impl Callee {
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Self::Handler { .. } => Shape::Handler,
            Self::Http(_) => Shape::Http,
            Self::Command(_) => Shape::Command,
            Self::Function(_) => Shape::Function,
        }
    }

    /// True where the payload goes to standard input and the result comes from standard output.
    pub(crate) fn wants_result_pipe(&self) -> bool {
        matches!(self, Self::Command(_))
    }

    pub(crate) async fn call(&self, store: &mut Store<Cell>, call: Call) -> Result<Outcome, Fault> {
        match self {
            Self::Handler { pre, task } => handler::call(pre, task, store, call.request).await,
            Self::Http(pre) => http::call(pre, store, call.request).await,
            Self::Command(pre) => command::call(pre, store, call).await,
            Self::Function(callee) => function::call(callee, store, call.request).await,
        }
    }
}

//! Why bytes are not a component that can be a task. Each message says what to do.

use lovage_job::catalog::Shape;

/// Why bytes are refused. Always the fault of whoever pushes them; trying the same bytes again is useless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// No bytes.
    #[error("the file is empty")]
    Empty,
    /// Something else than WebAssembly.
    #[error("the file is not WebAssembly: it {found}")]
    NotWasm {
        /// What it looks like and what to do.
        found: String,
    },
    /// Machine code.
    #[error(
        "the file is compiled machine code, which is never accepted; push the WebAssembly component it was made from"
    )]
    Precompiled,
    /// The end is missing.
    #[error("the file ends too early, at byte {size}: {message}; copy or build it again")]
    Truncated {
        /// Its size.
        size: usize,
        /// What was expected.
        message: String,
    },
    /// Not valid WebAssembly, or with features that are off.
    #[error("the file is not valid WebAssembly: {message}")]
    Invalid {
        /// What is wrong, and where.
        message: String,
    },
    /// Larger than allowed.
    #[error(
        "the component has {size} bytes, and at most {limit} are taken; strip debug information or build it for size"
    )]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// More functions than allowed.
    #[error("the component has {count} functions, and at most {limit} are taken")]
    TooManyFunctions {
        /// How many, as far as they were counted.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// A function larger than allowed.
    #[error("function {index} of the component has {size} bytes, and at most {limit} are taken; split it")]
    FunctionTooLarge {
        /// Which, counted over all modules.
        index: u64,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A function with more locals than allowed.
    #[error("function {index} of the component has {count} local variables, and at most {limit} are taken; split it")]
    TooManyLocals {
        /// Which, counted over all modules.
        index: u64,
        /// How many.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// Modules in components in components.
    #[error("components are nested more than {limit} deep")]
    NestedTooDeep {
        /// The limit.
        limit: usize,
    },
    /// A core module that imports something else than WASI preview 1.
    #[error(
        "the module imports {name:?} from {module:?}, which no task gets; build it for wasm32-wasip2, or without that import"
    )]
    UnknownModuleImport {
        /// From where.
        module: String,
        /// What.
        name: String,
    },
    /// A core module that does not become a component.
    #[error("the core module cannot be made a component: {message}; build it for wasm32-wasip2")]
    NotAdaptable {
        /// Why.
        message: String,
    },
    /// A component that imports what no task gets.
    #[error("the component imports {name:?}, which no task gets; {hint}")]
    UnknownImport {
        /// What.
        name: String,
        /// What to do.
        hint: String,
    },
    /// A component of the next WASI.
    #[error(
        "the component imports or exports {name:?}, and WASI 0.3 is not supported yet; build it for WASI 0.2 (target wasm32-wasip2)"
    )]
    Wasi03 {
        /// What.
        name: String,
    },
    /// Nothing that can be called.
    #[error("the component exports nothing that can be a task{}; a task exports lovage:task/handler, wasi:http/incoming-handler, wasi:cli/run or a function of plain types", list(.found))]
    NoRunnableExport {
        /// What it exports.
        found: Vec<String>,
    },
    /// Nothing of the shape that was asked for.
    #[error("the component is not of the shape {shape}{}", list(.found))]
    ShapeMissing {
        /// The shape that was asked for.
        shape: Shape,
        /// What it exports.
        found: Vec<String>,
    },
}

fn list(found: &[String]) -> String {
    match found {
        [] => " (it has no exports)".to_owned(),
        found => format!(" (it exports {})", found.join(", ")),
    }
}

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
    #[error("the file is not valid WebAssembly: {}", short(.message))]
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
        "the module imports {:?} from {:?}, which no task gets; build it for wasm32-wasip2, or without that import",
        short(.name),
        short(.module)
    )]
    UnknownModuleImport {
        /// From where.
        module: String,
        /// What.
        name: String,
    },
    /// A core module that does not become a component.
    #[error("the core module cannot be made a component: {}; build it for wasm32-wasip2", short(.message))]
    NotAdaptable {
        /// Why.
        message: String,
    },
    /// A component that imports what no task gets.
    #[error("the component imports {:?}, which no task gets; {}", short(.name), short(.hint))]
    UnknownImport {
        /// What.
        name: String,
        /// What to do.
        hint: String,
    },
    /// A component of the next WASI.
    #[error(
        "the component imports or exports {:?}, and WASI 0.3 is not supported yet; build it for WASI 0.2 (target wasm32-wasip2)",
        short(.name)
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

/// The most names that are listed, and the most characters of a text that somebody else wrote.
const LISTED_MAX: usize = 20;
const SHOWN_MAX: usize = 200;

fn list(found: &[String]) -> String {
    let shown: Vec<_> = found.iter().take(LISTED_MAX).map(|name| short(name)).collect();
    match found.len().checked_sub(LISTED_MAX) {
        _ if found.is_empty() => " (it has no exports)".to_owned(),
        None | Some(0) => format!(" (it exports {})", shown.join(", ")),
        Some(more) => format!(" (it exports {} and {more} more)", shown.join(", ")),
    }
}

/// A name in a component may have as many bytes as a file.
fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_are_shown_in_part() {
        let long = "x".repeat(100_000);
        for error in [
            InspectError::UnknownModuleImport { module: long.clone(), name: long.clone() },
            InspectError::NotAdaptable { message: long.clone() },
            InspectError::UnknownImport { name: long.clone(), hint: String::new() },
            InspectError::Wasi03 { name: long.clone() },
            InspectError::NoRunnableExport { found: vec![long.clone(); 5_000] },
            InspectError::ShapeMissing { shape: Shape::Http, found: vec![long.clone(); 21] },
            InspectError::Invalid { message: long.clone() },
        ] {
            let text = error.to_string();
            assert!(text.len() < 5_000 && text.contains('…'), "{} bytes", text.len());
        }
        let found = vec!["a".to_owned(); 22];
        let text = InspectError::NoRunnableExport { found }.to_string();
        assert!(text.contains("a, a and 2 more"), "{text}");
    }
}

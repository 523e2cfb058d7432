//! Walks a file section by section and refuses what would be expensive to compile, before anything compiles it.
//!
//! The bounds do not make compiling cheap; the child's limits do that. They turn the plain cases away early, with a
//! message that names the place.

use crate::inspect::error::InspectError;
use wasmparser::{BinaryReaderError, FunctionBody, Parser, Payload};

/// The largest function body: CPython's is 427 KB.
const FUNCTION_BYTES_MAX: usize = 512_000;
/// The most functions, over all modules.
const FUNCTIONS_MAX: u64 = 50_000;
/// The most local variables of one function.
const LOCALS_MAX: u64 = 5_000;
/// How deep modules and components may be nested.
const NESTING_MAX: usize = 16;

/// Checks the bounds of every function of `bytes`, those in nested modules and components included.
pub(crate) fn check(bytes: &[u8]) -> Result<(), InspectError> {
    let mut functions = 0;
    let mut open = 0usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| unreadable(bytes, &error))? {
            Payload::Version { .. } => {
                open += 1;
                if open > NESTING_MAX {
                    return Err(InspectError::NestedTooDeep { limit: NESTING_MAX });
                }
            }
            Payload::End(_) => open = open.saturating_sub(1),
            Payload::CodeSectionStart { count, .. } if functions + u64::from(count) > FUNCTIONS_MAX => {
                let count = functions + u64::from(count);
                return Err(InspectError::TooManyFunctions { count, limit: FUNCTIONS_MAX });
            }
            Payload::CodeSectionEntry(body) => {
                check_function(functions, &body)
                    .map_err(|refused| refused.unwrap_or_else(|error| unreadable(bytes, &error)))?;
                functions += 1;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refused, or not readable.
type Refused = Result<InspectError, BinaryReaderError>;

fn check_function(index: u64, body: &FunctionBody<'_>) -> Result<(), Refused> {
    let size = body.range().len();
    if size > FUNCTION_BYTES_MAX {
        return Err(Ok(InspectError::FunctionTooLarge { index, size, limit: FUNCTION_BYTES_MAX }));
    }
    let mut locals: u64 = 0;
    for group in body.get_locals_reader().map_err(Err)? {
        let (count, _) = group.map_err(Err)?;
        locals = locals.saturating_add(u64::from(count));
    }
    if locals > LOCALS_MAX {
        return Err(Ok(InspectError::TooManyLocals { index, count: locals, limit: LOCALS_MAX }));
    }
    Ok(())
}

/// The error of a reader: the end of the file, or something else.
pub(crate) fn unreadable(bytes: &[u8], error: &BinaryReaderError) -> InspectError {
    let message = error.message().to_owned();
    if message.contains("unexpected end") {
        return InspectError::Truncated { size: bytes.len(), message };
    }
    InspectError::Invalid { message: format!("{message} (at byte {})", error.offset()) }
}

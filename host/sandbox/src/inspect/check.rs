//! The inspection: form, size, structure, validity, imports, exports, in this order, and the first fault is told.

use crate::inspect::error::InspectError;
use crate::inspect::export::Offer;
use crate::inspect::form::{Form, form};
use crate::inspect::{adapt, import, structure};
use lovage_job::catalog::{Export, Shape};
use wasmparser::types::Types;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// What a component may be where its owner does not say, in bytes.
const SIZE_DEFAULT: usize = 16 << 20;
/// What no operator can pass, in bytes.
const SIZE_CEILING: usize = 64 << 20;

/// What to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectOptions {
    /// The largest component, in bytes; never more than 64 MiB.
    pub size_max: usize,
    /// The shape to take where a component has several; the first by precedence where none is given.
    pub shape: Option<Shape>,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self { size_max: SIZE_DEFAULT, shape: None }
    }
}

/// What a component is.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// The bytes to store: as given, or the component that they became.
    pub component: Vec<u8>,
    /// True where a core module was given and made a component here.
    pub adapted: bool,
    /// How it is called.
    pub shape: Shape,
    /// Its tasks. Empty for a handler: only running it tells.
    pub exports: Vec<Export>,
    /// The interfaces it imports, such as `wasi:cli/environment@0.2.6`.
    pub imports: Vec<String>,
}

/// Looks at `bytes`.
pub fn inspect(bytes: &[u8], options: &InspectOptions) -> Result<Inspection, InspectError> {
    let form = form(bytes)?;
    let limit = options.size_max.min(SIZE_CEILING);
    if bytes.len() > limit {
        return Err(InspectError::TooLarge { size: bytes.len(), limit });
    }
    structure::check(bytes)?;
    let types = validate(bytes)?;
    match form {
        Form::Component => look(bytes.to_vec(), false, &types, options),
        Form::CoreModule => {
            let component = adapt::adapted(bytes)?;
            let types = validate(&component)?;
            look(component, true, &types, options)
        }
    }
}

fn look(
    component: Vec<u8>,
    adapted: bool,
    types: &Types,
    options: &InspectOptions,
) -> Result<Inspection, InspectError> {
    let (imports, exports) = names(&component).map_err(|error| structure::unreadable(&component, &error))?;
    // A component of the next WASI is told so, whatever else it lacks.
    let next = imports.iter().find(|name| matches!(import::check(name), Err(InspectError::Wasi03 { .. })));
    next.map_or(Ok(()), |name| import::check(name))?;
    imports.iter().try_for_each(|name| import::check(name))?;
    let offer = Offer::read(exports, types.as_ref())?;
    let shape = offer.choose(options.shape)?;
    Ok(Inspection { exports: offer.tasks(shape), component, adapted, shape, imports })
}

/// The features of the engine's configuration, as far as they matter before compiling.
fn features() -> WasmFeatures {
    let mut features = WasmFeatures::default();
    features.remove(
        WasmFeatures::THREADS
            | WasmFeatures::MEMORY64
            | WasmFeatures::RELAXED_SIMD
            | WasmFeatures::GC
            | WasmFeatures::CUSTOM_PAGE_SIZES
            | WasmFeatures::WIDE_ARITHMETIC,
    );
    features
}

fn validate(bytes: &[u8]) -> Result<Types, InspectError> {
    let validated = Validator::new_with_features(features()).validate_all(bytes);
    validated.map_err(|error| structure::unreadable(bytes, &error))
}

/// The names of the outermost imports and exports.
fn names(component: &[u8]) -> wasmparser::Result<(Vec<String>, Vec<String>)> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut open = 0usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => open += 1,
            Payload::End(_) => open = open.saturating_sub(1),
            Payload::ComponentImportSection(section) if open == 1 => {
                for import in section {
                    imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if open == 1 => {
                for export in section {
                    exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

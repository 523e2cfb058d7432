//! Makes a component of a core module that was built for WASI preview 1, with the adapter of the engine's own version.

use crate::inspect::error::InspectError;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// What a core module says about itself.
#[derive(Default)]
struct CoreModule {
    imports: Vec<(String, String)>,
    exports: Vec<String>,
    /// True where its types were embedded for exactly this.
    has_world: bool,
}

/// The component that `module`, a valid core module, becomes.
pub(crate) fn adapted(module: &[u8]) -> Result<Vec<u8>, InspectError> {
    let core = read(module).map_err(|error| crate::inspect::structure::unreadable(module, &error))?;
    let is_program = core.exports.iter().any(|name| name == "_start");
    if !core.has_world {
        let foreign = core.imports.iter().find(|(module, _)| module != WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME);
        if let Some((module, name)) = foreign {
            return Err(InspectError::UnknownModuleImport { module: module.clone(), name: name.clone() });
        }
        if !is_program {
            return Err(InspectError::NoRunnableExport { found: core.exports });
        }
    }
    let adapter =
        if is_program { WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER } else { WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER };
    // The encoder is made for what compilers write and says little about what else it is given.
    let encoded = std::panic::catch_unwind(|| {
        ComponentEncoder::default()
            .validate(true)
            .module(module)
            .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
            .and_then(|mut encoder| encoder.encode())
    });
    let not_adaptable = |message: String| InspectError::NotAdaptable { message };
    match encoded {
        Ok(encoded) => encoded.map_err(|error| not_adaptable(format!("{error:#}"))),
        Err(_) => Err(not_adaptable("its layout is not one that compilers write".to_owned())),
    }
}

fn read(module: &[u8]) -> wasmparser::Result<CoreModule> {
    let mut core = CoreModule::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    core.imports.push((import.module.to_owned(), import.name.to_owned()));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    core.exports.push(export?.name.to_owned());
                }
            }
            Payload::CustomSection(section) if section.name().starts_with("component-type") => core.has_world = true,
            _ => {}
        }
    }
    Ok(core)
}

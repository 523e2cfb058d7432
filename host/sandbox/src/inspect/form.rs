//! What kind of file some bytes are, by their first few.

use crate::inspect::error::InspectError;

/// A file that can be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Component,
    CoreModule,
}

const MAGIC: &[u8] = b"\0asm";
const MODULE_VERSION: [u8; 4] = [1, 0, 0, 0];
const COMPONENT_VERSION: [u8; 4] = [0x0d, 0, 1, 0];

/// The form of `bytes`.
pub(crate) fn form(bytes: &[u8]) -> Result<Form, InspectError> {
    if bytes.is_empty() {
        return Err(InspectError::Empty);
    }
    // Code of the engine's is an ELF file with sections of its own; no ELF file is a component.
    if bytes.starts_with(b"\x7fELF") {
        return Err(InspectError::Precompiled);
    }
    if !bytes.starts_with(MAGIC) {
        if MAGIC.starts_with(bytes) {
            return Err(InspectError::Truncated { size: bytes.len(), message: "the header is not whole".to_owned() });
        }
        return Err(InspectError::NotWasm { found: found(bytes) });
    }
    let version = bytes.get(4..8).and_then(|version| <[u8; 4]>::try_from(version).ok());
    match version {
        None => Err(InspectError::Truncated { size: bytes.len(), message: "the header is not whole".to_owned() }),
        Some(MODULE_VERSION) => Ok(Form::CoreModule),
        Some(COMPONENT_VERSION) => Ok(Form::Component),
        Some(other) => Err(InspectError::Invalid {
            message: format!(
                "its version is {:#010x}, neither that of a module nor of a component",
                u32::from_le_bytes(other)
            ),
        }),
    }
}

fn found(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 5] = [
        (&[0x1f, 0x8b], "is compressed by gzip; unpack it first"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "is compressed by zstd; unpack it first"),
        (b"PK\x03\x04", "is a zip archive; unpack it first"),
        (b"MZ", "is a Windows program"),
        (b"!<arch>", "is a library of object files"),
    ];
    if let Some((_, what)) = known.iter().find(|(start, _)| bytes.starts_with(start)) {
        return (*what).to_owned();
    }
    let start = bytes.get(..1024).unwrap_or(bytes);
    let text = match std::str::from_utf8(start) {
        Ok(text) => Some(text),
        // The cut goes through a character.
        Err(error) if error.error_len().is_none() => {
            start.get(..error.valid_up_to()).and_then(|text| std::str::from_utf8(text).ok())
        }
        Err(_) => None,
    };
    match text.map(str::trim_start) {
        Some(text) if text.starts_with("(component") || text.starts_with("(module") || text.starts_with(";;") => {
            "is WebAssembly text; translate it with `wasm-tools parse`".to_owned()
        }
        Some(_) => "is text; push the .wasm file that your build makes".to_owned(),
        None => "does not begin as WebAssembly does".to_owned(),
    }
}

//! What an artefact depends on beside the component: the engine's version, its settings and the processor.

use crate::cache::error::CacheError;
use crate::engine::config::compiling;
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use wasmtime::Engine;

/// A short name for the engine and the processor of this process.
pub(crate) fn engine_key() -> Result<String, CacheError> {
    let engine =
        Engine::new(&compiling(false)).map_err(|error| CacheError::Engine { message: format!("{error:#}") })?;
    let mut hasher = Sha256Hasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    // The engine's hash covers its own settings; ours changes with the way artefacts are made.
    hasher.write(concat!("lovage-sandbox ", env!("CARGO_PKG_VERSION")).as_bytes());
    let digits = hex::encode(hasher.0.finalize());
    Ok(digits.get(..24).unwrap_or(&digits).to_owned())
}

/// The standard hasher has 64 bits, which is too few for the name of code.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.clone().finalize();
        hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_stable_and_fit_for_a_file_name() {
        let key = engine_key().unwrap();
        assert_eq!(key, engine_key().unwrap());
        assert!(key.len() == 24 && key.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}

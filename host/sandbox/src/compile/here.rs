//! Compiling in this process, without limits: for tests of tasks, where the component is their author's own. A worker
//! never does this.

use crate::cache::artifact::ArtifactPath;
use crate::cache::store::ArtifactCache;
use crate::compile::error::CompileError;
use crate::engine::config::compiling;
use lovage_job::name::Digest;
use wasmtime::Engine;

/// Compiles a component that whoever calls trusts, and keeps it in `cache`.
pub fn compile_here(component: &[u8], cache: &ArtifactCache) -> Result<ArtifactPath, CompileError> {
    let digest = Digest::of(component);
    if let Some(artifact) = cache.get(&digest)? {
        return Ok(artifact);
    }
    let host = |error: wasmtime::Error| CompileError::Host { message: format!("{error:#}") };
    let engine = Engine::new(&compiling(false)).map_err(host)?;
    let compiled = engine.precompile_component(component);
    let compiled = compiled.map_err(|error| CompileError::Invalid { message: format!("{error:#}") })?;
    Ok(cache.put(&digest, &compiled)?)
}

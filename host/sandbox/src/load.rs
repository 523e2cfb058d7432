//! From an artefact on disk to a task: loaded and linked once for each component, type-checked once for each entry.

use crate::attempt::cell::Cell;
use crate::bindings::TaskPre;
use crate::cache::artifact::ArtifactPath;
use crate::cache::error::CacheError;
use crate::plain::from_engine;
use crate::sandbox::{Room, Sandbox};
use crate::shape::Callee;
use crate::shape::function::FunctionCallee;
use crate::task::Task;
use lovage_job::catalog::{Entry, Shape};
use std::sync::{Arc, PoisonError};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// Why an artefact cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The artefact is not what the cache wrote. Compile again.
    #[error(transparent)]
    Artifact(#[from] CacheError),
    /// The engine refuses the artefact. Compile again.
    #[error("the compiled component does not load: {message}")]
    Incompatible {
        /// What the engine says.
        message: String,
    },
    /// The component imports what no task gets.
    #[error("the component does not link: {message}")]
    Link {
        /// What is missing or of another type.
        message: String,
    },
    /// The component does not export the entry.
    #[error("the component has no {shape} export that fits: {message}")]
    Entry {
        /// The shape that was asked for.
        shape: Shape,
        /// What is missing.
        message: String,
    },
}

/// A component that is linked.
pub(crate) struct Loaded {
    pub(crate) pre: InstancePre<Cell>,
}

impl Sandbox {
    /// Loads one entry of a compiled component.
    pub fn load(&self, artifact: &ArtifactPath, entry: &Entry) -> Result<Task, LoadError> {
        let loaded = self.component(artifact)?;
        let callee = callee(&loaded, entry)?;
        Ok(Task::new(self.0.clone(), loaded, callee))
    }

    /// The component of an artefact; the same one for all its entries, for as long as one of them is kept.
    pub(crate) fn component(&self, artifact: &ArtifactPath) -> Result<Arc<Loaded>, LoadError> {
        let room = &self.0;
        let known = room.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = known.get(artifact.path()).and_then(std::sync::Weak::upgrade) {
            return Ok(loaded);
        }
        drop(known);
        artifact.verify()?;
        let loaded = Arc::new(link(room, Code::File(artifact))?);
        let mut known = room.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, entry| entry.strong_count() > 0);
        known.insert(artifact.path().to_owned(), Arc::downgrade(&loaded));
        Ok(loaded)
    }
}

impl Sandbox {
    /// The component of code that the supervisor of this process has read and verified.
    pub(crate) fn component_of(&self, code: &[u8]) -> Result<Arc<Loaded>, LoadError> {
        Ok(Arc::new(link(&self.0, Code::OfSupervisor(code))?))
    }

    /// One entry of a loaded component.
    pub(crate) fn entry_of(&self, loaded: &Arc<Loaded>, entry: &Entry) -> Result<Task, LoadError> {
        Ok(Task::new(self.0.clone(), loaded.clone(), callee(loaded, entry)?))
    }
}

/// Where compiled code comes from.
enum Code<'c> {
    /// A verified file of the cache.
    File(&'c ArtifactPath),
    /// What the supervisor of this process sent, which it read from such a file and verified.
    OfSupervisor(&'c [u8]),
}

fn link(room: &Room, code: Code<'_>) -> Result<Loaded, LoadError> {
    let component = deserialize(room, code)?;
    let pre = room.linker.instantiate_pre(&component);
    Ok(Loaded { pre: pre.map_err(|error| LoadError::Link { message: format!("{error:#}") })? })
}

/// Maps compiled code into the process. The one unsafe function of Lovage.
#[allow(unsafe_code)]
fn deserialize(room: &Room, code: Code<'_>) -> Result<Component, LoadError> {
    let component = match code {
        // SAFETY: the bytes must be what `Engine::precompile_component` gave and must not change while they are mapped.
        // `ArtifactPath` exists only for files that the cache wrote from its own compiler's output; their authenticated
        // hash was verified just before, they lie in a folder that only this user may write, and the cache replaces
        // files by renaming and never writes to one that has its final name.
        Code::File(artifact) => unsafe { Component::deserialize_file(room.engine(), artifact.path()) },
        // SAFETY: as above, but that they are copied and so cannot change. They come over the socket that this process
        // was started with, whose other end is the worker that started it; the worker sends only what it read from a
        // file of the cache, after the authenticated hash over the very bytes that it sends was verified.
        Code::OfSupervisor(bytes) => unsafe { Component::deserialize(room.engine(), bytes) },
    };
    component.map_err(|error| LoadError::Incompatible { message: format!("{error:#}") })
}

fn callee(loaded: &Loaded, entry: &Entry) -> Result<Callee, LoadError> {
    let pre = loaded.pre.clone();
    let misfit = |message: String| LoadError::Entry { shape: entry.shape(), message };
    let unfit = |error: wasmtime::Error| misfit(format!("{error:#}"));
    match entry {
        Entry::Handler { name } => Ok(Callee::Handler { pre: TaskPre::new(pre).map_err(unfit)?, task: name.clone() }),
        Entry::Command => CommandPre::new(pre).map(Callee::Command).map_err(unfit),
        Entry::Http => ProxyPre::new(pre).map(Callee::Http).map_err(unfit),
        Entry::Function { interface, function } => {
            function_callee(pre, interface.as_deref(), function).map(Callee::Function).map_err(misfit)
        }
    }
}

fn function_callee(pre: InstancePre<Cell>, interface: Option<&str>, function: &str) -> Result<FunctionCallee, String> {
    let component = pre.component();
    let parent = match interface {
        Some(name) => Some(component.get_export_index(None, name).ok_or_else(|| format!("no interface {name:?}"))?),
        None => None,
    };
    let found = component.get_export(parent.as_ref(), function);
    let (item, index) = found.ok_or_else(|| format!("no function {function:?}"))?;
    let ComponentItem::ComponentFunc(ty) = item else {
        return Err(format!("{function:?} is not a function"));
    };
    let signature = from_engine::signature(&ty);
    let signature = signature.ok_or_else(|| format!("function {function:?} takes or gives more than plain data"))?;
    Ok(FunctionCallee { pre: pre.clone(), index, fast_path: signature.fast_path(), signature })
}

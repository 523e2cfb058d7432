//! Compiles components: from the cache where they are known, else in one child at a time.

use crate::cache::artifact::ArtifactPath;
use crate::cache::store::ArtifactCache;
use crate::compile::error::{CompileError, Exhausted};
use crate::compile::failures::Failures;
use crate::compile::limits::CompileLimits;
use crate::compile::process::{self, ChildProgram};
use crate::jail::cgroup::groups::Groups;
use lovage_job::name::Digest;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Compiles components. Clones share the cache, the failures and the one child.
#[derive(Clone)]
pub struct Compiler(Arc<Workshop>);

struct Workshop {
    program: ChildProgram,
    limits: CompileLimits,
    cache: ArtifactCache,
    failures: Mutex<Failures>,
    /// Held while a child runs. Whoever waited looks into the cache again, so one child serves all who wait for it.
    turn: tokio::sync::Mutex<()>,
}

impl Compiler {
    /// A compiler whose child is `program` with `args`, which must do [`crate::compile_child_main`] and nothing else. It
    /// is held to its memory by the kernel where there are `groups`, beside the limit on its address space.
    pub fn new(
        (program, args): (PathBuf, Vec<OsString>),
        limits: CompileLimits,
        groups: Option<Arc<Groups>>,
        cache: ArtifactCache,
    ) -> Self {
        let program = ChildProgram { program, args, groups };
        Self(Arc::new(Workshop {
            program,
            limits,
            cache,
            failures: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// The code of `component`, whose digest the caller has checked.
    pub async fn compile(&self, digest: &Digest, component: &[u8]) -> Result<ArtifactPath, CompileError> {
        if let Some(known) = self.known(digest).await? {
            return Ok(known);
        }
        let _turn = self.0.turn.lock().await;
        if let Some(known) = self.known(digest).await? {
            return Ok(known);
        }
        match self.in_child(component).await {
            Ok(code) => self.keep(digest, code).await,
            Err(error) => {
                self.failures().remember(digest, &error);
                tracing::info!(component.digest = %digest, %error, "a component did not compile");
                Err(error)
            }
        }
    }

    /// The code of a component that was compiled before, where it is still there.
    pub async fn cached(&self, digest: &Digest) -> Result<Option<ArtifactPath>, CompileError> {
        let (cache, digest) = (self.0.cache.clone(), digest.clone());
        Ok(blocking(move || cache.get(&digest)).await??)
    }

    async fn known(&self, digest: &Digest) -> Result<Option<ArtifactPath>, CompileError> {
        if let Some(error) = self.failures().get(digest) {
            return Err(error);
        }
        self.cached(digest).await
    }

    /// Compiles; where that takes too long, once more with the register allocator whose work is bounded.
    async fn in_child(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let Workshop { program, limits, .. } = self.0.as_ref();
        match process::compile(program, *limits, false, component).await {
            Err(CompileError::TooExpensive { exhausted: Exhausted::Cpu | Exhausted::Wall, .. }) => {
                process::compile(program, *limits, true, component).await
            }
            other => other,
        }
    }

    async fn keep(&self, digest: &Digest, code: Vec<u8>) -> Result<ArtifactPath, CompileError> {
        let (cache, digest) = (self.0.cache.clone(), digest.clone());
        Ok(blocking(move || cache.put(&digest, &code)).await??)
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.0.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reading and hashing tens of megabytes would hold up the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CompileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CompileError::Host { message: format!("the cache failed: {error}") })
}

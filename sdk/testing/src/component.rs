//! A component made ready in this process: inspected, compiled, asked for its tasks.

use lovage_job::catalog::{Export, Shape};
use lovage_job::limits::Limits;
use lovage_sandbox::{
    ArtifactCache, ArtifactPath, CacheError, CompileError, DescribeError, InspectError, InspectOptions, LoadError,
    Sandbox, SandboxConfig, SandboxError, compile_here, inspect,
};
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// The largest component that is read.
const SIZE_MAX: usize = 64 << 20;

/// Why a component cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The file cannot be read.
    #[error("{path}: {source}; build it with `cargo build --release --target wasm32-wasip2`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// This machine gives no place to work in.
    #[error("the test cannot be set up: {0}")]
    Host(#[from] std::io::Error),
    /// It is no component that a worker takes.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The cache of compiled code.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The sandbox does not start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// It does not say what tasks it has.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// Its task cannot be called.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The test asks for something that is not there or makes no sense.
    #[error("{0}")]
    Test(String),
}

/// A component and what it needs to run.
pub(crate) struct Component {
    pub(crate) runtime: Runtime,
    pub(crate) sandbox: Sandbox,
    pub(crate) artifact: ArtifactPath,
    pub(crate) exports: Vec<Export>,
    // Compiled code is mapped from here.
    _folder: tempfile::TempDir,
}

impl Component {
    pub(crate) fn read(path: &Path) -> Result<Self, TestError> {
        let bytes = std::fs::read(path).map_err(|source| TestError::Read { path: path.to_owned(), source })?;
        Self::new(&bytes)
    }

    pub(crate) fn new(bytes: &[u8]) -> Result<Self, TestError> {
        let inspection = inspect(bytes, &InspectOptions { size_max: SIZE_MAX, shape: None })?;
        let folder = tempfile::tempdir()?;
        let cache = ArtifactCache::open(folder.path().join("cache"))?;
        let artifact = compile_here(&inspection.component, &cache)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        let sandbox = Sandbox::new(SandboxConfig { concurrency: 1, ..SandboxConfig::default() })?;
        let exports = match inspection.shape {
            Shape::Handler => runtime.block_on(sandbox.describe(&artifact, &Limits::default()))?,
            Shape::Http | Shape::Command | Shape::Function => inspection.exports,
        };
        Ok(Self { runtime, sandbox, artifact, exports, _folder: folder })
    }

    /// The task of this name; the only one where there is no name.
    pub(crate) fn export(&self, name: Option<&str>) -> Result<&Export, TestError> {
        let names = || self.exports.iter().map(|export| export.name.as_str()).collect::<Vec<_>>().join(", ");
        match (name, self.exports.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(TestError::Test(format!("the component has several tasks: name one of {}", names()))),
            (Some(name), exports) => exports
                .iter()
                .find(|export| export.name.as_str() == name)
                .ok_or_else(|| TestError::Test(format!("the component has no task {name:?}; it has {}", names()))),
        }
    }
}

//! What checks components that are uploaded: an engine and a compiler of the server's own, made when first needed.

use super::problem::Problem;
use crate::app::engine;
use crate::config::WorkerFile;
use lovage_sandbox::{Compiler, Sandbox};
use std::ffi::OsString;
use std::path::PathBuf;
use tokio::sync::OnceCell;

/// The engine and the compiler.
pub type Engine = (Sandbox, Compiler);

/// Makes the engine with the first upload: a server that gets none does not pay for it.
#[derive(Default)]
pub struct Uploads {
    cache: PathBuf,
    compiler: (PathBuf, Vec<OsString>),
    made: OnceCell<Engine>,
}

impl Uploads {
    /// Compiles with this program into this folder.
    pub fn new(cache: PathBuf, compiler: (PathBuf, Vec<OsString>)) -> Self {
        Self { cache, compiler, made: OnceCell::new() }
    }

    /// The engine and the compiler.
    pub async fn engine(&self) -> Result<&Engine, Problem> {
        let make = || async { engine(&WorkerFile::default(), 1, &self.cache, &self.compiler) };
        self.made.get_or_try_init(make).await.map_err(Problem::internal)
    }
}

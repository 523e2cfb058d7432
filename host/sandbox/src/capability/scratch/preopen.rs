//! `wasi:filesystem/preopens`: the scratch folder where it is granted, and nothing else ever.

use super::folder::Folder;
use super::handle::Descriptor;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode};

/// Where guests find the folder.
pub(crate) const SCRATCH_PATH: &str = "/scratch";

/// What the calls of a guest work on.
pub(crate) struct ScratchView<'c> {
    /// The folder, where it is granted.
    pub(crate) folder: Option<&'c Folder>,
    /// The guest's handles.
    pub(crate) table: &'c mut ResourceTable,
}

struct HasScratch;

impl HasData for HasScratch {
    type Data<'c> = ScratchView<'c>;
}

/// Gives guests `wasi:filesystem`.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> ScratchView<'_>,
) -> wasmtime::Result<()> {
    types::add_to_linker::<T, HasScratch>(linker, view)?;
    preopens::add_to_linker::<T, HasScratch>(linker, view)
}

impl preopens::Host for ScratchView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<types::Descriptor>, String)>> {
        let Some(folder) = self.folder else { return Ok(Vec::new()) };
        let handle = self.push(Descriptor::folder(folder.root()))?;
        Ok(vec![(handle, SCRATCH_PATH.to_owned())])
    }
}

impl types::Host for ScratchView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(&mut self, error: Resource<types::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error.downcast_ref::<ErrorCode>().copied())
    }
}

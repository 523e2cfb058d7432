//! The guest's handles, as they lie in its table of resources.
//!
//! The types of the bindings are those of files of the host, which never exist here; only their numbers are used.

use super::folder::Kept;
use super::preopen::ScratchView;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode};

/// A file or folder that the guest has open.
#[derive(Clone)]
pub(super) struct Descriptor {
    pub(super) kept: Kept,
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Descriptor {
    /// A folder; whoever has one may change what is in it.
    pub(super) fn folder(kept: Kept) -> Self {
        Self { kept, read: true, write: false }
    }

    pub(super) fn is_folder(&self) -> bool {
        self.kept.id.folder
    }

    /// Itself, where it is a folder.
    pub(super) fn as_folder(&self) -> Result<&Kept, ErrorCode> {
        if self.is_folder() { Ok(&self.kept) } else { Err(ErrorCode::NotDirectory) }
    }

    /// Itself, where it is a file that can be read.
    pub(super) fn as_readable(&self) -> Result<&Kept, ErrorCode> {
        match (self.is_folder(), self.read) {
            (true, _) => Err(ErrorCode::IsDirectory),
            (false, false) => Err(ErrorCode::BadDescriptor),
            (false, true) => Ok(&self.kept),
        }
    }

    /// Itself, where it is a file that can be written to.
    pub(super) fn as_writable(&self) -> Result<&Kept, ErrorCode> {
        match (self.is_folder(), self.write) {
            (true, _) => Err(ErrorCode::IsDirectory),
            (false, false) => Err(ErrorCode::BadDescriptor),
            (false, true) => Ok(&self.kept),
        }
    }
}

impl ScratchView<'_> {
    /// What a handle is; a handle that is none ends the attempt.
    pub(super) fn get(&self, fd: &Resource<types::Descriptor>) -> FsResult<Descriptor> {
        Ok(self.table.get(&Resource::<Descriptor>::new_borrow(fd.rep()))?.clone())
    }

    /// Gives a handle out; it counts among the handles that an attempt may have.
    pub(super) fn push(&mut self, descriptor: Descriptor) -> wasmtime::Result<Resource<types::Descriptor>> {
        let handle = self.table.push(descriptor)?;
        Ok(Resource::new_own(handle.rep()))
    }

    pub(super) fn delete(&mut self, fd: &Resource<types::Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Descriptor>::new_own(fd.rep()))?;
        Ok(())
    }
}

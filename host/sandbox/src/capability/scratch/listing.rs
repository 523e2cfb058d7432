//! Lists a folder, name by name. Only the last name is kept, so that many listings of a large folder cost nothing.

use super::folder::Kept;
use super::node::NodeId;
use super::preopen::ScratchView;
use super::tree::Tree;
use std::ops::Bound;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{self, DescriptorType, ErrorCode, HostDirectoryEntryStream};

/// How far a folder is listed.
pub(super) struct Listing {
    kept: Kept,
    last: Option<String>,
}

impl Listing {
    pub(super) fn new(kept: Kept) -> Self {
        Self { kept, last: None }
    }

    fn next(&mut self) -> Result<Option<types::DirectoryEntry>, ErrorCode> {
        let next = self.kept.folder.tree().after(self.kept.id, self.last.as_deref())?;
        let Some((name, id)) = next else { return Ok(None) };
        self.last = Some(name.clone());
        Ok(Some(types::DirectoryEntry { type_: type_of(id), name }))
    }
}

impl Tree {
    /// The first name after another, in a folder.
    fn after(&self, folder: NodeId, last: Option<&str>) -> Result<Option<(String, NodeId)>, ErrorCode> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut names = self.entries(folder)?.range::<str, _>((from, Bound::Unbounded));
        Ok(names.next().map(|(name, id)| (String::from(&**name), *id)))
    }
}

/// What kind a node is, as WASI names it.
pub(super) fn type_of(id: NodeId) -> DescriptorType {
    if id.folder { DescriptorType::Directory } else { DescriptorType::RegularFile }
}

impl ScratchView<'_> {
    pub(super) fn push_listing(&mut self, kept: Kept) -> wasmtime::Result<Resource<types::DirectoryEntryStream>> {
        let handle = self.table.push(Listing::new(kept))?;
        Ok(Resource::new_own(handle.rep()))
    }
}

impl HostDirectoryEntryStream for ScratchView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<types::DirectoryEntryStream>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        Ok(self.table.get_mut(&Resource::<Listing>::new_borrow(stream.rep()))?.next()?)
    }

    fn drop(&mut self, stream: Resource<types::DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}

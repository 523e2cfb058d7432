//! `wasi:filesystem/types`: what a guest does with its handles. What a call means is decided here; that it is done
//! whole or not at all, in the tree.

use super::change::Opening;
use super::folder::Kept;
use super::handle::Descriptor;
use super::listing::type_of;
use super::node::{NodeId, Status};
use super::path::Path;
use super::preopen::ScratchView;
use super::stream::{CHUNK_BYTES, Reading, Writing};
use super::tree::Tree;
use std::time::Duration;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntryStream, ErrorCode, Filesize, HostDescriptor,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsResult};

type Fd = Resource<wasmtime_wasi::p2::bindings::filesystem::types::Descriptor>;

impl ScratchView<'_> {
    /// The folder of a handle, and what a path from there leads to.
    fn found(&self, fd: &Fd, path: &str) -> FsResult<(Kept, NodeId)> {
        let base = self.get(fd)?.as_folder()?.clone();
        let id = base.folder.tree().find(base.id, &Path::parse(path)?)?;
        Ok((base, id))
    }
}

impl HostDescriptor for ScratchView<'_> {
    async fn advise(&mut self, fd: Fd, _: Filesize, _: Filesize, _: Advice) -> FsResult<()> {
        if self.get(&fd)?.is_folder() { Err(ErrorCode::BadDescriptor.into()) } else { Ok(()) }
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.get(&fd).map(drop)
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.get(&fd).map(drop)
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        let descriptor = self.get(&fd)?;
        let flag = |is, flag| if is { flag } else { DescriptorFlags::empty() };
        Ok(flag(descriptor.read, DescriptorFlags::READ)
            | flag(descriptor.write, DescriptorFlags::WRITE)
            | flag(descriptor.is_folder(), DescriptorFlags::MUTATE_DIRECTORY))
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        Ok(type_of(self.get(&fd)?.kept.id))
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        let descriptor = self.get(&fd)?;
        let kept = descriptor.as_writable()?;
        Ok(kept.folder.perform(|tree| tree.resize(kept.id, size)).await?)
    }

    async fn set_times(&mut self, fd: Fd, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        let Descriptor { kept, .. } = self.get(&fd)?;
        Ok(set_times(&mut kept.folder.tree(), kept.id, accessed, modified)?)
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        _: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let (base, id) = self.found(&fd, &path)?;
        Ok(set_times(&mut base.folder.tree(), id, accessed, modified)?)
    }

    async fn read(&mut self, fd: Fd, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let descriptor = self.get(&fd)?;
        let kept = descriptor.as_readable()?;
        let count = usize::try_from(length).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        Ok(kept.folder.tree().read(kept.id, offset, count)?)
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let descriptor = self.get(&fd)?;
        let kept = descriptor.as_writable()?;
        kept.folder.perform(|tree| tree.write(kept.id, offset, &bytes)).await?;
        Ok(bytes.len() as Filesize)
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        let base = self.get(&fd)?.as_folder()?.clone();
        self.push_listing(base).map_err(wasmtime_wasi::p2::FsError::trap)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let base = self.get(&fd)?.as_folder()?.clone();
        let path = Path::parse(&path)?;
        Ok(base.folder.perform(|tree| tree.make_folder(base.id, &path)).await?)
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        let Descriptor { kept, .. } = self.get(&fd)?;
        let status = kept.folder.tree().status(kept.id)?;
        Ok(stat_of(&status))
    }

    async fn stat_at(&mut self, fd: Fd, _: PathFlags, path: String) -> FsResult<DescriptorStat> {
        let (base, id) = self.found(&fd, &path)?;
        let status = base.folder.tree().status(id)?;
        Ok(stat_of(&status))
    }

    async fn link_at(&mut self, fd: Fd, _: PathFlags, _: String, to: Fd, _: String) -> FsResult<()> {
        self.get(&fd)?;
        self.get(&to)?;
        Err(ErrorCode::Unsupported.into())
    }

    async fn symlink_at(&mut self, fd: Fd, _: String, _: String) -> FsResult<()> {
        self.get(&fd)?;
        Err(ErrorCode::Unsupported.into())
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.found(&fd, &path)?;
        // It is there, and no link.
        Err(ErrorCode::Invalid.into())
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        _: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let base = self.get(&fd)?.as_folder()?.clone();
        let path = Path::parse(&path)?;
        let how = Opening {
            create: open.contains(OpenFlags::CREATE),
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            truncate: open.contains(OpenFlags::TRUNCATE),
            folder: open.contains(OpenFlags::DIRECTORY),
            write: flags.contains(DescriptorFlags::WRITE),
        };
        let open = |tree: &mut Tree| tree.open(base.id, &path, how).map(|id| Kept::new(&base.folder, id, tree));
        let kept = base.folder.perform(open).await?;
        let descriptor = match kept.id.folder {
            true => Descriptor::folder(kept),
            false => Descriptor { kept, read: flags.contains(DescriptorFlags::READ), write: how.write },
        };
        self.push(descriptor).map_err(wasmtime_wasi::p2::FsError::trap)
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let base = self.get(&fd)?.as_folder()?.clone();
        let path = Path::parse(&path)?;
        Ok(base.folder.perform(|tree| tree.remove_folder(base.id, &path)).await?)
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let base = self.get(&fd)?.as_folder()?.clone();
        let path = Path::parse(&path)?;
        Ok(base.folder.perform(|tree| tree.remove_file(base.id, &path)).await?)
    }

    async fn rename_at(&mut self, fd: Fd, old: String, to: Fd, new: String) -> FsResult<()> {
        let from = self.get(&fd)?.as_folder()?.clone();
        let to = self.get(&to)?.as_folder()?.clone();
        let (old, new) = (Path::parse(&old)?, Path::parse(&new)?);
        Ok(from.folder.perform(|tree| tree.rename((from.id, &old), (to.id, &new))).await?)
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let kept = self.get(&fd)?.as_readable()?.clone();
        let stream: DynInputStream = Box::new(Reading::new(kept, offset));
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let kept = self.get(&fd)?.as_writable()?.clone();
        let stream: DynOutputStream = Box::new(Writing::new(kept, Some(offset)));
        Ok(self.table.push(stream)?)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        let kept = self.get(&fd)?.as_writable()?.clone();
        let stream: DynOutputStream = Box::new(Writing::new(kept, None));
        Ok(self.table.push(stream)?)
    }

    async fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        let get = |fd: &Fd| self.table.get(&Resource::<Descriptor>::new_borrow(fd.rep()));
        Ok(get(&one)?.kept.id == get(&other)?.kept.id)
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        Ok(hash_of(self.get(&fd)?.kept.id))
    }

    async fn metadata_hash_at(&mut self, fd: Fd, _: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        let (_, id) = self.found(&fd, &path)?;
        Ok(hash_of(id))
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.delete(&fd)
    }
}

/// Guests take it for the number of an inode: the same for as long as the node lives, and never given again.
fn hash_of(id: NodeId) -> MetadataHashValue {
    MetadataHashValue { lower: u64::from(id.number) + 1, upper: u64::from(id.folder) }
}

fn stat_of(status: &Status) -> DescriptorStat {
    let time = |since: Duration| Some(Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() });
    DescriptorStat {
        type_: type_of(status.id),
        link_count: status.links,
        size: status.size,
        data_access_timestamp: time(status.times.accessed),
        data_modification_timestamp: time(status.times.modified),
        status_change_timestamp: time(status.times.changed),
    }
}

fn set_times(tree: &mut Tree, id: NodeId, accessed: NewTimestamp, modified: NewTimestamp) -> Result<(), ErrorCode> {
    let now = tree.now();
    let read = |time| match time {
        NewTimestamp::NoChange => Ok(None),
        NewTimestamp::Now => Ok(Some(now)),
        NewTimestamp::Timestamp(Datetime { nanoseconds: 1_000_000_000.., .. }) => Err(ErrorCode::Invalid),
        NewTimestamp::Timestamp(time) => Ok(Some(Duration::new(time.seconds, time.nanoseconds))),
    };
    tree.set_times(id, read(accessed)?, read(modified)?)
}

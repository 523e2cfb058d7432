//! What changes the content of files, charged before it is done.

use super::content::cost;
use super::node::{Kind, NodeId};
use super::space::Refused;
use super::tree::Tree;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

impl Tree {
    /// At most `count` bytes from `offset` on, and whether the end is reached.
    pub(super) fn read(&self, id: NodeId, offset: u64, count: usize) -> Result<(Vec<u8>, bool), ErrorCode> {
        let content = self.content(id)?;
        let bytes = content.read(usize::try_from(offset).unwrap_or(usize::MAX), count);
        let end = offset.saturating_add(bytes.len() as u64);
        Ok((bytes, end >= content.size() as u64))
    }

    /// Writes all bytes, or none.
    pub(super) fn write(&mut self, id: NodeId, offset: u64, bytes: &[u8]) -> Result<(), Refused> {
        if bytes.is_empty() {
            return Ok(self.content(id).map(drop)?);
        }
        let end = offset.checked_add(bytes.len() as u64).ok_or(ErrorCode::FileTooLarge)?;
        let at = usize::try_from(offset).map_err(|_| ErrorCode::FileTooLarge)?;
        self.grow(id, end)?;
        let now = self.now();
        let node = self.node_mut(id)?;
        if let Kind::File(content) = &mut node.kind {
            content.write(at, bytes);
        }
        node.touch(now);
        Ok(())
    }

    /// Writes all bytes at the end, or none.
    pub(super) fn append(&mut self, id: NodeId, bytes: &[u8]) -> Result<(), Refused> {
        let end = self.content(id)?.size() as u64;
        self.write(id, end, bytes)
    }

    /// Cuts or lengthens a file.
    pub(super) fn resize(&mut self, id: NodeId, size: u64) -> Result<(), Refused> {
        let before = self.content(id)?.size() as u64;
        let after = usize::try_from(size).map_err(|_| ErrorCode::FileTooLarge)?;
        self.grow(id, size)?;
        let now = self.now();
        let node = self.node_mut(id)?;
        if let Kind::File(content) = &mut node.kind {
            content.resize(after);
        }
        node.touch(now);
        self.space.give_back(cost(before).saturating_sub(cost(size)));
        Ok(())
    }

    /// Charges what a file of `size` bytes costs more than it does now.
    fn grow(&mut self, id: NodeId, size: u64) -> Result<(), Refused> {
        let before = self.content(id)?.size() as u64;
        match cost(size).saturating_sub(cost(before)) {
            0 => Ok(()),
            more => self.space.charge(more),
        }
    }
}

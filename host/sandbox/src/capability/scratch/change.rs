//! What changes names: open, make, remove, rename. Each is done whole or not at all.

use super::content::Content;
use super::node::{Kind, NodeId, Times};
use super::path::Path;
use super::space::Refused;
use super::tree::{DEPTH_MAX, Tree};
use std::collections::BTreeMap;
use std::time::Duration;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// How something is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Opening {
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) truncate: bool,
    pub(super) folder: bool,
    pub(super) write: bool,
}

impl Tree {
    /// Finds or makes what is to be opened.
    pub(super) fn open(&mut self, base: NodeId, path: &Path<'_>, how: Opening) -> Result<NodeId, Refused> {
        if how.folder && (how.create || how.exclusive || how.truncate) {
            return Err(ErrorCode::Invalid.into());
        }
        match self.find(base, path) {
            Ok(_) if how.create && how.exclusive => Err(ErrorCode::Exist.into()),
            Ok(id) if id.folder && (how.write || how.create || how.truncate) => Err(ErrorCode::IsDirectory.into()),
            Ok(id) if !id.folder && how.folder => Err(ErrorCode::NotDirectory.into()),
            Ok(id) => {
                if how.truncate {
                    self.resize(id, 0)?;
                }
                Ok(id)
            }
            Err(ErrorCode::NoEntry) if how.create => {
                let folder = self.folder_of(base, path)?;
                let name = path.last.filter(|_| !path.folder).ok_or(ErrorCode::IsDirectory)?;
                self.insert(folder, name, Kind::File(Content::default()))
            }
            Err(code) => Err(code.into()),
        }
    }

    /// Makes a folder.
    pub(super) fn make_folder(&mut self, base: NodeId, path: &Path<'_>) -> Result<(), Refused> {
        let folder = self.folder_of(base, path)?;
        let name = path.last.ok_or(ErrorCode::Exist)?;
        if self.child(folder, name)?.is_some() {
            return Err(ErrorCode::Exist.into());
        }
        self.insert(folder, name, Kind::Folder(BTreeMap::new())).map(drop)
    }

    /// Removes a file.
    pub(super) fn remove_file(&mut self, base: NodeId, path: &Path<'_>) -> Result<(), Refused> {
        let folder = self.folder_of(base, path)?;
        let name = path.last.ok_or(ErrorCode::IsDirectory)?;
        match self.child(folder, name)? {
            None => Err(ErrorCode::NoEntry.into()),
            Some(id) if id.folder => Err(ErrorCode::IsDirectory.into()),
            Some(_) if path.folder => Err(ErrorCode::NotDirectory.into()),
            Some(_) => Ok(self.remove(folder, name)?),
        }
    }

    /// Removes an empty folder.
    pub(super) fn remove_folder(&mut self, base: NodeId, path: &Path<'_>) -> Result<(), Refused> {
        let folder = self.folder_of(base, path)?;
        let name = path.last.ok_or(ErrorCode::Invalid)?;
        let id = self.child(folder, name)?.ok_or(ErrorCode::NoEntry)?;
        if !self.entries(id)?.is_empty() {
            return Err(ErrorCode::NotEmpty.into());
        }
        Ok(self.remove(folder, name)?)
    }

    /// Gives something another name, in place of what had it.
    pub(super) fn rename(
        &mut self,
        (from_base, from): (NodeId, &Path<'_>),
        (to_base, to): (NodeId, &Path<'_>),
    ) -> Result<(), Refused> {
        let old_folder = self.folder_of(from_base, from)?;
        let old_name = from.last.ok_or(ErrorCode::Busy)?;
        let id = self.child(old_folder, old_name)?.ok_or(ErrorCode::NoEntry)?;
        let new_folder = self.folder_of(to_base, to)?;
        let new_name = to.last.ok_or(ErrorCode::Busy)?;
        if (from.folder || to.folder) && !id.folder {
            return Err(ErrorCode::NotDirectory.into());
        }
        let target = self.child(new_folder, new_name)?;
        if target == Some(id) {
            return Ok(());
        }
        self.check_move(id, new_folder)?;
        match target {
            None => self.space.charge(new_name.len() as u64)?,
            Some(target) => {
                self.check_replace(id, target)?;
                self.remove(new_folder, new_name)?;
                // The name stays: what was just given back is there.
                self.space.charge(new_name.len() as u64)?;
            }
        }
        self.entries_mut(old_folder)?.remove(old_name);
        self.space.give_back(old_name.len() as u64);
        self.entries_mut(new_folder)?.insert(new_name.into(), id);
        let now = self.now();
        self.node_mut(old_folder)?.touch(now);
        self.node_mut(new_folder)?.touch(now);
        let node = self.node_mut(id)?;
        node.parent = Some(new_folder);
        node.times.changed = now;
        Ok(())
    }

    /// Refuses to put a folder into itself, or anything too deep or where nothing can be any more.
    fn check_move(&self, id: NodeId, to: NodeId) -> Result<(), ErrorCode> {
        let (mut at, mut depth) = (to, 1);
        loop {
            if at == id {
                return Err(ErrorCode::Invalid);
            }
            match self.node(at)?.parent {
                Some(parent) => at = parent,
                None if at == super::node::ROOT => break,
                None => return Err(ErrorCode::NoEntry),
            }
            depth += 1;
        }
        // Going up, or staying as deep, cannot be too deep.
        let from = self.node(id)?.parent.map_or(Ok(0), |parent| self.depth(parent))? + 1;
        if depth > from && depth + self.height(id)? > DEPTH_MAX {
            return Err(ErrorCode::NameTooLong);
        }
        Ok(())
    }

    fn check_replace(&self, id: NodeId, target: NodeId) -> Result<(), ErrorCode> {
        match (id.folder, target.folder) {
            (true, false) => Err(ErrorCode::NotDirectory),
            (false, true) => Err(ErrorCode::IsDirectory),
            (true, true) if !self.entries(target)?.is_empty() => Err(ErrorCode::NotEmpty),
            (true, true) | (false, false) => Ok(()),
        }
    }

    /// How deep things lie within a folder: 0 where it is empty, and for files.
    fn height(&self, id: NodeId) -> Result<usize, ErrorCode> {
        let mut height = 0;
        let mut left = vec![(id, 0)];
        while let Some((at, depth)) = left.pop() {
            height = height.max(depth);
            if at.folder {
                let entries = self.entries(at)?;
                height = height.max(depth + usize::from(!entries.is_empty()));
                left.extend(entries.values().filter(|child| child.folder).map(|child| (*child, depth + 1)));
            }
        }
        Ok(height)
    }

    /// Sets the times that are given.
    pub(super) fn set_times(
        &mut self,
        id: NodeId,
        accessed: Option<Duration>,
        modified: Option<Duration>,
    ) -> Result<(), ErrorCode> {
        let now = self.now();
        let node = self.node_mut(id)?;
        node.times = Times {
            accessed: accessed.unwrap_or(node.times.accessed),
            modified: modified.unwrap_or(node.times.modified),
            changed: now,
        };
        Ok(())
    }
}

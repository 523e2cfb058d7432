//! The tree: its nodes, how a path finds one, and how long a node lives.
//!
//! A node lives while a folder names it or a handle keeps it, and is counted for as long. Nothing here recurses, so
//! that no depth can exhaust the stack.

use super::content::{Content, cost};
use super::node::{Kind, Node, NodeId, ROOT, Status};
use super::path::{Path, Step};
use super::space::{ENTRIES_MAX, ENTRY_BYTES, Refused, Space};
use std::collections::BTreeMap;
use std::time::Duration;
use wasmtime_wasi::HostWallClock;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// How deep folders and files may lie.
pub(super) const DEPTH_MAX: usize = 64;

/// All files and folders of one attempt.
pub(super) struct Tree {
    // Declared before the space: the memory is free before it is given back.
    pub(super) nodes: BTreeMap<NodeId, Node>,
    next: u32,
    clock: Box<dyn HostWallClock + Send>,
    pub(super) space: Space,
}

impl Tree {
    pub(super) fn new(space: Space, clock: Box<dyn HostWallClock + Send>) -> Self {
        let root = Node::new(Kind::Folder(BTreeMap::new()), None, clock.now());
        Self { nodes: BTreeMap::from([(ROOT, root)]), next: 1, clock, space }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// A node that is kept. One that is not there is a fault of ours, and a bad descriptor to the guest.
    pub(super) fn node(&self, id: NodeId) -> Result<&Node, ErrorCode> {
        self.nodes.get(&id).ok_or(ErrorCode::BadDescriptor)
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> Result<&mut Node, ErrorCode> {
        self.nodes.get_mut(&id).ok_or(ErrorCode::BadDescriptor)
    }

    pub(super) fn entries(&self, id: NodeId) -> Result<&BTreeMap<Box<str>, NodeId>, ErrorCode> {
        match &self.node(id)?.kind {
            Kind::Folder(entries) => Ok(entries),
            Kind::File(_) => Err(ErrorCode::NotDirectory),
        }
    }

    pub(super) fn entries_mut(&mut self, id: NodeId) -> Result<&mut BTreeMap<Box<str>, NodeId>, ErrorCode> {
        match &mut self.node_mut(id)?.kind {
            Kind::Folder(entries) => Ok(entries),
            Kind::File(_) => Err(ErrorCode::NotDirectory),
        }
    }

    pub(super) fn content(&self, id: NodeId) -> Result<&Content, ErrorCode> {
        match &self.node(id)?.kind {
            Kind::File(content) => Ok(content),
            Kind::Folder(_) => Err(ErrorCode::IsDirectory),
        }
    }

    /// What is under a name, where anything is.
    pub(super) fn child(&self, folder: NodeId, name: &str) -> Result<Option<NodeId>, ErrorCode> {
        Ok(self.entries(folder)?.get(name).copied())
    }

    /// The folder that the last name of a path is in.
    pub(super) fn folder_of(&self, base: NodeId, path: &Path<'_>) -> Result<NodeId, ErrorCode> {
        path.way.iter().try_fold(base, |at, step| match step {
            Step::Up => self.node(at)?.parent.ok_or(ErrorCode::NoEntry),
            Step::Down(name) => match self.child(at, name)? {
                Some(child) if child.folder => Ok(child),
                Some(_) => Err(ErrorCode::NotDirectory),
                None => Err(ErrorCode::NoEntry),
            },
        })
    }

    /// What a path leads to.
    pub(super) fn find(&self, base: NodeId, path: &Path<'_>) -> Result<NodeId, ErrorCode> {
        let folder = self.folder_of(base, path)?;
        let Some(name) = path.last else { return Ok(folder) };
        match self.child(folder, name)?.ok_or(ErrorCode::NoEntry)? {
            id if path.folder && !id.folder => Err(ErrorCode::NotDirectory),
            id => Ok(id),
        }
    }

    /// What a guest may know of a node.
    pub(super) fn status(&self, id: NodeId) -> Result<Status, ErrorCode> {
        let node = self.node(id)?;
        let size = match &node.kind {
            Kind::File(content) => content.size() as u64,
            Kind::Folder(_) => 0,
        };
        Ok(Status { id, size, links: u64::from(self.is_placed(id, node)), times: node.times })
    }

    /// Whether a name leads to a node.
    fn is_placed(&self, id: NodeId, node: &Node) -> bool {
        id == ROOT || node.parent.is_some()
    }

    /// How deep a folder lies: the root at 0.
    pub(super) fn depth(&self, folder: NodeId) -> Result<usize, ErrorCode> {
        let (mut at, mut depth) = (folder, 0);
        while let Some(parent) = self.node(at)?.parent {
            depth += 1;
            at = parent;
        }
        Ok(depth)
    }

    /// Makes an empty node under a name that is free.
    pub(super) fn insert(&mut self, folder: NodeId, name: &str, kind: Kind) -> Result<NodeId, Refused> {
        if !self.is_placed(folder, self.node(folder)?) {
            return Err(ErrorCode::NoEntry.into());
        }
        if self.depth(folder)? >= DEPTH_MAX {
            return Err(ErrorCode::NameTooLong.into());
        }
        let next = self.next.checked_add(1).ok_or(ErrorCode::InsufficientSpace)?;
        // The root is a node and no entry.
        if self.nodes.len() > ENTRIES_MAX {
            return Err(ErrorCode::InsufficientSpace.into());
        }
        self.space.charge(ENTRY_BYTES + name.len() as u64)?;
        let id = NodeId { number: self.next, folder: matches!(kind, Kind::Folder(_)) };
        self.next = next;
        let now = self.now();
        self.nodes.insert(id, Node::new(kind, Some(folder), now));
        self.entries_mut(folder)?.insert(name.into(), id);
        self.node_mut(folder)?.touch(now);
        Ok(id)
    }

    /// Takes a name away; what was under it lives on while it is open.
    pub(super) fn remove(&mut self, folder: NodeId, name: &str) -> Result<(), ErrorCode> {
        let id = self.entries_mut(folder)?.remove(name).ok_or(ErrorCode::NoEntry)?;
        self.space.give_back(name.len() as u64);
        let now = self.now();
        self.node_mut(folder)?.touch(now);
        let node = self.node_mut(id)?;
        node.parent = None;
        node.times.changed = now;
        self.forget_unless_kept(id);
        Ok(())
    }

    /// Notes one more handle on a node.
    pub(super) fn keep(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.handles = node.handles.saturating_add(1);
        }
    }

    /// Notes one handle less.
    pub(super) fn let_go(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.handles = node.handles.saturating_sub(1);
            self.forget_unless_kept(id);
        }
    }

    fn forget_unless_kept(&mut self, id: NodeId) {
        let gone = self.nodes.get(&id).filter(|node| node.handles == 0 && !self.is_placed(id, node));
        let Some(node) = gone else { return };
        let content = match &node.kind {
            Kind::File(content) => cost(content.size() as u64),
            Kind::Folder(_) => 0,
        };
        self.nodes.remove(&id);
        self.space.give_back(ENTRY_BYTES + content);
    }
}

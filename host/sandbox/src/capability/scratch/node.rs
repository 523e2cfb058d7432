//! One file or folder of a tree.

use super::content::Content;
use std::collections::BTreeMap;
use std::time::Duration;

/// Which node. Numbers are given once, so that one who kept an id never finds another node under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId {
    pub(super) number: u32,
    pub(super) folder: bool,
}

/// The folder that all others are in.
pub(super) const ROOT: NodeId = NodeId { number: 0, folder: true };

/// What a node is.
pub(super) enum Kind {
    File(Content),
    Folder(BTreeMap<Box<str>, NodeId>),
}

/// When something happened to a node, from the Unix epoch. Reading changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) accessed: Duration,
    pub(super) modified: Duration,
    pub(super) changed: Duration,
}

/// A file or a folder.
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) times: Times,
    /// The folder it is in; none for the root, and for what was removed and is still open.
    pub(super) parent: Option<NodeId>,
    /// How many handles of the guest keep it.
    pub(super) handles: u32,
}

/// What a guest may know of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) id: NodeId,
    pub(super) size: u64,
    pub(super) links: u64,
    pub(super) times: Times,
}

impl Node {
    pub(super) fn new(kind: Kind, parent: Option<NodeId>, now: Duration) -> Self {
        let times = Times { accessed: now, modified: now, changed: now };
        Self { kind, times, parent, handles: 0 }
    }

    /// Notes that the node was written to.
    pub(super) fn touch(&mut self, now: Duration) {
        self.times.modified = now;
        self.times.changed = now;
    }
}

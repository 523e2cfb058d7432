//! The folder of one attempt, as the attempt and its handles share it.

use super::node::{NodeId, ROOT};
use super::space::{Refused, Space};
use super::tree::Tree;
use crate::attempt::budget::{BudgetShort, Purse};
use lovage_job::unit::ByteSize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::HostWallClock;
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// The scratch folder of one attempt. Clones are the same folder.
#[derive(Clone)]
pub(crate) struct Folder(Arc<Shared>);

struct Shared {
    tree: Mutex<Tree>,
    waiting: AtomicBool,
}

/// A handle on a node; the node lives at least as long.
pub(super) struct Kept {
    pub(super) folder: Folder,
    pub(super) id: NodeId,
}

/// Why something is not done, once waiting for memory was no help either.
#[derive(Debug)]
pub(super) enum Failed {
    Code(ErrorCode),
    Short,
}

impl From<Failed> for FsError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Code(code) => code.into(),
            Failed::Short => Self::trap(BudgetShort),
        }
    }
}

impl Folder {
    /// An empty folder that holds at most `quota`, within what the worker has.
    pub(crate) fn new(quota: ByteSize, purse: Arc<Purse>, clock: Box<dyn HostWallClock + Send>) -> Self {
        let tree = Tree::new(Space::new(quota.0, purse), clock);
        Self(Arc::new(Shared { tree: Mutex::new(tree), waiting: AtomicBool::new(false) }))
    }

    /// The most bytes that were in it at once.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.tree().space.peak()
    }

    /// True while the guest waits for the worker's memory.
    pub(crate) fn waiting(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Never held across an await.
    pub(super) fn tree(&self) -> MutexGuard<'_, Tree> {
        self.0.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle on the folder itself.
    pub(super) fn root(&self) -> Kept {
        Kept::new(self, ROOT, &mut self.tree())
    }

    /// Does something that may have to wait for the worker's memory. What is refused has changed nothing.
    pub(super) async fn perform<T>(
        &self,
        change: impl Fn(&mut Tree) -> Result<T, Refused> + Send,
    ) -> Result<T, Failed> {
        loop {
            let (pages, purse) = {
                let mut tree = self.tree();
                match change(&mut tree) {
                    Ok(done) => return Ok(done),
                    Err(Refused::Code(code)) => return Err(Failed::Code(code)),
                    Err(Refused::Short(pages)) => (pages, tree.space.purse()),
                }
            };
            // Read after the attempt's deadline, should that come first. The attempt holds its own memory already.
            self.0.waiting.store(true, Ordering::Relaxed);
            purse.take(pages, true).await.map_err(|BudgetShort| Failed::Short)?;
            self.0.waiting.store(false, Ordering::Relaxed);
            self.tree().space.add_taken(pages);
        }
    }

    /// Waits until `bytes` more can be written without waiting. The wait may be given up at any time, so it is not
    /// told of.
    pub(super) async fn reserve(&self, bytes: u64) -> Result<(), BudgetShort> {
        loop {
            let (pages, purse) = {
                let mut tree = self.tree();
                match tree.space.reserve(bytes) {
                    Ok(()) | Err(Refused::Code(_)) => return Ok(()),
                    Err(Refused::Short(pages)) => (pages, tree.space.purse()),
                }
            };
            purse.take(pages, true).await?;
            self.tree().space.add_taken(pages);
        }
    }
}

impl Kept {
    /// Keeps a node of `tree`, which is that of `folder`.
    pub(super) fn new(folder: &Folder, id: NodeId, tree: &mut Tree) -> Self {
        tree.keep(id);
        Self { folder: folder.clone(), id }
    }
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        Self::new(&self.folder, self.id, &mut self.folder.tree())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.folder.tree().let_go(self.id);
    }
}

//! What the host keeps for one attempt: the data of its store.

use crate::attempt::asked::Asked;
use crate::attempt::cancel::CancelSignal;
use crate::attempt::journal::Journal;
use crate::attempt::memory::MemoryLimiter;
use crate::attempt::services::Services;
use crate::capability::prepared::Capable;
use crate::capability::scratch::{Folder, ScratchView};
use crate::shape::egress::Egress;
use std::sync::Arc;
use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// One attempt's cell.
pub(crate) struct Cell {
    pub(crate) table: ResourceTable,
    pub(crate) wasi: WasiCtx,
    pub(crate) http: WasiHttpCtx,
    pub(crate) egress: Egress,
    pub(crate) memory: MemoryLimiter,
    pub(crate) journal: Journal,
    pub(crate) deadline: Instant,
    /// When the guest is asked to stop, where that is before the deadline.
    pub(crate) soft_deadline: Option<Instant>,
    pub(crate) cancel: Option<CancelSignal>,
    pub(crate) services: Option<Arc<dyn Services>>,
    pub(crate) asked: Asked,
    /// The scratch folder, where it is granted.
    pub(crate) scratch: Option<Folder>,
    /// What the guest was granted beyond its sandbox.
    pub(crate) capable: Capable,
}

impl WasiView for Cell {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Cell {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.egress, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Why the guest should stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asking {
    Cancelled(String),
    SoftTimeout,
    Shutdown,
}

impl Cell {
    /// What the guest's calls to a file system work on.
    pub(crate) fn scratch(&mut self) -> ScratchView<'_> {
        ScratchView { folder: self.scratch.as_ref(), table: &mut self.table }
    }

    /// Whether the guest waits for the worker's memory.
    pub(crate) fn waits_for_memory(&self) -> bool {
        self.memory.waiting() || self.scratch.as_ref().is_some_and(Folder::waiting)
    }

    /// The most that the guest held at once: its memory, and its scratch folder.
    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        let memory = u64::try_from(self.memory.peak_bytes()).unwrap_or(u64::MAX);
        memory.saturating_add(self.scratch.as_ref().map_or(0, Folder::peak_bytes))
    }

    /// Why the guest should stop, where it should. A cancel goes before a soft timeout: it decides how the job ends.
    pub(crate) fn asks_to_stop(&self) -> Option<Asking> {
        if let Some(signal) = self.cancel.as_ref().filter(|signal| signal.answer()) {
            return Some(Asking::Cancelled(signal.reason().unwrap_or_default().to_owned()));
        }
        if self.soft_deadline.is_some_and(|soft| Instant::now() >= soft) {
            return Some(Asking::SoftTimeout);
        }
        self.cancel.as_ref().filter(|signal| signal.is_shutdown()).map(|_| Asking::Shutdown)
    }
}

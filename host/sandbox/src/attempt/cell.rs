//! What the host keeps for one attempt: the data of its store.

use crate::attempt::cancel::CancelSignal;
use crate::attempt::journal::Journal;
use crate::attempt::memory::MemoryLimiter;
use crate::shape::egress::NoEgress;
use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// One attempt's cell.
pub(crate) struct Cell {
    pub(crate) table: ResourceTable,
    pub(crate) wasi: WasiCtx,
    pub(crate) http: WasiHttpCtx,
    pub(crate) egress: NoEgress,
    pub(crate) memory: MemoryLimiter,
    pub(crate) journal: Journal,
    pub(crate) deadline: Instant,
    pub(crate) cancel: Option<CancelSignal>,
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

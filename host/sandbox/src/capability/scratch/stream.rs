//! Streams into and out of files. A write is done when the call returns; nothing is kept in between.

use super::folder::{Failed, Kept};
use super::space::Refused;
use super::tree::Tree;
use crate::attempt::budget::BudgetShort;
use bytes::Bytes;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes of one read or write.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
/// What a chunk can cost: it may begin and end within a block.
const CHUNK_COST: u64 = (CHUNK_BYTES + super::content::BLOCK_BYTES) as u64;

/// A stream out of a file.
pub(super) struct Reading {
    kept: Kept,
    at: u64,
}

impl Reading {
    pub(super) fn new(kept: Kept, at: u64) -> Self {
        Self { kept, at }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reading {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reading {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let (bytes, _) = self.kept.folder.tree().read(self.kept.id, self.at, size.min(CHUNK_BYTES)).map_err(failed)?;
        if bytes.is_empty() && size > 0 {
            return Err(StreamError::Closed);
        }
        self.at = self.at.saturating_add(bytes.len() as u64);
        Ok(bytes.into())
    }
}

/// A stream into a file: from a position on, or always at its end.
pub(super) struct Writing {
    kept: Kept,
    at: Option<u64>,
    /// Whether the worker's memory was waited for in vain.
    short: bool,
}

impl Writing {
    pub(super) fn new(kept: Kept, at: Option<u64>) -> Self {
        Self { kept, at, short: false }
    }

    fn put(&self, tree: &mut Tree, bytes: &[u8]) -> Result<(), Refused> {
        match self.at {
            Some(at) => tree.write(self.kept.id, at, bytes),
            None => tree.append(self.kept.id, bytes),
        }
    }

    fn advance(&mut self, count: usize) {
        self.at = self.at.map(|at| at.saturating_add(count as u64));
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writing {
    async fn ready(&mut self) {
        self.short = self.kept.folder.reserve(CHUNK_COST).await.is_err();
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Writing {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > CHUNK_BYTES {
            return Err(StreamError::trap("more was written than the stream allowed"));
        }
        let done = self.put(&mut self.kept.folder.tree(), &bytes);
        match done {
            Ok(()) => self.advance(bytes.len()),
            Err(Refused::Code(code)) => return Err(failed(code)),
            // Another stream wrote what this one was promised.
            Err(Refused::Short(_)) => return Err(StreamError::Trap(BudgetShort.into())),
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match self.kept.folder.tree().space.reserve(CHUNK_COST) {
            Ok(()) | Err(Refused::Code(_)) => Ok(CHUNK_BYTES),
            Err(Refused::Short(_)) if self.short => Err(StreamError::Trap(BudgetShort.into())),
            Err(Refused::Short(_)) => Ok(0),
        }
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        let this = &*self;
        let done = this.kept.folder.perform(|tree| this.put(tree, &bytes)).await;
        match done {
            Ok(()) => self.advance(bytes.len()),
            Err(Failed::Code(code)) => return Err(failed(code)),
            Err(Failed::Short) => return Err(StreamError::Trap(BudgetShort.into())),
        }
        Ok(())
    }
}

/// An error that `filesystem-error-code` finds the code of.
fn failed(code: ErrorCode) -> StreamError {
    StreamError::LastOperationFailed(code.into())
}

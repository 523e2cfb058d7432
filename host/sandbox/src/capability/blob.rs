//! Blobs on their way: bytes that the host holds between a guest and its worker, counted against the attempt.

use crate::attempt::host_memory::Hold;
use crate::attempt::pipe::PayloadPipe;
use bytes::Bytes;
use lovage_job::storage::BLOB_BYTES_MAX;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes of one write.
const CHUNK_BYTES: usize = 64 << 10;

/// The guest wrote more than a blob may have, or than there is room for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Overflow(String);

/// A blob that the guest writes.
pub struct OutgoingValue {
    body: Body,
    /// Whether the guest has its stream.
    pub(super) taken: bool,
    /// Where it goes: container and name.
    pub(super) target: Option<(String, String)>,
}

/// What was written so far. Clones are the same.
#[derive(Clone)]
pub(super) struct Body(Arc<Mutex<Written>>);

struct Written {
    bytes: Vec<u8>,
    hold: Hold,
    closed: bool,
}

impl OutgoingValue {
    /// Nothing written yet.
    pub(super) fn new(hold: Hold) -> Self {
        let written = Written { bytes: Vec::new(), hold, closed: false };
        Self { body: Body(Arc::new(Mutex::new(written))), taken: false, target: None }
    }

    /// A stream into it.
    pub(super) fn stream(&self) -> Body {
        self.body.clone()
    }

    /// Ends it and gives what was written; a stream that is still open is closed.
    pub(super) fn close(&self) -> Vec<u8> {
        let mut written = self.body.written();
        written.closed = true;
        std::mem::take(&mut written.bytes)
    }
}

impl Body {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Body {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Body {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut written = self.written();
        if written.closed {
            return Err(StreamError::Closed);
        }
        let size = written.bytes.len().saturating_add(bytes.len());
        let refused = match size {
            size if size > BLOB_BYTES_MAX => Some(format!("a blob is larger than {BLOB_BYTES_MAX} bytes")),
            _ if !written.hold.grow(bytes.len()) => Some("there is no room for more of the blob".to_owned()),
            _ => None,
        };
        if let Some(text) = refused {
            written.closed = true;
            written.bytes = Vec::new();
            return Err(StreamError::LastOperationFailed(Overflow(text).into()));
        }
        written.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        if self.written().closed { Err(StreamError::Closed) } else { Ok(CHUNK_BYTES) }
    }
}

/// A blob, or a part of one, that the guest reads.
pub struct IncomingValue {
    bytes: Bytes,
    hold: Hold,
}

impl IncomingValue {
    /// What was read.
    pub(super) fn new(bytes: Vec<u8>, hold: Hold) -> Self {
        Self { bytes: bytes.into(), hold }
    }

    /// How much there is.
    pub(super) fn size(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    /// All of it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes.into()
    }

    /// A stream of it.
    pub(super) fn into_stream(self) -> Reading {
        Reading { pipe: PayloadPipe::new(self.bytes), _hold: self.hold }
    }
}

/// A stream out of a blob.
pub(super) struct Reading {
    pipe: PayloadPipe,
    _hold: Hold,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reading {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reading {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.pipe.read(size.min(CHUNK_BYTES))
    }
}

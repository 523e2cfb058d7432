//! The standard streams of a guest: into the journal, or into a result of bounded size.

use crate::attempt::journal::Journal;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes of one write.
const CHUNK_BYTES: usize = 64 << 10;

/// A stream into the log; what is too much is dropped, and the guest does not notice.
#[derive(Clone)]
pub(crate) struct LogPipe(pub(crate) Journal);

impl IsTerminal for LogPipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogPipe {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogPipe {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for LogPipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK_BYTES)
    }
}

/// The guest wrote more than its result may have.
#[derive(Debug, thiserror::Error)]
#[error("the result is larger than its limit")]
pub(crate) struct OutputOverflow;

/// A stream into the result; the first byte too much ends the attempt.
#[derive(Clone)]
pub(crate) struct ResultPipe {
    body: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl ResultPipe {
    pub(crate) fn new(limit: usize) -> Self {
        Self { body: Arc::default(), limit }
    }

    /// Gives what was written.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.body.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl IsTerminal for ResultPipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for ResultPipe {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for ResultPipe {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for ResultPipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        if body.len().saturating_add(bytes.len()) > self.limit {
            return Err(StreamError::Trap(OutputOverflow.into()));
        }
        body.extend_from_slice(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK_BYTES)
    }
}

/// A stream out of the payload. All streams that a guest opens share one position.
#[derive(Clone)]
pub(crate) struct PayloadPipe(Arc<Mutex<Bytes>>);

impl PayloadPipe {
    pub(crate) fn new(payload: Bytes) -> Self {
        Self(Arc::new(Mutex::new(payload)))
    }
}

impl IsTerminal for PayloadPipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for PayloadPipe {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for PayloadPipe {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl InputStream for PayloadPipe {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut payload = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if payload.is_empty() {
            return Err(StreamError::Closed);
        }
        let size = size.min(payload.len());
        Ok(payload.split_to(size))
    }
}

//! What a guest may import, and nothing else.
//!
//! One linker serves every shape: a component gets only what it names. WASI is there in full because tool chains
//! import it in full, but with an empty environment, no folder, and every socket and outgoing request refused.

use crate::attempt::cell::{Asking, Cell};
use crate::attempt::event::LogLevel;
use crate::bindings::{Task, job_context, types};
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

/// Everything a guest can import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Cell>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Task::add_to_linker::<Cell, HasSelf<Cell>>(&mut linker, |cell| cell)?;
    Ok(linker)
}

/// An interface of types alone.
impl types::Host for Cell {}

impl job_context::Host for Cell {
    fn progress(&mut self, fraction: Option<f64>, message: String) -> wasmtime::Result<()> {
        self.journal.progress(fraction, &message);
        Ok(())
    }

    fn log(&mut self, level: job_context::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            job_context::Level::Trace => LogLevel::Trace,
            job_context::Level::Debug => LogLevel::Debug,
            job_context::Level::Info => LogLevel::Info,
            job_context::Level::Warn => LogLevel::Warn,
            job_context::Level::Error => LogLevel::Error,
        };
        self.journal.line(level, &message);
        Ok(())
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(matches!(self.asks_to_stop(), Some(Asking::Cancelled(_) | Asking::SoftTimeout)))
    }

    fn stop_reason(&mut self) -> wasmtime::Result<Option<job_context::Stop>> {
        Ok(self.asks_to_stop().map(|asking| match asking {
            Asking::Cancelled(reason) => job_context::Stop::Cancelled(reason),
            Asking::SoftTimeout => job_context::Stop::SoftTimeout,
            Asking::Shutdown => job_context::Stop::Shutdown,
        }))
    }
}

//! The sandbox: an engine with its pool, its clock, its linker and the components it has loaded.

use crate::attempt::budget::MemoryBudget;
use crate::attempt::cell::Cell;
use crate::engine::config::{PoolSize, running};
use crate::engine::reset::{ResetMode, ResetPolicy};
use crate::engine::ticker::Ticker;
use crate::linker::linker;
use crate::load::Loaded;
use lovage_job::unit::ByteSize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::Engine;
use wasmtime::component::Linker;

/// The smallest stack a guest can get.
const STACK_MIN: usize = 64 << 10;

/// How large a sandbox is.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Attempts that run at once.
    pub concurrency: usize,
    /// Linear memory of all attempts together.
    pub memory_budget: ByteSize,
    /// Linear memory of one attempt, the ceiling over every limit; at most 4 GiB.
    pub memory_max: ByteSize,
    /// A guest's stack.
    pub stack_max: ByteSize,
    /// How often a busy guest is looked at.
    pub epoch_tick: Duration,
    /// How what a guest leaves behind is wiped.
    pub reset: ResetPolicy,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            concurrency: 16,
            memory_budget: ByteSize::mib(1024),
            memory_max: ByteSize::mib(1024),
            stack_max: ByteSize::kib(512),
            epoch_tick: Duration::from_millis(2),
            reset: ResetPolicy::Auto,
        }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine refuses its configuration, or the kernel its address space.
    #[error("the WebAssembly engine does not start with {concurrency} sandboxes: {message}")]
    Engine {
        /// The attempts at once that were asked for.
        concurrency: usize,
        /// What the engine says.
        message: String,
    },
    /// No thread for the engine's clock.
    #[error("the engine's clock does not start: {0}")]
    Ticker(#[source] std::io::Error),
}

/// What is going on in a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxMetrics {
    /// Attempts that could start at once.
    pub slots_free: usize,
    /// Linear memory that no attempt holds.
    pub memory_free_bytes: u64,
    /// Components that are loaded.
    pub components: usize,
}

/// An engine that runs tasks. Clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox(pub(crate) Arc<Room>);

/// What all tasks of a sandbox share.
pub(crate) struct Room {
    // Declared before the engine: it stops first.
    _ticker: Ticker,
    engine: Engine,
    pub(crate) linker: Linker<Cell>,
    pub(crate) loaded: Mutex<HashMap<PathBuf, Weak<Loaded>>>,
    slots: Semaphore,
    budget: Arc<MemoryBudget>,
    memory_bytes_max: usize,
    reset: ResetMode,
}

impl Room {
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn budget(&self) -> Arc<MemoryBudget> {
        self.budget.clone()
    }

    pub(crate) fn memory_bytes_max(&self) -> usize {
        self.memory_bytes_max
    }

    /// A place in the pool, where one is free.
    pub(crate) fn try_slot(&self) -> Option<SemaphorePermit<'_>> {
        self.slots.try_acquire().ok()
    }

    /// Waits for a place in the pool.
    pub(crate) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.slots.acquire().await.ok()
    }
}

impl Sandbox {
    /// Reserves the pool and starts the clock.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let reset = config.reset.choose();
        Self::with_reset(config, reset)
    }

    /// As [`Sandbox::new`], where how slots are wiped is known: a jailed process cannot look any more.
    pub(crate) fn with_reset(config: SandboxConfig, reset: ResetMode) -> Result<Self, SandboxError> {
        let failed = |error: wasmtime::Error| SandboxError::Engine {
            concurrency: config.concurrency,
            message: format!("{error:#}"),
        };
        let concurrency = config.concurrency.clamp(1, 8000);
        let memory_bytes_max = config.memory_max.as_usize().min(4 << 30);
        let size = PoolSize {
            concurrency: u32::try_from(concurrency).unwrap_or(u32::MAX),
            memory_bytes_max,
            stack_bytes_max: config.stack_max.as_usize().max(STACK_MIN),
        };
        let engine = Engine::new(&running(&size, reset)).map_err(failed)?;
        let linker = linker(&engine).map_err(failed)?;
        let ticker = Ticker::start(&engine, config.epoch_tick.max(Duration::from_millis(1)));
        Ok(Self(Arc::new(Room {
            _ticker: ticker.map_err(SandboxError::Ticker)?,
            engine,
            linker,
            loaded: Mutex::default(),
            slots: Semaphore::new(concurrency),
            budget: MemoryBudget::new(config.memory_budget.as_usize()),
            memory_bytes_max,
            reset,
        })))
    }

    /// How slots are wiped between two guests.
    pub fn reset_mode(&self) -> ResetMode {
        self.0.reset
    }

    /// What is going on.
    pub fn metrics(&self) -> SandboxMetrics {
        let loaded = self.0.loaded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        SandboxMetrics {
            slots_free: self.0.slots.available_permits(),
            memory_free_bytes: self.0.budget.free_bytes(),
            components: loaded.values().filter(|entry| entry.strong_count() > 0).count(),
        }
    }
}

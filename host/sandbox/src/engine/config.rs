//! The engine's configuration, in one place: what the compiler and the sandbox must agree on, and what only the
//! sandbox needs.
//!
//! An artefact loads only into an engine whose tunables are those it was compiled with, so both sides start from
//! [`shared`]. Nothing here may differ between two workers of one version.

use crate::engine::reset::ResetMode;
use std::num::NonZeroUsize;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, RegallocAlgorithm,
    WasmBacktraceDetails,
};

/// Frames of a guest's backtrace that are kept.
const BACKTRACE_FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(48).unwrap();
/// What the host needs of a fiber's stack above the guest's share.
const HOST_STACK_BYTES: usize = 512 << 10;
/// Core instances of one component: a Python component has 14, a composition a few each.
pub(crate) const INSTANCES_MAX: u32 = 64;
/// Slots that are reset together: each one as its attempt ends. In a batch they would keep what their guests wrote,
/// which no budget counts any more, until enough others ended on the same thread.
const DECOMMIT_BATCH: usize = 1;
/// Memories and tables beyond those that attempts have on average: a few components with more run all the same.
const SPARE_SLOTS: u32 = 32;
/// Linear memories of one component.
pub(crate) const MEMORIES_MAX: u32 = 4;
/// Tables of one component.
const TABLES_MAX: u32 = 16;
/// Elements of one table, the ceiling over every limit.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 100_000;

/// What compiler and sandbox have in common.
fn shared() -> Config {
    let mut config = Config::new();
    // Doubles the price of every call, and carries most of the recent advisories.
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.consume_fuel(true);
    config.memory_init_cow(true);
    config.cranelift_opt_level(OptLevel::Speed);
    // Source lines would need the host to parse debug sections that a guest's author wrote.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES_MAX));
    config.gc_support(false);
    config.wasm_threads(false);
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    config.wasm_custom_page_sizes(false);
    config.wasm_wide_arithmetic(false);
    // Multiple memories and tail calls stay on: compositions and QuickJS builds need them, and compiling a
    // composition without the former panics in the compiler.
    config
}

/// For compiling: no pool, so that a limit on address space can hold. `single_pass` trades speed of the code for
/// bounded work in the register allocator; the artefact loads all the same.
pub(crate) fn compiling(single_pass: bool) -> Config {
    let mut config = shared();
    if single_pass {
        config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    }
    config
}

/// What sizes the pool.
pub(crate) struct PoolSize {
    /// Components that run at once.
    pub(crate) concurrency: u32,
    /// Bytes of one linear memory, at most.
    pub(crate) memory_bytes_max: usize,
    /// Bytes of a guest's stack.
    pub(crate) stack_bytes_max: usize,
}

/// For running.
pub(crate) fn running(size: &PoolSize, reset: ResetMode) -> Config {
    let mut config = shared();
    config.max_wasm_stack(size.stack_bytes_max);
    config.async_stack_size(size.stack_bytes_max.saturating_add(HOST_STACK_BYTES));
    config.async_stack_zeroing(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(size, reset)));
    config
}

fn pool(size: &PoolSize, reset: ResetMode) -> PoolingAllocationConfig {
    let at_once = size.concurrency.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(at_once);
    pool.total_stacks(at_once);
    pool.total_memories(at_once.saturating_mul(2).max(MEMORIES_MAX).saturating_add(SPARE_SLOTS));
    pool.total_tables(at_once.saturating_mul(8).max(TABLES_MAX).saturating_add(SPARE_SLOTS));
    pool.total_core_instances(at_once.saturating_mul(INSTANCES_MAX));
    pool.max_core_instances_per_component(INSTANCES_MAX);
    pool.max_memories_per_component(MEMORIES_MAX);
    pool.max_memories_per_module(MEMORIES_MAX);
    pool.max_tables_per_component(TABLES_MAX);
    pool.max_tables_per_module(MEMORIES_MAX);
    pool.table_elements(TABLE_ELEMENTS_MAX);
    pool.max_memory_size(size.memory_bytes_max);
    pool.max_unused_warm_slots(at_once.saturating_mul(2));
    pool.decommit_batch_size(DECOMMIT_BATCH);
    match reset {
        ResetMode::Safe => {
            pool.pagemap_scan(Enabled::No);
        }
        ResetMode::Fast => {
            pool.pagemap_scan(Enabled::Auto);
            pool.linear_memory_keep_resident(1 << 20);
            pool.table_keep_resident(64 << 10);
            pool.async_stack_keep_resident(16 << 10);
        }
    }
    pool
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::Engine;

    #[test]
    fn both_register_allocators_and_the_pool_agree_on_artefacts() {
        let size = PoolSize { concurrency: 1, memory_bytes_max: 1 << 20, stack_bytes_max: 512 << 10 };
        let pool = Engine::new(&running(&size, ResetMode::Safe)).unwrap();
        let wasm = wat::parse_str("(component)").unwrap();
        for single_pass in [false, true] {
            let compiler = Engine::new(&compiling(single_pass)).unwrap();
            let artefact = compiler.precompile_component(&wasm).unwrap();
            #[allow(unsafe_code)]
            // SAFETY: the bytes come from the compiler one line above.
            let loaded = unsafe { wasmtime::component::Component::deserialize(&pool, &artefact) };
            loaded.unwrap();
        }
    }
}

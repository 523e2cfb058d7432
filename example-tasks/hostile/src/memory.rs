//! Tasks that take memory, or look at what it held before.

use core::arch::wasm32::{memory_grow, memory_size};
use std::hint::black_box;

use lovage_task::{Bytes, TaskError, payload, task};

const MIB: usize = 1 << 20;
const PAGE_BYTES: usize = 65_536;
const PAGES_PER_MIB: usize = MIB / PAGE_BYTES;

/// Allocates and touches memory without end, or this many MiB, and gives back how many it got.
#[task]
fn hog(mib: Option<u64>) -> u64 {
    let mut held = Vec::new();
    while mib.is_none_or(|mib| (held.len() as u64) < mib) {
        held.push(black_box(vec![1_u8; MIB]));
    }
    held.len() as u64
}

/// Gives back this many bytes.
#[task]
fn big_output(bytes: usize) -> Bytes {
    Bytes::new(vec![b'x'; bytes])
}

#[payload]
struct Residue {
    bytes: usize,
    /// Bytes that were not zero although nobody had written them.
    nonzero: usize,
}

/// Grows memory by this many MiB (16 where absent), counts bytes that are not zero, then fills it with a pattern.
#[task]
fn residue(mib: Option<usize>) -> Result<Residue, TaskError> {
    let pages = mib.unwrap_or(16).saturating_mul(PAGES_PER_MIB);
    let start = memory_grow::<0>(pages);
    if start == usize::MAX {
        return Err(TaskError::permanent(format!("memory does not grow by {pages} pages from {}", memory_size::<0>())));
    }
    let bytes = pages * PAGE_BYTES;
    // SAFETY: `memory_grow` has just given these pages to this call, and nothing else knows of them.
    let fresh = unsafe { std::slice::from_raw_parts_mut((start * PAGE_BYTES) as *mut u8, bytes) };
    let nonzero = black_box(&mut *fresh).iter().filter(|byte| **byte != 0).count();
    black_box(fresh).fill(0xA5);
    Ok(Residue { bytes, nonzero })
}

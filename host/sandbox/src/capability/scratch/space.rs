//! How much a tree may hold: its quota, and the memory of the worker that it draws on.
//!
//! Everything is charged before it is there. The worker's memory is taken in pages as the tree grows and given back
//! with the tree; where it is short, the guest waits as it would for linear memory.

use crate::attempt::budget::{BudgetShort, PAGE_BYTES, Purse};
use std::sync::Arc;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// What a file or folder costs beside its name and its content.
pub(super) const ENTRY_BYTES: u64 = 1024;
/// The most files and folders of a tree, those included that are removed but still open.
pub(super) const ENTRIES_MAX: usize = 65_536;
/// One byte in so many is for what keeps the blocks of files together.
const BOOKKEEPING: u64 = 64;

/// Why something is not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The guest is told.
    Code(ErrorCode),
    /// The worker has no memory now; to be asked again once there are so many pages more.
    Short(usize),
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

/// What a tree may hold and holds, in bytes.
pub(super) struct Space {
    quota: u64,
    used: u64,
    peak: u64,
    purse: Arc<Purse>,
    taken_pages: usize,
}

impl Space {
    pub(super) fn new(quota: u64, purse: Arc<Purse>) -> Self {
        // More than the worker ever has could only be waited for in vain.
        let quota = quota.min(purse.total_bytes().saturating_sub(purse.total_bytes() / BOOKKEEPING));
        Self { quota, used: 0, peak: 0, purse, taken_pages: 0 }
    }

    /// The most that was held at once.
    pub(super) fn peak(&self) -> u64 {
        self.peak
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Counts `bytes` more, or nothing.
    pub(super) fn charge(&mut self, bytes: u64) -> Result<(), Refused> {
        let used = self.used.checked_add(bytes).filter(|used| *used <= self.quota);
        let used = used.ok_or(ErrorCode::InsufficientSpace)?;
        self.cover(used)?;
        self.used = used;
        self.peak = self.peak.max(used);
        Ok(())
    }

    /// Makes sure that `bytes` more, or what the quota leaves of them, can be charged without waiting.
    pub(super) fn reserve(&mut self, bytes: u64) -> Result<(), Refused> {
        self.cover(self.used.saturating_add(bytes).min(self.quota))
    }

    /// Counts `bytes` less.
    pub(super) fn give_back(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.used);
        self.used = self.used.saturating_sub(bytes);
    }

    /// Takes what the worker's memory lacks for `used` bytes.
    fn cover(&mut self, used: u64) -> Result<(), Refused> {
        let bytes = used.saturating_add(used / BOOKKEEPING);
        let pages = usize::try_from(bytes.div_ceil(PAGE_BYTES as u64)).unwrap_or(usize::MAX);
        let lacking = pages.saturating_sub(self.taken_pages);
        if lacking > 0 {
            self.purse.try_take(lacking).map_err(|BudgetShort| Refused::Short(lacking))?;
            self.taken_pages += lacking;
        }
        Ok(())
    }

    pub(super) fn purse(&self) -> Arc<Purse> {
        self.purse.clone()
    }

    /// Adds pages that were waited for.
    pub(super) fn add_taken(&mut self, pages: usize) {
        self.taken_pages += pages;
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.purse.give_back(self.taken_pages);
    }
}

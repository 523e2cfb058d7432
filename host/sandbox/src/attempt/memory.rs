//! Linear memory and tables of one attempt, under its own limit and the budget of the whole process.
//!
//! The limit is over all memories of the instance together. The budget is taken before a memory grows and given back
//! when the attempt is over; where it is short, the guest waits for others to finish. Two attempts that both hold
//! memory and wait for more could wait for each other, so that wait has an end.

use super::budget::{BudgetShort, PAGE_BYTES, Purse};
use crate::engine::config::MEMORIES_MAX;
use std::sync::Arc;
use wasmtime::ResourceLimiterAsync;

/// What one attempt may use and uses.
pub(crate) struct MemoryLimiter {
    limit_bytes: usize,
    table_elements: usize,
    instances: usize,
    held_bytes: usize,
    peak_bytes: usize,
    denied: bool,
    waiting: bool,
    purse: Arc<Purse>,
    taken_pages: usize,
}

impl MemoryLimiter {
    pub(crate) fn new(purse: Arc<Purse>, limit_bytes: usize, table_elements: usize, instances: usize) -> Self {
        Self {
            limit_bytes,
            table_elements,
            instances,
            held_bytes: 0,
            peak_bytes: 0,
            denied: false,
            waiting: false,
            purse,
            taken_pages: 0,
        }
    }

    /// What the guest may hold, in bytes.
    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// The most that was held at once, in bytes.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }

    /// True once the guest was refused memory because of its limit.
    pub(crate) fn denied(&self) -> bool {
        self.denied
    }

    /// True while the guest waits for the budget.
    pub(crate) fn waiting(&self) -> bool {
        self.waiting
    }

    async fn take(&mut self, pages: usize) -> Result<(), BudgetShort> {
        if self.purse.try_take(pages).is_err() {
            // Read after the attempt's deadline, should that come first.
            self.waiting = true;
            self.purse.take(pages, self.taken_pages > 0).await?;
            self.waiting = false;
        }
        self.taken_pages += pages;
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl ResourceLimiterAsync for MemoryLimiter {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let total = self.held_bytes.saturating_add(more);
        if total > self.limit_bytes {
            self.denied = true;
            return Ok(false);
        }
        // The guest's own bound, which is no fault of the limit.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.take(more.div_ceil(PAGE_BYTES)).await?;
        self.held_bytes = total;
        self.peak_bytes = self.peak_bytes.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // More than any memory can have, or the kernel has none. What was counted stays counted: too much is safe,
        // and a guest could otherwise make the count sink by failing on purpose.
        self.denied = true;
        Ok(())
    }

    async fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        usize::try_from(MEMORIES_MAX).unwrap_or(usize::MAX)
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        self.purse.give_back(self.taken_pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::budget::MemoryBudget;

    const PAGE: usize = PAGE_BYTES;

    fn limiter(budget: &Arc<MemoryBudget>, pages: usize) -> MemoryLimiter {
        MemoryLimiter::new(budget.purse("one"), pages * PAGE, 10, 4)
    }

    #[tokio::test]
    async fn the_limit_is_over_all_memories() {
        let budget = MemoryBudget::new(100 * PAGE);
        let mut limiter = limiter(&budget, 3);
        assert!(limiter.memory_growing(0, 2 * PAGE, None).await.unwrap());
        assert!(limiter.memory_growing(0, PAGE, None).await.unwrap());
        assert!(!limiter.denied());
        assert!(!limiter.memory_growing(PAGE, 2 * PAGE, None).await.unwrap());
        assert!(limiter.denied());
        assert_eq!(limiter.peak_bytes(), 3 * PAGE);
        assert_eq!(budget.free_bytes(), 97 * 65536);
        drop(limiter);
        assert_eq!(budget.free_bytes(), 100 * 65536);
    }

    #[tokio::test]
    async fn a_guests_own_maximum_is_not_our_denial() {
        let budget = MemoryBudget::new(100 * PAGE);
        let mut limiter = limiter(&budget, 50);
        assert!(!limiter.memory_growing(0, 2 * PAGE, Some(PAGE)).await.unwrap());
        assert!(!limiter.denied());
    }

    #[tokio::test]
    async fn who_holds_nothing_waits_for_the_budget() {
        let budget = MemoryBudget::new(4 * PAGE);
        let mut first = limiter(&budget, 4);
        let mut second = limiter(&budget, 4);
        assert!(first.memory_growing(0, 3 * PAGE, None).await.unwrap());
        let waiting = tokio::spawn(async move { second.memory_growing(0, 2 * PAGE, None).await.unwrap() });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn two_that_hold_memory_do_not_wait_for_each_other_for_ever() {
        let budget = MemoryBudget::new(20 * PAGE);
        let mut first = limiter(&budget, 20);
        let mut second = limiter(&budget, 20);
        assert!(first.memory_growing(0, 8 * PAGE, None).await.unwrap());
        assert!(second.memory_growing(0, 8 * PAGE, None).await.unwrap());
        let error = first.memory_growing(8 * PAGE, 11 * PAGE, None).await.unwrap_err();
        assert!(error.is::<BudgetShort>() && first.waiting());
        drop(first);
        assert!(second.memory_growing(8 * PAGE, 20 * PAGE, None).await.unwrap());
    }

    #[tokio::test]
    async fn more_than_the_whole_budget_fails_at_once() {
        let budget = MemoryBudget::new(4 * PAGE);
        let mut limiter = limiter(&budget, 100);
        assert!(limiter.memory_growing(0, 5 * PAGE, None).await.unwrap_err().is::<BudgetShort>());
    }

    #[tokio::test]
    async fn tables_grow_to_the_limit() {
        let budget = MemoryBudget::new(PAGE);
        let mut limiter = limiter(&budget, 1);
        assert!(limiter.table_growing(0, 10, None).await.unwrap());
        assert!(!limiter.table_growing(0, 11, None).await.unwrap());
        assert!(!limiter.table_growing(0, 5, Some(4)).await.unwrap());
    }
}

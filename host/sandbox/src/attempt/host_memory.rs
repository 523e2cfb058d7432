//! Memory that the host holds for one attempt outside of its sandbox, such as a blob on its way: under a limit of the
//! attempt, and taken from the budget of the whole process like the guest's own.

use crate::attempt::budget::{MemoryBudget, Purse};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most that the host holds for one attempt, in bytes, whatever its own limit is.
const HELD_MAX: usize = 64 << 20;

/// What the host holds for one attempt. Clones are the same.
#[derive(Clone)]
pub(crate) struct HostMemory(Arc<Account>);

struct Account {
    purse: Arc<Purse>,
    most: usize,
    held: AtomicUsize,
}

/// Some memory that is held; dropping it gives it back.
pub(crate) struct Hold {
    account: Arc<Account>,
    bytes: usize,
    pages: usize,
}

impl HostMemory {
    /// Nothing held yet, of at most `limit_bytes`.
    pub(crate) fn new(purse: Arc<Purse>, limit_bytes: usize) -> Self {
        Self(Arc::new(Account { purse, most: limit_bytes.min(HELD_MAX), held: AtomicUsize::new(0) }))
    }

    /// Holds so many bytes; nothing where that is too much for the attempt, or for the worker now.
    pub(crate) fn take(&self, bytes: usize) -> Option<Hold> {
        let mut hold = Hold { account: self.0.clone(), bytes: 0, pages: 0 };
        hold.grow(bytes).then_some(hold)
    }
}

impl Hold {
    /// Holds so many bytes more; false where there is no room for them.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let most = self.account.most;
        let add = |held: usize| held.checked_add(more).filter(|held| *held <= most);
        if self.account.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_err() {
            return false;
        }
        let pages = MemoryBudget::pages_for(self.bytes + more).saturating_sub(self.pages);
        if self.account.purse.try_take(pages).is_err() {
            self.account.held.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.bytes += more;
        self.pages += pages;
        true
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.account.held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.account.purse.give_back(self.pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attempts_limit_and_the_workers_budget_both_hold() {
        let budget = MemoryBudget::new(2 << 16);
        let memory = HostMemory::new(budget.purse("one"), 100_000);
        let mut hold = memory.take(60_000).unwrap();
        assert!(!hold.grow(40_001) && memory.take(40_001).is_none(), "over the attempt's limit");
        assert!(hold.grow(40_000));
        assert_eq!(budget.free_bytes(), 0);
        let other = HostMemory::new(budget.purse("one"), 100_000);
        assert!(other.take(1).is_none(), "over the worker's budget");
        drop(hold);
        assert_eq!(budget.free_bytes(), 2 << 16);
        assert!(other.take(100_000).is_some());
    }
}

//! The memory that the attempts of all tenants share.
//!
//! A tenant may hold a multiple of what is free and no more, which leaves something for those who hold nothing, however
//! much others want: the dynamic threshold of shared buffers (Choudhury and Hahne, "Dynamic queue length thresholds for
//! shared-memory packet switches", 1998). One tenant alone holds at most four fifths of the budget, two as many ninths
//! each, and so on. An attempt that nobody else's memory is in the way of may hold all of it.
//!
//! Who is short waits in a line. What is given back goes to the first in it who may have it; nobody overtakes a
//! neighbour of the same tenant.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// The budget is counted in WebAssembly pages.
pub(crate) const PAGE_BYTES: usize = 64 << 10;
/// How many times what is free a tenant may hold.
const TIMES_FREE: usize = 4;
/// How long an attempt that holds memory already waits for more.
const HOLDING_WAIT_MAX: Duration = Duration::from_secs(5);

/// The memory that all attempts of a sandbox share.
pub(crate) struct MemoryBudget {
    book: Mutex<Book>,
    total_pages: usize,
}

struct Book {
    free: usize,
    /// Pages by tenant, of those who hold any.
    held: HashMap<Arc<str>, usize>,
    line: VecDeque<Waiter>,
}

struct Waiter {
    purse: Arc<Purse>,
    pages: usize,
    granted: oneshot::Sender<Grant>,
}

/// Pages on their way to who waited for them; they go back where nobody takes them any more.
struct Grant {
    purse: Arc<Purse>,
    pages: usize,
}

/// What one attempt has of the budget.
pub(crate) struct Purse {
    budget: Arc<MemoryBudget>,
    tenant: Arc<str>,
    taken_pages: AtomicUsize,
}

/// The worker has no memory left for this attempt.
#[derive(Debug, thiserror::Error)]
#[error("the worker's memory is used up by other tasks")]
pub(crate) struct BudgetShort;

impl MemoryBudget {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        let total_pages = (bytes / PAGE_BYTES).max(1);
        let book = Book { free: total_pages, held: HashMap::new(), line: VecDeque::new() };
        Arc::new(Self { book: Mutex::new(book), total_pages })
    }

    /// The pages that so many bytes take up.
    pub(crate) fn pages_for(bytes: usize) -> usize {
        bytes.div_ceil(PAGE_BYTES)
    }

    /// What an attempt of a tenant takes its memory from.
    pub(crate) fn purse(self: &Arc<Self>, tenant: &str) -> Arc<Purse> {
        Arc::new(Purse { budget: self.clone(), tenant: tenant.into(), taken_pages: AtomicUsize::new(0) })
    }

    /// Bytes that nobody holds.
    pub(crate) fn free_bytes(&self) -> u64 {
        u64::try_from(self.lock().free.saturating_mul(PAGE_BYTES)).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Takes pages for an attempt, where it may have them.
    fn take(&mut self, purse: &Purse, pages: usize) -> bool {
        let Some(left) = self.free.checked_sub(pages) else { return false };
        let own = purse.taken_pages.load(Ordering::Relaxed);
        let held = self.held.get(&purse.tenant).copied().unwrap_or(0);
        let alone = purse.budget.total_pages - self.free == own;
        if !alone && held + pages > left.saturating_mul(TIMES_FREE) {
            return false;
        }
        self.free = left;
        *self.held.entry(purse.tenant.clone()).or_default() += pages;
        purse.taken_pages.fetch_add(pages, Ordering::Relaxed);
        true
    }

    fn give_back(&mut self, purse: &Purse, pages: usize) {
        self.free += pages;
        purse.taken_pages.fetch_sub(pages, Ordering::Relaxed);
        if let Some(held) = self.held.get_mut(&purse.tenant) {
            *held -= pages;
            if *held == 0 {
                self.held.remove(&purse.tenant);
            }
        }
    }

    /// Gives those who wait what they may have now, in their order. Returns what nobody takes any more, to be dropped
    /// without the lock.
    fn serve_line(&mut self) -> Vec<Grant> {
        let (mut missed, mut short) = (Vec::new(), HashSet::new());
        for waiter in std::mem::take(&mut self.line) {
            if waiter.granted.is_closed() {
                continue;
            }
            let Waiter { purse, pages, granted } = waiter;
            if short.contains(&purse.tenant) || !self.take(&purse, pages) {
                short.insert(purse.tenant.clone());
                self.line.push_back(Waiter { purse, pages, granted });
                continue;
            }
            missed.extend(granted.send(Grant { purse, pages }).err());
        }
        missed
    }

    fn waits(&self, tenant: &Arc<str>) -> bool {
        self.line.iter().any(|waiter| waiter.purse.tenant == *tenant && !waiter.granted.is_closed())
    }
}

impl Purse {
    /// Bytes that there are in all, for everyone.
    pub(crate) fn total_bytes(&self) -> u64 {
        u64::try_from(self.budget.total_pages.saturating_mul(PAGE_BYTES)).unwrap_or(u64::MAX)
    }

    /// Takes pages where they are free. Whoever takes gives back.
    pub(crate) fn try_take(&self, pages: usize) -> Result<(), BudgetShort> {
        let mut book = self.budget.lock();
        let taken = !book.waits(&self.tenant) && book.take(self, pages);
        taken.then_some(()).ok_or(BudgetShort)
    }

    /// Waits for pages; not for ever where the attempt is `holding` memory that others may wait for.
    pub(crate) async fn take(self: &Arc<Self>, pages: usize, holding: bool) -> Result<(), BudgetShort> {
        if pages > self.budget.total_pages {
            return Err(BudgetShort);
        }
        let granted = {
            let mut book = self.budget.lock();
            if !book.waits(&self.tenant) && book.take(self, pages) {
                return Ok(());
            }
            let (granted, grant) = oneshot::channel();
            book.line.retain(|waiter| !waiter.granted.is_closed());
            book.line.push_back(Waiter { purse: self.clone(), pages, granted });
            grant
        };
        let grant = match holding {
            true => tokio::time::timeout(HOLDING_WAIT_MAX, granted).await.map_err(|_| BudgetShort)?,
            false => granted.await,
        };
        grant.map_err(|_| BudgetShort)?.accept();
        Ok(())
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, pages: usize) {
        if pages == 0 {
            return;
        }
        let mut book = self.budget.lock();
        book.give_back(self, pages);
        let missed = book.serve_line();
        drop(book);
        drop(missed);
    }
}

impl Grant {
    fn accept(mut self) {
        self.pages = 0;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.purse.give_back(self.pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(pages: usize) -> Arc<MemoryBudget> {
        MemoryBudget::new(pages * PAGE_BYTES)
    }

    /// Takes a page at a time with a new attempt each, as long as there are any.
    fn takes(budget: &Arc<MemoryBudget>, tenant: &str) -> Vec<Arc<Purse>> {
        let attempts = std::iter::repeat_with(|| budget.purse(tenant));
        attempts.take_while(|purse| purse.try_take(1).is_ok()).collect()
    }

    #[test]
    fn tenants_that_want_everything_leave_something_for_the_next() {
        let budget = budget(900);
        assert_eq!(takes(&budget, "one").len(), 720, "four fifths");
        let mut got = Vec::new();
        for tenant in ["two", "three", "four", "five"] {
            got.push(takes(&budget, tenant).len());
        }
        assert_eq!(got, [144, 28, 6, 1], "four fifths of what is left");
    }

    #[test]
    fn tenants_that_come_and_go_hold_the_same() {
        let budget = budget(900);
        let (mut one, mut two) = (takes(&budget, "one"), takes(&budget, "two"));
        let end = |attempts: &mut Vec<Arc<Purse>>| attempts.pop().unwrap().give_back(1);
        for _ in 0..2000 {
            end(&mut one);
            two.extend(takes(&budget, "two"));
            one.extend(takes(&budget, "one"));
            end(&mut two);
            one.extend(takes(&budget, "one"));
            two.extend(takes(&budget, "two"));
        }
        assert!(one.len().abs_diff(400) <= 2 && two.len().abs_diff(400) <= 2, "{} and {}", one.len(), two.len());
    }

    #[test]
    fn attempt_that_alone_holds_memory_may_hold_all() {
        let budget = budget(10);
        let (large, small) = (budget.purse("one"), budget.purse("one"));
        large.try_take(6).unwrap();
        large.try_take(4).unwrap();
        assert!(small.try_take(1).is_err());
        large.give_back(10);
        small.try_take(1).unwrap();
        assert!(large.try_take(9).is_err());
    }

    #[tokio::test]
    async fn nobody_overtakes_a_neighbour_and_others_go_on() {
        let budget = budget(10);
        let holds = budget.purse("one");
        holds.try_take(8).unwrap();
        let (large, small, other) = (budget.purse("one"), budget.purse("one"), budget.purse("two"));
        let waits = tokio::spawn(async move { large.take(4, false).await.map(|()| large) });
        tokio::task::yield_now().await;
        assert!(small.try_take(1).is_err(), "one of the same tenant waits");
        other.try_take(1).unwrap();
        other.give_back(1);
        holds.give_back(8);
        let large = waits.await.unwrap().unwrap();
        small.try_take(1).unwrap();
        large.give_back(4);
        small.give_back(1);
        assert_eq!(budget.free_bytes(), 10 * 65536);
    }

    #[tokio::test]
    async fn what_is_granted_to_one_that_is_gone_goes_to_the_next() {
        let budget = budget(10);
        let holds = budget.purse("one");
        holds.try_take(10).unwrap();
        let (gone, next) = (budget.purse("two"), budget.purse("two"));
        let mut waits = Box::pin(gone.take(5, false));
        assert!(futures::poll!(&mut waits).is_pending());
        let stays = tokio::spawn(async move { next.take(5, false).await.map(|()| next) });
        tokio::task::yield_now().await;
        holds.give_back(10);
        drop(waits);
        let next = stays.await.unwrap().unwrap();
        next.give_back(5);
        assert_eq!(budget.free_bytes(), 10 * 65536);
    }
}

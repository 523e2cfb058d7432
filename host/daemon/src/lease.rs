//! Leases: the messages that this worker holds, so that a ticker can extend them while their jobs wait or run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Every lease that this worker holds.
#[derive(Debug, Default)]
pub struct Leases {
    held: Mutex<HashMap<u64, Held>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Held {
    address: Arc<str>,
    extended: Instant,
}

/// One held message. Dropping it ends the extensions; the message comes back to its queue when its time is up,
/// unless it was acknowledged.
#[derive(Debug)]
pub struct Lease {
    address: Arc<str>,
    number: u64,
    all: Arc<Leases>,
}

impl Leases {
    /// Holds a message that is acknowledged at `address`.
    pub fn hold(self: &Arc<Self>, address: &str) -> Lease {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let address: Arc<str> = address.into();
        self.lock().insert(number, Held { address: address.clone(), extended: Instant::now() });
        Lease { address, number, all: self.clone() }
    }

    /// The addresses of the leases that were not extended for `age`, which are taken as extended now.
    pub fn due(&self, age: Duration) -> Vec<Arc<str>> {
        let now = Instant::now();
        let mut due = Vec::new();
        for held in self.lock().values_mut() {
            if now.duration_since(held.extended) >= age {
                held.extended = now;
                due.push(held.address.clone());
            }
        }
        due
    }

    /// How many messages are held.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Where the message is acknowledged.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.all.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_message_is_due_until_it_is_dropped() {
        let leases = Arc::new(Leases::default());
        let lease = leases.hold("a");
        assert_eq!(leases.due(Duration::ZERO).len(), 1);
        assert!(leases.due(Duration::from_secs(60)).is_empty());
        drop(lease);
        assert!(leases.due(Duration::ZERO).is_empty());
        assert_eq!(leases.count(), 0);
    }
}

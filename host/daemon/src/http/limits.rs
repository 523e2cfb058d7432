//! How often each caller may ask, and how much may be under way at once.

use super::problem::{Code, Problem};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Callers whose rates are remembered before those that rest are forgotten.
const CALLERS_MAX: usize = 10_000;

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Requests of one caller in a second; as many at once after a rest.
    pub rate: NonZeroU32,
    /// Requests of one caller at once.
    pub at_once: usize,
    /// Streams of events of one caller that are open.
    pub streams: usize,
    /// Requests of all callers at once.
    pub all_at_once: usize,
    /// Uploads that are checked at once, of all callers.
    pub uploads: usize,
    /// Uploads that are received at once: of all callers, and of one. Each is held in memory.
    pub received: (usize, usize),
}

impl Default for Allowed {
    fn default() -> Self {
        let rate = NonZeroU32::MIN.saturating_add(99);
        Self { rate, at_once: 64, streams: 16, all_at_once: 512, uploads: 2, received: (4, 2) }
    }
}

/// Keeps callers to what is allowed.
pub struct Limits {
    allowed: Allowed,
    rates: DefaultKeyedRateLimiter<String>,
    all: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    received: Arc<Semaphore>,
    callers: Mutex<HashMap<(Kind, String), Arc<Semaphore>>>,
}

/// What is counted of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Requests,
    Streams,
    Uploads,
}

/// A request or stream that counts until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Counted(#[expect(dead_code, reason = "held for its drop")] Vec<OwnedSemaphorePermit>);

impl Limits {
    /// Keeps to this.
    pub fn new(allowed: Allowed) -> Self {
        Self {
            allowed,
            rates: RateLimiter::keyed(Quota::per_second(allowed.rate)),
            all: Arc::new(Semaphore::new(allowed.all_at_once)),
            uploads: Arc::new(Semaphore::new(allowed.uploads)),
            received: Arc::new(Semaphore::new(allowed.received.0)),
            callers: Mutex::default(),
        }
    }

    /// Lets a request of a caller pass, or tells when to come back.
    pub fn ask(&self, caller: &str) -> Result<(), Problem> {
        if self.rates.len() >= CALLERS_MAX {
            self.rates.retain_recent();
        }
        self.rates.check_key(&caller.to_owned()).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            let detail = format!("{} requests a second are allowed", self.allowed.rate);
            Problem::new(Code::RateLimited, detail).retry_after(wait.max(Duration::from_millis(1)))
        })
    }

    /// Counts a request that is under way.
    pub fn request(&self, caller: &str) -> Result<Counted, Problem> {
        let all =
            self.all.clone().try_acquire_owned().map_err(|_| {
                Problem::new(Code::Overloaded, "try again in a moment").retry_after(Duration::from_secs(1))
            })?;
        Ok(Counted(vec![all, self.of_caller(Kind::Requests, caller, self.allowed.at_once)?]))
    }

    /// Counts a stream of events that is open.
    pub fn stream(&self, caller: &str) -> Result<Counted, Problem> {
        Ok(Counted(vec![self.of_caller(Kind::Streams, caller, self.allowed.streams)?]))
    }

    /// Counts an upload that is received: it is held in memory, and a slow one for long.
    pub fn receive(&self, caller: &str) -> Result<Counted, Problem> {
        let own = self.of_caller(Kind::Uploads, caller, self.allowed.received.1)?;
        let all = self.received.clone().try_acquire_owned().map_err(|_| {
            Problem::new(Code::Overloaded, "other components are being received").retry_after(Duration::from_secs(5))
        })?;
        Ok(Counted(vec![own, all]))
    }

    /// Counts an upload, of which few are checked at once: each takes a process and much memory.
    pub fn upload(&self) -> Result<Counted, Problem> {
        let permit = self.uploads.clone().try_acquire_owned().map_err(|_| {
            Problem::new(Code::Overloaded, "other components are being checked").retry_after(Duration::from_secs(5))
        })?;
        Ok(Counted(vec![permit]))
    }

    fn of_caller(&self, kind: Kind, caller: &str, most: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let semaphore = {
            let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
            if callers.len() >= CALLERS_MAX {
                callers.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
            }
            callers.entry((kind, caller.to_owned())).or_insert_with(|| Arc::new(Semaphore::new(most))).clone()
        };
        semaphore.try_acquire_owned().map_err(|_| {
            let what = match kind {
                Kind::Requests => "requests",
                Kind::Streams => "streams",
                Kind::Uploads => "uploads",
            };
            let problem = Problem::new(Code::TooMany, format_args!("{most} {what} at once are allowed"));
            problem.retry_after(Duration::from_secs(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(rate: u32, at_once: usize, all_at_once: usize) -> Limits {
        let rate = NonZeroU32::new(rate).unwrap();
        Limits::new(Allowed { rate, at_once, all_at_once, streams: 1, uploads: 1, received: (2, 1) })
    }

    #[test]
    fn a_rate_holds_for_each_caller() {
        let limits = limits(3, 9, 9);
        for _ in 0..3 {
            limits.ask("a").unwrap();
        }
        let told = limits.ask("a").unwrap_err();
        assert_eq!(told.code, Code::RateLimited);
        assert!(told.retry_after.is_some_and(|span| span <= Duration::from_secs(1)));
        limits.ask("b").unwrap();
    }

    #[test]
    fn what_is_under_way_is_counted_until_it_ends() {
        let limits = limits(9, 2, 3);
        let first = limits.request("a").unwrap();
        let _second = limits.request("a").unwrap();
        assert_eq!(limits.request("a").unwrap_err().code, Code::TooMany);
        let _third = limits.request("b").unwrap();
        assert_eq!(limits.request("b").unwrap_err().code, Code::Overloaded);
        drop(first);
        let _again = limits.request("a").unwrap();
        let _stream = limits.stream("a").unwrap();
        assert_eq!(limits.stream("a").unwrap_err().code, Code::TooMany);
        let _upload = limits.upload().unwrap();
        assert_eq!(limits.upload().unwrap_err().code, Code::Overloaded);
        let _received = (limits.receive("a").unwrap(), limits.receive("b").unwrap());
        assert_eq!(limits.receive("a").unwrap_err().code, Code::TooMany);
        assert_eq!(limits.receive("c").unwrap_err().code, Code::Overloaded);
    }
}

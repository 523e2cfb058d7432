//! How a running attempt is told to stop: first politely, then for good.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// A switch that the worker keeps while an attempt runs. Clones are the same switch.
#[derive(Clone, Default)]
pub struct CancelSignal(Arc<Switch>);

#[derive(Default)]
struct Switch {
    asked: AtomicBool,
    stopped: OnceLock<String>,
    wake: Notify,
}

impl CancelSignal {
    /// A switch that nobody has touched.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the guest to stop: its `cancelled` function answers true from now on, nothing else happens.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::Relaxed);
    }

    /// Stops the guest within milliseconds, also where it sleeps. The first reason counts.
    pub fn stop(&self, reason: impl Into<String>) {
        self.ask();
        // A second stop changes nothing: the guest is stopping for the first reason already.
        let _ = self.0.stopped.set(reason.into());
        self.0.wake.notify_waiters();
    }

    /// True once the guest was asked to stop.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Why the guest must stop, once it must.
    pub fn stopped(&self) -> Option<&str> {
        self.0.stopped.get().map(String::as_str)
    }

    /// Waits for [`CancelSignal::stop`].
    pub(crate) async fn wait(&self) {
        loop {
            let mut woken = std::pin::pin!(self.0.wake.notified());
            // Registered before the check, so that a stop in between is not missed.
            woken.as_mut().enable();
            if self.stopped().is_some() {
                return;
            }
            woken.await;
        }
    }
}

impl fmt::Debug for CancelSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelSignal").field("asked", &self.is_asked()).field("stopped", &self.stopped()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_before_the_wait_is_seen() {
        let signal = CancelSignal::new();
        signal.stop("first");
        signal.stop("second");
        signal.wait().await;
        assert_eq!(signal.stopped(), Some("first"));
        assert!(signal.is_asked());
    }

    #[tokio::test]
    async fn a_stop_wakes_whoever_waits() {
        let signal = CancelSignal::new();
        let waiting = tokio::spawn({
            let signal = signal.clone();
            async move { signal.wait().await }
        });
        tokio::task::yield_now().await;
        signal.stop("now");
        waiting.await.unwrap();
    }
}

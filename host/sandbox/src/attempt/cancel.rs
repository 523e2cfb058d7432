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
    reason: OnceLock<String>,
    told: AtomicBool,
    stopped: AtomicBool,
    shutdown: AtomicBool,
    wake: Notify,
}

impl CancelSignal {
    /// A switch that nobody has touched.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the guest to stop: its `cancelled` function answers true from now on. A guest that asked, and so was told,
    /// ends as cancelled whatever it gives back; one that never asked may complete. The first reason counts.
    pub fn ask(&self, reason: impl Into<String>) {
        // A second reason changes nothing: the guest is stopping for the first one already.
        let _ = self.0.reason.set(reason.into());
        self.0.wake.notify_waiters();
    }

    /// Stops the guest within milliseconds, also where it sleeps. The first reason counts.
    pub fn stop(&self, reason: impl Into<String>) {
        self.ask(reason);
        self.0.stopped.store(true, Ordering::Release);
        self.0.wake.notify_waiters();
    }

    /// Tells the guest that the worker is shutting down and will stop it later: its `stop-reason` says so from now on.
    /// What it gives back stands.
    pub fn tell_shutdown(&self) {
        self.0.shutdown.store(true, Ordering::Release);
        self.0.wake.notify_waiters();
    }

    /// True once the worker is shutting down.
    pub(crate) fn is_shutdown(&self) -> bool {
        self.0.shutdown.load(Ordering::Acquire)
    }

    /// Why the guest is asked to stop, once it is.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.get().map(String::as_str)
    }

    /// True once the guest must stop.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// The guest's question whether it should stop; who is told yes has heard of it.
    pub(crate) fn answer(&self) -> bool {
        let asked = self.reason().is_some();
        if asked {
            self.0.told.store(true, Ordering::Relaxed);
        }
        asked
    }

    /// True once the guest has heard that it should stop.
    pub(crate) fn was_told(&self) -> bool {
        self.0.told.load(Ordering::Relaxed)
    }

    /// Waits for [`CancelSignal::stop`].
    pub async fn wait(&self) {
        self.wait_until(Self::is_stopped).await;
    }

    /// Waits until it says what `is` asks for.
    pub(crate) async fn wait_until(&self, is: impl Fn(&Self) -> bool) {
        loop {
            let mut woken = std::pin::pin!(self.0.wake.notified());
            // Registered before the check, so that a change in between is not missed.
            woken.as_mut().enable();
            if is(self) {
                return;
            }
            woken.await;
        }
    }
}

impl fmt::Debug for CancelSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelSignal").field("reason", &self.reason()).field("stopped", &self.is_stopped()).finish()
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
        assert_eq!((signal.reason(), signal.is_stopped()), (Some("first"), true));
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

//! The runner's way out: frames of all threads, written to the socket by one thread, so that no guest waits for it.

use super::frame;
use super::words::FromRunner;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Progress is dropped while so much waits. Nothing else is: reports and calls are bounded by the attempts, and log
/// lines by their limit.
const WAITING_MAX: usize = 4 << 20;

/// The way out. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Outlet(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    bytes: Mutex<Vec<u8>>,
    more: Condvar,
}

impl Outlet {
    /// Says a word.
    pub(crate) fn say(&self, word: &FromRunner) {
        let mut bytes = self.bytes();
        let before = bytes.len();
        if frame::write(word, &mut bytes).is_err() {
            // Nothing that the runner says is too long for a frame; half a one would end it.
            bytes.truncate(before);
        }
        drop(bytes);
        self.0.more.notify_one();
    }

    /// Says a word that may be lost.
    pub(crate) fn say_if_room(&self, word: &FromRunner) {
        if self.bytes().len() < WAITING_MAX {
            self.say(word);
        }
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is said until the socket is closed.
    pub(crate) fn write(&self) {
        let mut out = Vec::new();
        loop {
            let waiting = self.0.more.wait_while(self.bytes(), |bytes| bytes.is_empty());
            std::mem::swap(&mut out, &mut *waiting.unwrap_or_else(PoisonError::into_inner));
            let mut rest = out.as_slice();
            while !rest.is_empty() {
                match rustix::io::write(rustix::stdio::stdin(), rest) {
                    Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                    Err(rustix::io::Errno::INTR) => {}
                    // The supervisor is gone; whoever reads sees it too and ends the process.
                    Err(_) => return,
                }
            }
            out.clear();
        }
    }
}

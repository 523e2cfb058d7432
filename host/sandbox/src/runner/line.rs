//! The line between a supervisor and its runner, as both the handle and the task that watches over the process see it.

use super::attempt::{Breach, Pending, attempt_of};
use super::calls::answer;
use super::death::{Death, Killed};
use super::frame;
use super::words::{FromRunner, ToRunner};
use crate::jail::held::Held;
use lovage_job::catalog::Entry;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Notify, OnceCell, oneshot, watch};

/// Frames of a runner that runs nothing.
const IDLE_FRAME_BYTES_MAX: usize = 64 << 10;
/// Bytes that wait to be read by a runner; one that leaves more does not read.
const WAITING_MAX: usize = 512 << 20;
/// What is kept of a buffer that has grown.
const KEPT_BYTES: usize = 1 << 20;

/// A line. It is up once the runner has said that it is, and down for good once it has ended.
pub(crate) struct Line {
    pid: u32,
    outlet: OwnedWriteHalf,
    /// What its group holds it to, for people.
    group: Vec<String>,
    waiting: Mutex<Waiting>,
    pub(super) more: Notify,
    pub(super) close: Notify,
    pub(super) kill: Notify,
    pub(super) killed: OnceLock<Killed>,
    said: Mutex<Said>,
    state: watch::Sender<State>,
    /// Held while code goes over.
    pub(super) loading: tokio::sync::Mutex<()>,
}

/// What the socket did not take at once.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    at: usize,
}

#[derive(Clone)]
enum State {
    Starting,
    Up,
    Down(Arc<Death>),
}

/// A task in a runner: its number, and whether it is there or why not.
pub(super) type Loading = (u32, Arc<OnceCell<Option<String>>>);
/// Which task: the artefact, and the entry.
pub(super) type TaskKey = (PathBuf, String);

/// What was said over the line.
#[derive(Default)]
struct Said {
    held: Option<Held>,
    attempts: HashMap<u64, Pending>,
    loads: HashMap<u32, oneshot::Sender<Option<String>>>,
    next_attempt: u64,
    /// Components, and whether their code has gone over.
    codes: HashMap<PathBuf, (u32, bool)>,
    tasks: HashMap<TaskKey, Loading>,
}

impl Line {
    pub(crate) fn new(pid: u32, outlet: OwnedWriteHalf, group: Vec<String>) -> Arc<Self> {
        Arc::new(Self {
            pid,
            outlet,
            group,
            waiting: Mutex::default(),
            more: Notify::new(),
            close: Notify::new(),
            kill: Notify::new(),
            killed: OnceLock::new(),
            said: Mutex::default(),
            state: watch::Sender::new(State::Starting),
            loading: tokio::sync::Mutex::default(),
        })
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// What holds it: by its own word, and by its group.
    pub(crate) fn held(&self) -> Held {
        let mut held = self.said().held.clone().unwrap_or_default();
        held.limits.extend_from_slice(&self.group);
        held
    }

    pub(crate) fn loaded(&self) -> usize {
        self.said().tasks.len()
    }

    pub(crate) fn death(&self) -> Option<Arc<Death>> {
        match &*self.state.borrow() {
            State::Down(death) => Some(death.clone()),
            State::Starting | State::Up => None,
        }
    }

    /// How it ended; for whoever has seen that it did.
    pub(super) fn died(&self) -> Arc<Death> {
        self.death().unwrap_or_default()
    }

    /// Waits until it is up, or down already.
    pub(super) async fn up(&self) -> Result<(), Arc<Death>> {
        let mut state = self.state.subscribe();
        // The sender is held here.
        let state = state.wait_for(|state| !matches!(state, State::Starting)).await;
        match state.as_deref() {
            Ok(State::Down(death)) => Err(death.clone()),
            _ => Ok(()),
        }
    }

    /// Waits until it is down.
    pub(super) async fn down(&self) {
        let mut state = self.state.subscribe();
        // The sender is held here.
        let _ = state.wait_for(|state| matches!(state, State::Down(_))).await;
    }

    /// Lets the runner end by itself.
    pub(crate) fn close(&self) {
        self.close.notify_one();
    }

    /// Ends the runner, for the first reason that is given.
    pub(super) fn kill(&self, why: Killed) {
        // The first reason is the one that counts.
        let _ = self.killed.set(why);
        self.kill.notify_one();
    }

    /// Says a word; what the socket does not take is written by [`Line::write_rest`].
    pub(crate) fn say(&self, word: &ToRunner) {
        let mut waiting = self.waiting();
        let before = waiting.bytes.len();
        if frame::write(word, &mut waiting.bytes).is_err() {
            waiting.bytes.truncate(before);
            drop(waiting);
            return self.kill(Killed::Unsayable);
        }
        if before == 0 {
            // What fails here fails there too.
            let _ = self.write_some(&mut waiting);
        }
        if waiting.bytes.len() - waiting.at > WAITING_MAX {
            self.kill(Killed::Breach(Breach::Deaf.to_string()));
        } else if !waiting.bytes.is_empty() {
            self.more.notify_one();
        }
    }

    fn write_some(&self, waiting: &mut Waiting) -> std::io::Result<()> {
        while let Some(rest) = waiting.bytes.get(waiting.at..).filter(|rest| !rest.is_empty()) {
            waiting.at += self.outlet.try_write(rest)?;
        }
        waiting.bytes.clear();
        waiting.bytes.shrink_to(KEPT_BYTES);
        waiting.at = 0;
        Ok(())
    }

    /// Writes what waits, until the socket is closed.
    pub(super) async fn write_rest(&self) {
        loop {
            self.more.notified().await;
            loop {
                if self.outlet.writable().await.is_err() {
                    return;
                }
                let written = self.write_some(&mut self.waiting());
                match written {
                    Ok(()) => break,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        }
    }

    /// Closes both ways.
    pub(super) fn hang_up(&self) {
        // A socket that is closed already is what is wanted.
        let _ = rustix::net::shutdown(self.outlet.as_ref(), rustix::net::Shutdown::Both);
    }

    /// A task's number and where its load is found.
    pub(super) fn task(&self, key: TaskKey) -> Loading {
        let mut said = self.said();
        let number = u32::try_from(said.tasks.len()).unwrap_or(u32::MAX);
        said.tasks.entry(key).or_insert_with(|| (number, Arc::default())).clone()
    }

    /// A component's number, and whether its code has gone over.
    pub(super) fn code(&self, path: &Path) -> (u32, bool) {
        let mut said = self.said();
        let number = u32::try_from(said.codes.len()).unwrap_or(u32::MAX);
        *said.codes.entry(path.to_owned()).or_insert((number, false))
    }

    pub(super) fn code_sent(&self, path: &Path) {
        if let Some((_, sent)) = self.said().codes.get_mut(path) {
            *sent = true;
        }
    }

    /// Asks for a load; what is received is the fault, where there is one.
    pub(super) fn load(&self, task: u32, code: u32, entry: &Entry) -> oneshot::Receiver<Option<String>> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut said = self.said();
            if self.death().is_none() {
                said.loads.insert(task, sender);
            }
        }
        self.say(&ToRunner::Load { task, code, entry: entry.clone() });
        receiver
    }

    /// Enters an attempt; one that comes after the end is dropped at once.
    pub(super) fn begin(&self, pending: Pending) -> u64 {
        let mut said = self.said();
        let attempt = said.next_attempt;
        said.next_attempt += 1;
        if self.death().is_none() {
            said.attempts.insert(attempt, pending);
        }
        attempt
    }

    /// Nobody waits for an attempt; true where it still runs.
    pub(super) fn abandon(&self, attempt: u64) -> bool {
        self.said().attempts.get_mut(&attempt).map(Pending::abandon).is_some()
    }

    /// The longest frame that the runner can have to say.
    pub(super) fn frame_bytes_max(&self) -> usize {
        let said = self.said();
        said.attempts.values().map(Pending::frame_bytes_max).max().unwrap_or(0).max(IDLE_FRAME_BYTES_MAX)
    }

    /// Hears a word of the runner.
    pub(super) fn hear(self: &Arc<Self>, word: FromRunner) -> Result<(), Breach> {
        let mut said = self.said();
        let of = attempt_of(&word);
        let pending = of.map(|attempt| said.attempts.get_mut(&attempt).ok_or(Breach::UnknownAttempt)).transpose()?;
        match (word, pending) {
            (FromRunner::Ready(held), _) => {
                if said.held.replace(held).is_some() {
                    return Err(Breach::ReadyTwice);
                }
                drop(said);
                self.state.send_replace(State::Up);
            }
            (FromRunner::Loaded { task, fault }, _) => {
                let waits = said.loads.remove(&task).ok_or(Breach::UnknownTask)?;
                // Whoever asked may be gone.
                let _ = waits.send(fault);
            }
            (FromRunner::Event { event, .. }, Some(pending)) => {
                let (event, sink) = (pending.event(event)?, pending.events.clone());
                drop(said);
                if let Some(sink) = sink {
                    sink.tell(event);
                }
            }
            (FromRunner::Call { attempt, call, asked }, Some(pending)) => {
                if let Some(services) = pending.may_call(call)? {
                    let line = self.clone();
                    // Ends with the attempt at the latest, which aborts it.
                    let asking = tokio::spawn(async move {
                        let answer = answer(services.as_ref(), asked).await;
                        line.say(&ToRunner::Answer { attempt, call, answer });
                        line.answered(attempt, call);
                    });
                    pending.calls.insert(call, asking.abort_handle());
                }
            }
            (FromRunner::Drop { call, .. }, Some(pending)) => {
                if let Some(asking) = pending.calls.remove(&call) {
                    asking.abort();
                }
            }
            (FromRunner::Done { attempt, report }, Some(pending)) => {
                let report = pending.checked(*report)?;
                let ended = said.attempts.remove(&attempt);
                drop(said);
                if let Some(pending) = ended {
                    pending.end(report);
                }
            }
            (_, None) => return Err(Breach::UnknownAttempt),
        }
        Ok(())
    }

    fn answered(&self, attempt: u64, call: u64) {
        if let Some(pending) = self.said().attempts.get_mut(&attempt) {
            pending.calls.remove(&call);
        }
    }

    /// It has ended: everyone who waits hears of it.
    pub(super) fn end(&self, death: Death) {
        self.state.send_replace(State::Down(Arc::new(death)));
        let (attempts, loads) = {
            let mut said = self.said();
            (std::mem::take(&mut said.attempts), std::mem::take(&mut said.loads))
        };
        drop((attempts, loads));
    }
}

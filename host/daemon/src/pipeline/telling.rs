//! What an attempt tells while it runs: events for watchers, in order, and its log, stored in pieces.
//!
//! Events of all attempts go through one bounded channel, so that a guest never waits for the broker. The start goes
//! before the first of them, and the end of an attempt waits until the channel has passed on all that was told before;
//! an attempt that told nothing pays nothing for that. The log is stored once a second while there is more of it, and
//! the rest before the attempt is settled: no result exists without its log.

use super::Shared;
use crate::clock::now;
use crate::ports::{Broker, BrokerError};
use crate::registry::ready::ReadyTask;
use lovage_job::event::{Event, Happening};
use lovage_job::job::Job;
use lovage_job::log::{LogEnd, LogPiece};
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use lovage_sandbox::{AttemptEvent, EventSink};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The start of an attempt that is over sooner and tells nothing is not told: its end tells all there is to know, and a
/// message for each start would cost the broker more than the job.
const STARTED_TOLD_AFTER: Duration = Duration::from_millis(20);
/// How often the log of a running attempt is stored, where there is more of it.
const STORED_EVERY: Duration = Duration::from_secs(1);

/// How long the end of an attempt waits until what was told before has gone out.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// What goes through the channel to whoever tells watchers.
#[derive(Debug)]
pub enum Heard {
    /// Something happened.
    Event(TenantName, Event),
    /// Everything that was sent before has been told.
    Flush(oneshot::Sender<()>),
}

/// What one attempt tells.
#[derive(Clone)]
pub(super) struct Telling(Arc<Inner>);

struct Inner {
    tenant: TenantName,
    /// The start of the attempt; every other event is this one with something else in it.
    form: Event,
    heard: mpsc::Sender<Heard>,
    start_told: AtomicBool,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    /// Lines that are in no piece yet.
    open: String,
    /// A piece that the broker may or may not have.
    unconfirmed: Option<LogPiece>,
    /// The number of the next piece.
    next: u32,
}

impl Telling {
    pub(super) fn new<B, T>(
        shared: &Shared<B, T>,
        tenant: &TenantName,
        job: &Job,
        task: &ReadyTask,
        (started, attempts_max): (UnixMs, u32),
    ) -> Self {
        let version = task.version.to_string();
        let start = Happening::Started { version, attempts_max: Some(attempts_max) };
        Self(Arc::new(Inner {
            tenant: tenant.clone(),
            form: super::execute::event_of(shared, job, started, start),
            heard: shared.heard.clone(),
            start_told: AtomicBool::new(false),
            log: Mutex::default(),
        }))
    }

    /// Passes on what the guest tells while it runs. What does not fit in the channel is lost to watchers.
    pub(super) fn sink(&self) -> EventSink {
        let telling = self.clone();
        EventSink::new(move |told| {
            let what = match told {
                AttemptEvent::Progress { fraction, message } => Happening::Progress { fraction, message },
                AttemptEvent::Log { level, line } => {
                    let level = level.map(|level| format!("{} ", level.as_str())).unwrap_or_default();
                    let mut log = telling.log();
                    log.open.push_str(&level);
                    log.open.push_str(&line);
                    log.open.push('\n');
                    Happening::Log { line }
                }
            };
            telling.start_soon();
            let event = Event { at: now(), what, ..telling.0.form.clone() };
            let _lost_where_full = telling.0.heard.try_send(Heard::Event(telling.0.tenant.clone(), event));
        })
    }

    /// Tells the start after a while, and stores the log as it grows; never ends by itself. May be dropped at any
    /// moment: a piece counts as unconfirmed until the broker's word is there, and is written again by [`Self::end`].
    pub(super) async fn follow<B: Broker, T>(&self, shared: &Shared<B, T>) -> Infallible {
        tokio::time::sleep(STARTED_TOLD_AFTER).await;
        self.start_soon();
        loop {
            tokio::time::sleep(STORED_EVERY).await;
            if let Err(error) = self.store(shared, None).await {
                tracing::debug!(job.id = %self.0.form.id, error = %error, "a log is not stored yet");
            }
        }
    }

    /// Stores the rest of the log, and waits until everything that was told has gone out.
    pub(super) async fn end<B: Broker, T>(&self, shared: &Shared<B, T>, truncated: bool) -> Result<(), BrokerError> {
        let stored = self.store(shared, Some(if truncated { LogEnd::Truncated } else { LogEnd::Whole })).await;
        if self.0.start_told.load(Ordering::Acquire) {
            // events may be lost, and no job waits for long for the sake of them
            let _out_of_order_then = tokio::time::timeout(FLUSH_WITHIN, flush(&self.0.heard)).await;
        }
        stored
    }

    /// Puts the start into the channel, once, before anything else.
    fn start_soon(&self) {
        if !self.0.start_told.load(Ordering::Acquire) {
            let start = Heard::Event(self.0.tenant.clone(), self.0.form.clone());
            if self.0.heard.try_send(start).is_ok() {
                self.0.start_told.store(true, Ordering::Release);
            }
        }
    }

    /// Stores what there is of the log. With an end, all of it, and that it ends; an attempt without lines has no log.
    async fn store<B: Broker, T>(&self, shared: &Shared<B, T>, end: Option<LogEnd>) -> Result<(), BrokerError> {
        while let Some(piece) = self.piece(shared.broker.output_inline_max(), end) {
            shared.broker.store_log(&self.0.tenant, &piece).await?;
            self.log().unconfirmed = None;
            if piece.end.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// The next piece to write: the one that is not confirmed, or a new one of at most about `bytes_max`.
    fn piece(&self, bytes_max: usize, end: Option<LogEnd>) -> Option<LogPiece> {
        let mut log = self.log();
        if let Some(piece) = &log.unconfirmed {
            return Some(piece.clone());
        }
        let started = log.next > 0 || !log.open.is_empty();
        if !started || (end.is_none() && log.open.is_empty()) {
            return None;
        }
        let cut = log.open.floor_char_boundary(bytes_max.max(4));
        let rest = log.open.split_off(cut);
        let text = std::mem::replace(&mut log.open, rest);
        let piece = LogPiece {
            id: self.0.form.id.clone(),
            attempt: self.0.form.attempt,
            started: self.0.form.at,
            worker: self.0.form.worker.clone(),
            number: log.next,
            end: end.filter(|_| log.open.is_empty()),
            text,
        };
        log.next += 1;
        log.unconfirmed = Some(piece.clone());
        Some(piece)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns once everything that was put into the channel before has been told.
async fn flush(heard: &mpsc::Sender<Heard>) {
    let (flushed, wait) = oneshot::channel();
    // an error means that the worker is ending, and nobody tells anything any more
    if heard.send(Heard::Flush(flushed)).await.is_ok() {
        let _nobody_tells_any_more = wait.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::poll;
    use std::pin::pin;

    fn event() -> Event {
        Event {
            id: "j".parse().unwrap(),
            task: "add".parse().unwrap(),
            queue: "default".parse().unwrap(),
            attempt: 1,
            at: UnixMs(5),
            worker: "w".into(),
            what: Happening::Log { line: "x".into() },
        }
    }

    #[tokio::test]
    async fn an_end_waits_until_all_before_it_was_told() {
        let (heard, mut hears) = mpsc::channel(8);
        heard.send(Heard::Event(TenantName::default_tenant(), event())).await.unwrap();
        let mut ends = pin!(flush(&heard));
        assert!(poll!(&mut ends).is_pending());
        assert!(matches!(hears.recv().await, Some(Heard::Event(_, told)) if told == event()));
        assert!(poll!(&mut ends).is_pending(), "the event is taken, and not told yet");
        let Some(Heard::Flush(told)) = hears.recv().await else { panic!("no end") };
        assert!(poll!(&mut ends).is_pending());
        told.send(()).unwrap();
        assert!(poll!(&mut ends).is_ready());
    }

    #[tokio::test]
    async fn an_end_does_not_wait_for_a_worker_that_is_gone() {
        let (heard, hears) = mpsc::channel(8);
        drop(hears);
        assert!(poll!(pin!(flush(&heard))).is_ready());
    }
}

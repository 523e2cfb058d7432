//! One attempt in a runner, as its supervisor sees it: what the runner may still say of it, and what is passed on.
//!
//! The runner is not believed. A frame that says more than the attempt's limits allow is a breach, and ends the runner.

use super::words::{FromRunner, Heard, Report};
use crate::attempt::event::{AttemptEvent, EventSink};
use crate::attempt::request::AttemptReport;
use crate::attempt::services::Services;
use lovage_job::limits::Limits;
use lovage_job::outcome::{Outcome, Output};
use lovage_job::storage::BLOB_BYTES_MAX;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// What a frame holds beside what the limits count.
const FRAME_SPARE: usize = 1 << 20;
/// Calls of one attempt that wait for an answer at once.
const CALLS_MAX: usize = 32;
/// The longest media type of a result.
const CONTENT_TYPE_BYTES_MAX: usize = 1024;
/// The longest message of progress.
const PROGRESS_BYTES_MAX: usize = 1024;
/// Reports of progress in a second, at most; a runner tells ten.
const PROGRESS_PER_S: u64 = 20;
/// Reports of progress that may come at once.
const PROGRESS_AT_ONCE: u64 = 50;
/// A byte of a log that is no text becomes three.
const LOSSY: usize = 3;

/// What a runner said that it cannot say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    #[error(transparent)]
    Frame(#[from] super::frame::FrameError),
    #[error("a word of an attempt that does not run")]
    UnknownAttempt,
    #[error("a word of a task that was not asked for")]
    UnknownTask,
    #[error("it is ready twice")]
    ReadyTwice,
    #[error("{what} of {bytes} bytes, where at most {most} can be")]
    TooMuch { what: &'static str, bytes: usize, most: usize },
    #[error("more {what} than there can be")]
    TooMany { what: &'static str },
    #[error("an event of no known kind")]
    NoEvent,
    #[error("a call to services that the task does not have")]
    NoServices,
    #[error("it does not read what it is told")]
    Deaf,
}

/// An attempt that a runner has.
pub(crate) struct Pending {
    pub(crate) limits: Arc<Limits>,
    pub(crate) events: Option<EventSink>,
    pub(crate) services: Option<Arc<dyn Services>>,
    /// Nothing once nobody waits for it.
    report: Option<oneshot::Sender<AttemptReport>>,
    /// What is asked of services now, by number.
    pub(crate) calls: HashMap<u64, AbortHandle>,
    began: Instant,
    log_bytes: usize,
    log_lines: usize,
    progress: u64,
}

impl Pending {
    pub(crate) fn new(
        limits: Arc<Limits>,
        events: Option<EventSink>,
        services: Option<Arc<dyn Services>>,
        report: oneshot::Sender<AttemptReport>,
    ) -> Self {
        Self {
            limits,
            events,
            services,
            report: Some(report),
            calls: HashMap::new(),
            began: Instant::now(),
            log_bytes: 0,
            log_lines: 0,
            progress: 0,
        }
    }

    /// The longest frame that the attempt can cause.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        let Limits { output, log, hostcall, .. } = self.limits.as_ref();
        let counted = [output, log, hostcall].iter().fold(FRAME_SPARE, |sum, size| sum.saturating_add(size.as_usize()));
        // a blob is gathered over many calls of the guest and sent as one
        counted.saturating_add(BLOB_BYTES_MAX)
    }

    /// The event, where the attempt may tell it.
    pub(crate) fn event(&mut self, heard: Heard) -> Result<AttemptEvent, Breach> {
        match heard.event().ok_or(Breach::NoEvent)? {
            AttemptEvent::Log { level, line } => {
                self.log_lines += 1;
                self.log_bytes = self.log_bytes.saturating_add(line.len());
                let limit = self.limits.log.as_usize();
                let most = limit.saturating_mul(LOSSY);
                if self.log_bytes > most || self.log_lines > limit.saturating_add(1) {
                    return Err(Breach::TooMuch { what: "a log", bytes: self.log_bytes, most });
                }
                Ok(AttemptEvent::Log { level, line })
            }
            AttemptEvent::Progress { fraction, message } => {
                self.progress += 1;
                let allowed = PROGRESS_AT_ONCE + PROGRESS_PER_S.saturating_mul(self.began.elapsed().as_secs());
                if self.progress > allowed {
                    return Err(Breach::TooMany { what: "reports of progress" });
                }
                within("a message", message.len(), PROGRESS_BYTES_MAX)?;
                let fraction = fraction.filter(|part| part.is_finite()).map(|part| part.clamp(0.0, 1.0));
                Ok(AttemptEvent::Progress { fraction, message })
            }
        }
    }

    /// Nobody waits for it any more.
    pub(crate) fn abandon(&mut self) {
        self.report = None;
        self.events = None;
    }

    /// Hands the report to whoever waits.
    pub(crate) fn end(mut self, report: AttemptReport) {
        if let Some(waits) = self.report.take() {
            // Whoever waited may be gone in this moment.
            let _ = waits.send(report);
        }
    }

    /// Whom to ask, where the attempt may make one more call; nobody where nobody waits for it.
    pub(crate) fn may_call(&self, call: u64) -> Result<Option<Arc<dyn Services>>, Breach> {
        let services = self.services.clone().ok_or(Breach::NoServices)?;
        match self.calls.len() < CALLS_MAX && !self.calls.contains_key(&call) {
            true => Ok(Some(services).filter(|_| self.report.is_some())),
            false => Err(Breach::TooMany { what: "calls at once" }),
        }
    }

    /// The report, where it is within the limits. What it says of its own time is not taken over.
    pub(crate) fn checked(&self, report: Report) -> Result<AttemptReport, Breach> {
        let mut report = AttemptReport::from(report);
        within("a log", report.log.len(), self.limits.log.as_usize())?;
        if let Outcome::Completed(Output { body, content_type }) = &report.outcome {
            within("a result", body.len(), self.limits.output.as_usize())?;
            within("a media type", content_type.len(), CONTENT_TYPE_BYTES_MAX)?;
        }
        let here = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        report.meter.wall_us = report.meter.wall_us.min(here);
        report.meter.fuel_used = report.meter.fuel_used.min(self.limits.fuel);
        report.meter.memory_peak_bytes = report.meter.memory_peak_bytes.min(self.limits.memory.0);
        Ok(report)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.calls.values().for_each(AbortHandle::abort);
    }
}

/// The attempt that a word is of.
pub(crate) fn attempt_of(word: &FromRunner) -> Option<u64> {
    match word {
        FromRunner::Event { attempt, .. }
        | FromRunner::Call { attempt, .. }
        | FromRunner::Drop { attempt, .. }
        | FromRunner::Done { attempt, .. } => Some(*attempt),
        FromRunner::Ready(_) | FromRunner::Loaded { .. } => None,
    }
}

fn within(what: &'static str, bytes: usize, most: usize) -> Result<(), Breach> {
    if bytes <= most { Ok(()) } else { Err(Breach::TooMuch { what, bytes, most }) }
}

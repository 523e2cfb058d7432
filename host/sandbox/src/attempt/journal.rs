//! The log of one attempt: one byte budget for standard error and the `log` function together.
//!
//! The host keeps what a guest says between calls, which neither fuel nor the memory limit sees; so everything is
//! counted here, and beyond the limit nothing is kept. Of progress only the latest is kept, and it is told so rarely
//! that it needs no budget: a job may report for a day without using up its log.

use crate::attempt::event::{AttemptEvent, EventSink, LogLevel};
use crate::attempt::given::Given;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two progress events; the latest is kept and sent when the time has passed.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// The longest progress message, in bytes.
const PROGRESS_MESSAGE_MAX: usize = 1024;

/// Clones write to the same log.
#[derive(Clone)]
pub(crate) struct Journal(Arc<Mutex<Pages>>);

struct Pages {
    text: Vec<u8>,
    limit: usize,
    truncated: bool,
    events: Option<EventSink>,
    /// What is taken out of everything before it is told.
    given: Given,
    /// Where the line that is not told yet begins in `text`.
    line_start: usize,
    /// The shortest time between two progress events.
    progress_interval: Duration,
    progress_told: Option<Instant>,
    progress_kept: Option<(Option<f64>, String)>,
}

impl Journal {
    pub(crate) fn new(limit: usize, events: Option<EventSink>) -> Self {
        Self(Arc::new(Mutex::new(Pages {
            text: Vec::new(),
            limit,
            truncated: false,
            events,
            given: Given::default(),
            line_start: 0,
            progress_interval: PROGRESS_INTERVAL,
            progress_told: None,
            progress_kept: None,
        })))
    }

    /// The secrets that are taken out of everything that is told.
    pub(crate) fn given(&self) -> Given {
        self.pages().given.clone()
    }

    /// Tells each report of progress: a test must not depend on how fast its machine is.
    pub(crate) fn tell_all_progress(&self) {
        self.pages().progress_interval = Duration::ZERO;
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // A sink that panicked under the lock leaves whole bytes behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends raw bytes, as a guest writes them to standard error.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut pages = self.pages();
        pages.append(bytes);
        pages.tell_whole_lines();
    }

    /// Appends a line of the `log` function.
    pub(crate) fn line(&self, level: LogLevel, message: &str) {
        let mut pages = self.pages();
        pages.end_open_line();
        let start = pages.text.len();
        pages.append(level.as_str().as_bytes());
        pages.append(b" ");
        pages.append(message.as_bytes());
        pages.append(b"\n");
        pages.line_start = pages.text.len();
        let message = start + level.as_str().len() + 1;
        if message < pages.text.len() {
            pages.tell_line(message, Some(level));
        }
    }

    /// Reports progress.
    pub(crate) fn progress(&self, fraction: Option<f64>, message: &str) {
        let mut pages = self.pages();
        if pages.events.is_none() {
            return;
        }
        let message = pages.given.clean_text(clipped(message, PROGRESS_MESSAGE_MAX));
        let fraction = fraction.filter(|part| part.is_finite()).map(|part| part.clamp(0.0, 1.0));
        pages.progress_kept = Some((fraction, message));
        let now = Instant::now();
        if pages.progress_told.is_none_or(|told| now.duration_since(told) >= pages.progress_interval) {
            pages.progress_told = Some(now);
            pages.tell_progress();
        }
    }

    /// Tells what is still to tell and gives the log, and whether something is missing from it.
    pub(crate) fn finish(&self) -> (Vec<u8>, bool) {
        let mut pages = self.pages();
        pages.tell_progress();
        pages.end_open_line();
        let text = std::mem::take(&mut pages.text);
        (pages.given.clean(text), pages.truncated)
    }

    /// The last `bytes` of the log so far, as text.
    pub(crate) fn tail(&self, bytes: usize) -> String {
        let pages = self.pages();
        let from = pages.text.len().saturating_sub(bytes);
        String::from_utf8_lossy(pages.text.get(from..).unwrap_or_default()).into_owned()
    }
}

impl Pages {
    fn append(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.text.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.truncated |= kept.len() < bytes.len();
        self.text.extend_from_slice(kept);
    }

    fn tell_whole_lines(&mut self) {
        let Some(open) = self.text.get(self.line_start..) else { return };
        let Some(last) = open.iter().rposition(|byte| *byte == b'\n') else { return };
        let end = self.line_start + last;
        if let Some(events) = &self.events {
            for line in self.text.get(self.line_start..end).unwrap_or_default().split(|byte| *byte == b'\n') {
                let line = self.given.clean_text(&String::from_utf8_lossy(line));
                events.tell(AttemptEvent::Log { level: None, line });
            }
        }
        self.line_start = end + 1;
    }

    fn end_open_line(&mut self) {
        if self.line_start < self.text.len() {
            self.tell_line(self.line_start, None);
            if self.text.last() != Some(&b'\n') {
                self.append(b"\n");
            }
        }
        self.line_start = self.text.len();
    }

    fn tell_line(&self, start: usize, level: Option<LogLevel>) {
        if let Some(events) = &self.events {
            let line = self.text.get(start..).unwrap_or_default();
            let line = self.given.clean_text(&String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)));
            events.tell(AttemptEvent::Log { level, line });
        }
    }

    fn tell_progress(&mut self) {
        if let (Some((fraction, message)), Some(events)) = (self.progress_kept.take(), &self.events) {
            events.tell(AttemptEvent::Progress { fraction, message });
        }
    }
}

/// The longest prefix of `text` that has at most `bytes` and ends at a character.
pub(crate) fn clipped(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(
        journal: &Journal,
        mut events: tokio::sync::mpsc::Receiver<AttemptEvent>,
    ) -> (String, bool, Vec<AttemptEvent>) {
        let (text, truncated) = journal.finish();
        let mut all = Vec::new();
        while let Ok(event) = events.try_recv() {
            all.push(event);
        }
        (String::from_utf8(text).unwrap(), truncated, all)
    }

    fn log(level: Option<LogLevel>, line: &str) -> AttemptEvent {
        AttemptEvent::Log { level, line: line.to_owned() }
    }

    #[test]
    fn the_limit_holds_to_the_byte() {
        for (limit, truncated) in [(4, true), (5, false), (6, false)] {
            let journal = Journal::new(limit, None);
            journal.write(b"12");
            journal.write(b"34\n");
            let (text, cut) = journal.finish();
            assert_eq!((text.len(), cut), (limit.min(5), truncated));
        }
    }

    #[test]
    fn lines_are_told_once_whole() {
        let (sink, events) = EventSink::channel(16);
        let journal = Journal::new(1000, Some(sink));
        journal.write(b"one\ntw");
        journal.write(b"o\n");
        journal.line(LogLevel::Warn, "three");
        journal.write(b"open");
        let (text, truncated, told) = heard(&journal, events);
        assert_eq!(text, "one\ntwo\nwarn three\nopen\n");
        assert!(!truncated);
        assert_eq!(told, [log(None, "one"), log(None, "two"), log(Some(LogLevel::Warn), "three"), log(None, "open")]);
    }

    #[test]
    fn progress_is_rate_limited_and_the_latest_is_kept() {
        let (sink, events) = EventSink::channel(16);
        let journal = Journal::new(1000, Some(sink));
        for step in 0..10 {
            journal.progress(Some(f64::from(step)), "x");
        }
        let (_, _, told) = heard(&journal, events);
        let progress = |fraction| AttemptEvent::Progress { fraction: Some(fraction), message: "x".to_owned() };
        assert_eq!(told, [progress(0.0), progress(1.0)]);
    }

    #[test]
    fn progress_does_not_use_up_the_log() {
        let (sink, events) = EventSink::channel(16);
        let journal = Journal::new(1, Some(sink));
        journal.progress(None, &"x".repeat(5000));
        journal.write(b"x");
        let (text, truncated, told) = heard(&journal, events);
        assert_eq!((text.as_str(), truncated), ("x", true));
        assert!(matches!(&told[0], AttemptEvent::Progress { message, .. } if message.len() == PROGRESS_MESSAGE_MAX));
    }

    #[test]
    fn texts_are_cut_at_characters() {
        assert_eq!(clipped("aé", 2), "a");
        assert_eq!(clipped("aé", 3), "aé");
        assert_eq!(clipped("", 3), "");
    }
}

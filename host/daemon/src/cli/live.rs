//! A line on the terminal that tells how far a job is: its state, a bar where the task says how far it is, the time.
//!
//! It is drawn on standard error, only where that is a terminal, and is gone when the wait is over. What the task logs
//! is written above it.

use super::output::printable;
use super::task::when;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lovage_job::event::{Event, Happening};
use std::time::Duration;

/// How often the line moves.
const TICK: Duration = Duration::from_millis(120);
/// The parts of the bar.
const PARTS: u64 = 1_000;

/// The line.
pub(super) struct LiveLine(ProgressBar);

/// What the line shows.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    /// How far, in parts of the bar; nothing where that is not known.
    part: Option<u64>,
    text: String,
}

impl LiveLine {
    /// A line that says where the job is to begin with, until something is heard of it.
    pub(super) fn new(shown: bool, place: &str) -> Self {
        if !shown {
            return Self(ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
        }
        let line = Self(ProgressBar::new(PARTS).with_message(place.to_owned()));
        line.style(false);
        line.0.enable_steady_tick(TICK);
        line
    }

    /// Shows what happened. Lines of the log go above, the rest replaces what the line said.
    pub(super) fn show(&self, event: &Event) {
        if let Happening::Log { line } = &event.what {
            self.0.println(printable(line));
            return;
        }
        let shown = shown(event);
        self.style(shown.part.is_some());
        self.0.set_position(shown.part.unwrap_or(0));
        self.0.set_message(shown.text);
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }

    fn style(&self, bar: bool) {
        let template = match bar {
            true => "{spinner} {elapsed} [{bar:24}] {percent:>3}% {wide_msg}",
            false => "{spinner} {elapsed} {wide_msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style.progress_chars("=> "));
        }
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What an event says in a few words that cannot harm a terminal.
fn shown(event: &Event) -> Shown {
    let attempt = if event.attempt > 1 { format!("attempt {}: ", event.attempt) } else { String::new() };
    let (part, text) = match &event.what {
        Happening::Started { version, attempts_max: Some(most) } if *most > 1 => {
            (None, format!("running, attempt {} of {most}, version {version}", event.attempt))
        }
        Happening::Started { version, attempts_max: _ } => (None, format!("{attempt}running, version {version}")),
        Happening::Progress { fraction: Some(fraction), message } => {
            let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
            // between 0 and the number of parts, so nothing is cut off
            (Some((fraction * PARTS as f64) as u64), format!("{attempt}{message}"))
        }
        Happening::Progress { fraction: None, message } => (None, format!("{attempt}{message}")),
        Happening::Log { line } => (None, line.clone()),
        Happening::Retrying { outcome, message, due, past: _ } => {
            (None, format!("{attempt}{outcome}: {message}; again at {}", when(*due)))
        }
        Happening::Waiting { lot: _, message, due: _ } => (None, format!("waiting: {message}")),
        Happening::Released { message } => (None, format!("queued again: {message}")),
        Happening::Finished { outcome, .. } => (Some(PARTS), outcome.to_string()),
    };
    Shown { part, text: printable(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::outcome::OutcomeKind;
    use lovage_job::unit::UnixMs;

    fn told(attempt: u32, what: Happening) -> (Option<u64>, String) {
        let event = Event {
            id: "j".parse().unwrap(),
            task: "add".parse().unwrap(),
            queue: "default".parse().unwrap(),
            attempt,
            at: UnixMs(1_000),
            worker: "w".into(),
            what,
        };
        let Shown { part, text } = shown(&event);
        (part, text)
    }

    fn progress(fraction: f64) -> Option<u64> {
        told(1, Happening::Progress { fraction: Some(fraction), message: String::new() }).0
    }

    #[test]
    fn the_line_names_state_and_attempt() {
        let start = |most| Happening::Started { version: "3".into(), attempts_max: most };
        assert_eq!(told(2, start(Some(5))), (None, "running, attempt 2 of 5, version 3".to_owned()));
        assert_eq!(told(1, start(Some(1))), (None, "running, version 3".to_owned()));
        let (outcome, due, past) = (OutcomeKind::Failed, UnixMs(5_000), Default::default());
        let retrying = Happening::Retrying { outcome, message: "no\x1b[2J".into(), due, past };
        assert_eq!(told(2, retrying).1, "attempt 2: failed: no\u{fffd}[2J; again at 1970-01-01 00:00:05Z");
    }

    #[test]
    fn absurd_fractions_are_bounded() {
        assert_eq!([0.5, -1.0, 9e9, f64::NAN, f64::INFINITY].map(progress), [500, 0, 1_000, 0, 0].map(Some));
    }
}

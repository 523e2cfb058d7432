//! Sends `tracing` events to the log of the attempt, spans in front: `resize{width=64}: decoded bytes=1024`.
//!
//! Built on `tracing-core` alone. An attempt has one thread, so the stack of spans is one list.

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_core::callsite::rebuild_interest_cache;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, LevelFilter, Metadata, Subscriber, dispatcher};

use crate::Level;

static LEVEL_MIN: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Sends events of this level and above to the log; `info` unless told otherwise.
///
/// In a component the subscriber is installed before a task starts. Natively the first call installs it.
pub fn trace_up_to(level: Level) {
    LEVEL_MIN.store(level as u8, Ordering::Relaxed);
    install();
    rebuild_interest_cache();
}

/// Installs the subscriber unless there is one already.
pub(crate) fn install() {
    if !dispatcher::has_been_set() {
        // Fails only where the author's own subscriber came first, which then stays.
        let _ = dispatcher::set_global_default(dispatcher::Dispatch::new(ToLog::new(crate::log)));
    }
}

#[derive(Debug)]
struct ToLog {
    write: fn(Level, String),
    last_id: AtomicU64,
    spans: Mutex<Spans>,
}

#[derive(Debug, Default)]
struct Spans {
    /// Open spans with their name and fields; few at a time, so a list is searched.
    open: Vec<(u64, String)>,
    entered: Vec<u64>,
}

impl ToLog {
    fn new(write: fn(Level, String)) -> Self {
        Self { write, last_id: AtomicU64::new(0), spans: Mutex::default() }
    }

    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spans {
    fn title(&self, id: u64) -> Option<&str> {
        self.open.iter().find(|(open, _)| *open == id).map(|(_, title)| title.as_str())
    }
}

impl Subscriber for ToLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        level_of(metadata) as u8 >= LEVEL_MIN.load(Ordering::Relaxed)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match LEVEL_MIN.load(Ordering::Relaxed) {
            level if level == Level::Trace as u8 => LevelFilter::TRACE,
            level if level == Level::Debug as u8 => LevelFilter::DEBUG,
            level if level == Level::Info as u8 => LevelFilter::INFO,
            level if level == Level::Warn as u8 => LevelFilter::WARN,
            _ => LevelFilter::ERROR,
        })
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Line::default();
        attributes.record(&mut fields);
        let name = attributes.metadata().name();
        let title = if fields.0.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", fields.0) };
        self.spans().open.push((id, title));
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut fields = Line::default();
        values.record(&mut fields);
        if let Some((_, title)) = self.spans().open.iter_mut().find(|(open, _)| *open == id.into_u64()) {
            title.push_str(&format!("{{{}}}", fields.0));
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        {
            let spans = self.spans();
            for title in spans.entered.iter().filter_map(|id| spans.title(*id)) {
                line.0.push_str(title);
                line.0.push_str(": ");
            }
        }
        let mut fields = Line::default();
        event.record(&mut fields);
        line.0.push_str(&fields.0);
        (self.write)(level_of(event.metadata()), line.0);
    }

    fn enter(&self, id: &Id) {
        self.spans().entered.push(id.into_u64());
    }

    fn exit(&self, id: &Id) {
        let mut spans = self.spans();
        if let Some(place) = spans.entered.iter().rposition(|entered| *entered == id.into_u64()) {
            spans.entered.remove(place);
        }
    }

    fn clone_span(&self, id: &Id) -> Id {
        // Spans are counted by their closing: a clone is one more line in the list.
        let mut spans = self.spans();
        if let Some(title) = spans.title(id.into_u64()).map(str::to_owned) {
            spans.open.push((id.into_u64(), title));
        }
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut spans = self.spans();
        if let Some(place) = spans.open.iter().rposition(|(open, _)| *open == id.into_u64()) {
            spans.open.remove(place);
        }
        spans.title(id.into_u64()).is_none()
    }
}

/// Fields in the order they come: the message bare, the others as `name=value`.
#[derive(Default)]
struct Line(String);

impl Line {
    fn add(&mut self, field: &Field, value: std::fmt::Arguments<'_>) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" {
            write!(self.0, "{value}")
        } else {
            write!(self.0, "{}={value}", field.name())
        };
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }
}

fn level_of(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing_core::Level::TRACE => Level::Trace,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::INFO => Level::Info,
        tracing_core::Level::WARN => Level::Warn,
        tracing_core::Level::ERROR => Level::Error,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::ToLog;
    use crate::Level;

    thread_local! {
        static WRITTEN: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    }

    fn written(events: impl FnOnce()) -> Vec<(Level, String)> {
        let to_log = ToLog::new(|level, line| WRITTEN.with_borrow_mut(|lines| lines.push((level, line))));
        tracing::subscriber::with_default(to_log, events);
        WRITTEN.take()
    }

    #[test]
    fn events_carry_their_fields_and_spans() {
        let lines = written(|| {
            let outer = tracing::info_span!("outer", width = 64);
            let _outer = outer.enter();
            tracing::warn!(bytes = 7, kind = "png", "decoded");
            let inner = tracing::info_span!("inner");
            drop(inner.clone());
            inner.in_scope(|| tracing::error!("failed"));
        });
        let expected = [
            (Level::Warn, "outer{width=64}: decoded bytes=7 kind=png"),
            (Level::Error, "outer{width=64}: inner: failed"),
        ];
        assert_eq!(lines, expected.map(|(level, line)| (level, line.to_owned())));
    }

    #[test]
    fn events_below_the_level_are_left_out() {
        assert!(written(|| tracing::debug!("hidden")).is_empty());
    }
}

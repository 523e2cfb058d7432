//! Printing: tables for people, JSON for programs, data on standard output alone.

use super::{Exit, Failure};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};
use std::ops::ControlFlow;

/// How data is printed.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// As JSON.
    pub json: bool,
}

impl Output {
    /// Writes bytes to standard output as they are. A reader that went away ends the command in peace.
    pub fn raw(self, bytes: &[u8]) -> Result<(), Failure> {
        self.follow(bytes).map(|_| ())
    }

    /// Writes bytes to standard output, of a command that would go on for ever: breaks where the reader went away.
    pub fn follow(self, bytes: &[u8]) -> Result<ControlFlow<()>, Failure> {
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            Err(error) => Err(Failure::new(Exit::Host, format!("standard output: {error}"))),
        }
    }

    /// Writes a line to standard output.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        if std::io::stdout().is_terminal() {
            return self.raw(format!("{}\n", printable_lines(text)).as_bytes());
        }
        self.raw(format!("{text}\n").as_bytes())
    }

    /// Writes a value as JSON to standard output, on one line.
    pub fn value(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::new(Exit::Host, error))?;
        self.line(&text)
    }

    /// Writes to standard error, for people.
    pub fn note(self, text: &str) {
        let text = printable_lines(text);
        let _standard_error_may_be_closed = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Writes a table to standard output, without the columns that nothing is in. Cells are never broken: an id in two
    /// pieces cannot be copied.
    pub fn table(self, heads: &[&str], rows: Vec<Vec<String>>) -> Result<(), Failure> {
        let is_empty = |column: usize| rows.iter().all(|row| row.get(column).is_none_or(String::is_empty));
        let kept: Vec<usize> = (0..heads.len()).filter(|column| !is_empty(*column)).collect();
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(kept.iter().filter_map(|column| heads.get(*column)));
        for row in &rows {
            // what came from outside must not move the cursor or colour the terminal
            table.add_row(kept.iter().filter_map(|column| row.get(*column)).map(|cell| printable(cell)));
        }
        // columns begin at the edge, for people and for `awk` alike
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
        self.line(&table.trim_fmt())
    }
}

/// Text that cannot do anything to a terminal: what would is shown, not sent.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if acts(c) { '\u{fffd}' } else { c }).collect()
}

/// As [`printable`], but lines stay lines.
pub fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if acts(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// Whether a terminal does something on a character: controls, and those that turn the direction of what follows, so
/// that one text reads as another.
fn acts(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_safe_from_cells() {
        assert_eq!(printable("a\x1b[31mb\r\nc"), "a\u{fffd}[31mb\u{fffd}\u{fffd}c");
        assert_eq!(printable("gpj\u{202e}exe.\u{2066}a\u{200f}"), "gpj\u{fffd}exe.\u{fffd}a\u{fffd}");
        assert_eq!(printable_lines("a\x1b[31mb\u{9b}\r\n\tc"), "a\u{fffd}[31mb\u{fffd}\u{fffd}\n\tc");
    }
}

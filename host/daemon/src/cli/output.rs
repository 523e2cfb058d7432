//! Printing: tables for people, JSON for programs, data on standard output alone.

use super::{Exit, Failure};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::Write;

/// How data is printed.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// As JSON.
    pub json: bool,
}

impl Output {
    /// Writes bytes to standard output as they are. A reader that went away ends the command in peace.
    pub fn raw(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Exit::Host, format!("standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Writes a line to standard output.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        self.raw(format!("{text}\n").as_bytes())
    }

    /// Writes a value as JSON to standard output, on one line.
    pub fn value(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::new(Exit::Host, error))?;
        self.line(&text)
    }

    /// Writes to standard error, for people.
    pub fn note(self, text: &str) {
        let _standard_error_may_be_closed = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Writes a table to standard output.
    pub fn table(self, heads: &[&str], rows: Vec<Vec<String>>) -> Result<(), Failure> {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(heads.iter().copied());
        for row in rows {
            // what came from outside must not move the cursor or colour the terminal
            table.add_row(row.iter().map(|cell| printable(cell)));
        }
        self.line(&table.trim_fmt())
    }
}

/// Text that cannot do anything to a terminal: control characters are shown, not sent.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_safe_from_cells() {
        assert_eq!(printable("a\x1b[31mb\r\nc"), "a\u{fffd}[31mb\u{fffd}\u{fffd}c");
    }
}

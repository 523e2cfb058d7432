//! What the demo prints: at most 100 columns of plain text; colour and a moving line only on a terminal.

use std::{
    env,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use crate::measures::span;

const COLUMNS: usize = 100;
const INDENT: &str = "   ";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RESET: &str = "\x1b[0m";
/// How wide the first column of the preparation is.
const STEP_COLUMNS: usize = 34;
/// How wide the second one is.
const NOTE_COLUMNS: usize = 48;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Page {
    /// Whether a line can be written over.
    terminal: bool,
    colour: bool,
    /// Whether a passing line stands on the terminal.
    passing: bool,
}

impl Page {
    pub(crate) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { terminal, colour: terminal && !plain, passing: false }
    }

    pub(crate) fn title(&mut self, text: &str) -> io::Result<()> {
        let text = self.styled(BOLD, text);
        self.put(&format!("\n{text}\n\n"))
    }

    /// Opens a chapter.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.styled(BOLD, text);
        self.put(&format!("\n\n{text}\n\n"))
    }

    pub(crate) fn blank(&mut self) -> io::Result<()> {
        self.put("\n")
    }

    /// Prints text, broken into lines between words.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.put(&wrapped(text))
    }

    /// Prints a command as it can be pasted into a shell, and so never breaks it.
    pub(crate) fn command(&mut self, text: &str) -> io::Result<()> {
        let text = self.styled(DIM, &format!("$ {text}"));
        self.put(&format!("{INDENT}{text}\n"))
    }

    /// Prints the second line of a command.
    pub(crate) fn command_rest(&mut self, text: &str) -> io::Result<()> {
        let text = self.styled(DIM, &format!("      {text}"));
        self.put(&format!("{INDENT}{text}\n"))
    }

    /// Prints a line of somebody else's text as it is, as far as there is room.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.put(&format!("{INDENT}{}\n", cut(text, COLUMNS - INDENT.len())))
    }

    /// Tells that a step of the preparation is done.
    pub(crate) fn step(&mut self, name: &str, note: &str, took: Duration) -> io::Result<()> {
        let done = self.styled(GREEN, "ok");
        let note = cut(note, NOTE_COLUMNS);
        self.put(&format!("{INDENT}{done}  {name:<STEP_COLUMNS$}  {note:<NOTE_COLUMNS$}  {:>7}\n", span(took)))
    }

    /// Shows what goes on, on a terminal only; the next line takes its place.
    pub(crate) fn passing(&mut self, text: &str) -> io::Result<()> {
        if !self.terminal {
            return Ok(());
        }
        self.clear()?;
        self.passing = true;
        let text = self.styled(DIM, &cut(text, COLUMNS - INDENT.len() - 6));
        let mut out = io::stdout().lock();
        write!(out, "{INDENT}… {text}")?;
        out.flush()
    }

    /// Prints a table. Columns of figures stand to the right; the last column gives way where there is no room.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let widths: Vec<usize> = head.iter().enumerate().map(|(at, name)| widest(name, at, rows)).collect();
        let figures: Vec<bool> = (0..head.len()).map(|at| is_figures(at, rows)).collect();
        let row = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for ((cell, width), right) in cells.zip(&widths).zip(&figures) {
                let space = width - width.min(&cell.chars().count());
                let (before, after) = if *right { (space, 0) } else { (0, space) };
                line.push_str(&format!("{}{cell}{}  ", " ".repeat(before), " ".repeat(after)));
            }
            cut(line.trim_end(), COLUMNS - INDENT.len())
        };
        let head = self.styled(DIM, &row(&mut head.iter().copied()));
        let mut text = format!("{INDENT}{head}\n");
        for cells in rows {
            text.push_str(&format!("{INDENT}{}\n", row(&mut cells.iter().map(String::as_str))));
        }
        self.put(&text)
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colour { format!("{style}{text}{RESET}") } else { text.to_owned() }
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.clear()?;
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.passing) {
            write!(io::stdout().lock(), "\r\x1b[2K")?;
        }
        Ok(())
    }
}

/// A passing line is no line to come back to in the shell.
impl Drop for Page {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.clear();
    }
}

fn widest(name: &str, at: usize, rows: &[Vec<String>]) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
    cells.chain([name.chars().count()]).max().unwrap_or(0)
}

fn is_figures(at: usize, rows: &[Vec<String>]) -> bool {
    let mut cells = rows.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_empty()).peekable();
    let number = |cell: &String| {
        let number = cell.split(' ').next().unwrap_or_default();
        cell.split(' ').count() <= 2 && number.starts_with(|c: char| c.is_ascii_digit()) && !number.contains(is_letter)
    };
    cells.peek().is_some() && cells.all(number)
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
}

/// Shortens to so many characters, and shows that something is missing. Control characters of a task's output would
/// reach the terminal, so they become spaces.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() <= columns {
        return text;
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut line = INDENT.to_owned();
    for word in text.split_whitespace() {
        let fits = line.chars().count() + 1 + word.chars().count() <= COLUMNS;
        if !fits && line.len() > INDENT.len() {
            lines.push_str(&format!("{line}\n"));
            line = INDENT.to_owned();
        }
        if line.len() > INDENT.len() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines + &line + "\n"
}

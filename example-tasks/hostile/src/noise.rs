//! Tasks that say too much.

use std::io::{Write, stderr, stdout};
use std::time::Duration;

use lovage_task::{Job, Level, TaskError, log, payload, progress, task};

const LINE: &str = "the quick brown fox jumps over the lazy dog, again and again and again";

#[payload]
struct Flood {
    to: Channel,
    /// How many lines; without end where absent.
    lines: Option<u64>,
}

#[payload]
#[derive(Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Channel {
    Stdout,
    Stderr,
    Log,
}

/// Writes lines to one channel without end, or a given number of them.
#[task]
fn flood(input: Flood) -> u64 {
    let mut lines = 0;
    while input.lines.is_none_or(|limit| lines < limit) {
        say(input.to, LINE);
        lines += 1;
    }
    lines
}

/// Reports progress without end, or a given number of times.
#[task]
fn progress_flood(reports: Option<u64>) -> u64 {
    let mut sent = 0;
    while reports.is_none_or(|limit| sent < limit) {
        progress((sent % 100) as f64 / 100.0, LINE);
        sent += 1;
    }
    sent
}

/// Says its input once on every channel, and gives it back.
#[task]
fn speak(text: String) -> String {
    for channel in [Channel::Stdout, Channel::Stderr, Channel::Log] {
        say(channel, &text);
    }
    progress(0.5, &text);
    text
}

/// Writes one line to each level of the log.
#[task]
fn levels() {
    for level in [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error] {
        log(level, format!("a line at level {level}"));
    }
}

#[payload]
struct Story {
    lines: u64,
    /// The pause after each line.
    #[serde(default)]
    pause_ms: u64,
    /// The first attempt that succeeds, counting from 1; the first one where absent.
    succeed_on: Option<u32>,
}

/// Logs numbered lines, each with progress and a pause after it, and fails retryably until the given attempt.
#[task]
fn narrate(job: &Job, story: Story) -> Result<u64, TaskError> {
    for line in 1..=story.lines {
        log(Level::Info, format!("line {line} of attempt {}", job.attempt));
        progress(line as f64 / story.lines as f64, format!("told {line}"));
        std::thread::sleep(Duration::from_millis(story.pause_ms));
    }
    match story.succeed_on {
        Some(attempt) if job.attempt < attempt => Err(TaskError::retry("nobody listened")),
        _ => Ok(story.lines),
    }
}

fn say(channel: Channel, line: &str) {
    // A closed or full stream does not stop a flood.
    let _ = match channel {
        Channel::Stdout => writeln!(stdout(), "{line}"),
        Channel::Stderr => writeln!(stderr(), "{line}"),
        Channel::Log => {
            log(Level::Info, line);
            Ok(())
        }
    };
}

//! Counting what becomes of the lines of `lovage submit --jsonl`, and telling how far it is.

use super::super::{Exit, Failure, Output};
use super::bulk::{End, Told, print};
use indicatif::{ProgressBar, ProgressStyle};
use lovage_client::WaitError;
use lovage_job::outcome::OutcomeKind;
use std::time::Instant;

/// Counts, and tells how far it is.
pub(super) struct Tally {
    bar: ProgressBar,
    sized: bool,
    begun: Instant,
    submitted: u64,
    existing: u64,
    refused: u64,
    completed: u64,
    ended_otherwise: u64,
    late: u64,
    at_fault: Option<Exit>,
    /// The lines in flight that met the fault of the broker too.
    in_vain: Vec<u64>,
    last: u64,
}

impl Tally {
    /// Nothing yet, of a source of this size.
    pub(super) fn new(size: Option<u64>) -> Self {
        let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = if size.is_some() { "{wide_bar} {percent}% {msg}" } else { "{spinner} {elapsed} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            sized: size.is_some(),
            begun: Instant::now(),
            submitted: 0,
            existing: 0,
            refused: 0,
            completed: 0,
            ended_otherwise: 0,
            late: 0,
            at_fault: None,
            in_vain: Vec::new(),
            last: 0,
        }
    }

    /// Counts and prints a line's end; true where reading on is in vain.
    pub(super) fn add(&mut self, told: Told, output: Output) -> Result<bool, Failure> {
        let known = self.at_fault.is_some();
        let fault = self.count(&told.end);
        self.last = self.last.max(told.number);
        if self.sized {
            self.bar.set_position(self.bar.position().max(told.offset));
        } else {
            self.bar.tick();
        }
        self.bar.set_message(format!("{} jobs, {} refused", self.submitted, self.refused));
        if fault && known && !output.json && matches!(told.end, End::Refused(_)) {
            // told once for all, at the end
            self.in_vain.push(told.number);
        } else {
            self.bar.suspend(|| print(&told, output))?;
        }
        Ok(fault)
    }

    fn count(&mut self, end: &End) -> bool {
        let (submitted, exit) = match end {
            End::Refused(failure) => {
                self.refused += 1;
                // the next line may be right, but the broker will not be another
                let vain = failure.exit != Exit::Usage;
                if vain {
                    self.at_fault = Some(failure.exit);
                }
                return vain;
            }
            End::Submitted(submitted) => (submitted, None),
            End::Ended(submitted, result) => {
                if result.record.outcome == OutcomeKind::Completed {
                    self.completed += 1;
                } else {
                    self.ended_otherwise += 1;
                }
                (submitted, None)
            }
            End::Lost(submitted, WaitError::TimedOut { .. }) => {
                self.late += 1;
                (submitted, None)
            }
            End::Lost(submitted, WaitError::Closed { .. } | WaitError::Read(_)) => (submitted, Some(Exit::Broker)),
        };
        self.submitted += 1;
        self.existing += u64::from(submitted.existing);
        self.at_fault = exit.or(self.at_fault);
        exit.is_some()
    }

    /// Says on standard error what became of all.
    pub(super) fn sum_up(&mut self, stopped: bool, output: Output) {
        self.bar.finish_and_clear();
        if !self.in_vain.is_empty() {
            output.note(&format!("likewise: {}", ranges(&mut self.in_vain)));
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { self.submitted as f64 / seconds } else { 0.0 };
        let mut parts = vec![format!("{} submitted", self.submitted)];
        let counts = [
            (self.existing, "were there before"),
            (self.completed, "completed"),
            (self.ended_otherwise, "ended otherwise"),
            (self.late, "not ended in time"),
            (self.refused, "refused"),
        ];
        parts.extend(counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        output.note(&format!("{} in {seconds:.1}s, {rate:.0} jobs/s", parts.join(", ")));
        if stopped {
            output.note(&format!("stopped because of that; lines after {} were not submitted", self.last));
        }
    }

    /// The exit code of it all.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self { at_fault: Some(exit), .. } => *exit,
            Self { refused: 1.., .. } => Exit::Usage,
            Self { late: 1.., .. } => Exit::Timeout,
            Self { ended_otherwise: 1.., .. } => Exit::JobFailed,
            Self { .. } => Exit::Done,
        }
    }
}

/// Numbers of lines for people: `line 3`, `lines 1-5, 7`.
fn ranges(numbers: &mut [u64]) -> String {
    numbers.sort_unstable();
    let runs = numbers.chunk_by(|a, b| a.saturating_add(1) == *b).filter_map(|run| match run {
        [] => None,
        [one] => Some(one.to_string()),
        [first, .., last] => Some(format!("{first}-{last}")),
    });
    let runs = runs.collect::<Vec<_>>().join(", ");
    if numbers.len() == 1 { format!("line {runs}") } else { format!("lines {runs}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_in_runs() {
        assert_eq!(ranges(&mut [4]), "line 4");
        assert_eq!(ranges(&mut [9, 2, 1, 3, 7, 8, 5]), "lines 1-3, 5, 7-9");
    }
}

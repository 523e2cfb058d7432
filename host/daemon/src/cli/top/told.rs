//! The rows of each part as text, for the screen and for `--once` alike.

use super::keys::Part;
use super::view::View;
use crate::cli::output::printable;
use crate::cli::{Failure, Output};
use std::cmp::Ordering;

/// One line about all of it.
pub(super) fn headline(view: &View) -> String {
    let times = match view.duration_seconds {
        None => "no attempt ended".to_owned(),
        Some([half, most, nearly_all]) => {
            format!("p50 {} p95 {} p99 {}", span(half), span(most), span(nearly_all))
        }
    };
    let dead = view.dead_letters.map(|dead| format!(" · {dead} dead letters")).unwrap_or_default();
    let rate = view.jobs_per_second;
    format!(
        "{rate:.1} jobs/s · {:.1} % failed · {:.1} retries/s · {times}{dead}",
        view.failed_ratio * 100.0,
        view.retries_per_second
    )
}

/// Whose jobs are seen.
pub(super) fn of_whom(view: &View) -> String {
    view.tenant.as_ref().map_or_else(|| "all tenants".to_owned(), |tenant| format!("tenant {tenant}"))
}

/// The rows of a part, with nothing in them that would act on a terminal.
pub(super) fn rows(view: &View, part: Part, sort: Option<usize>) -> Vec<Vec<String>> {
    let mut rows = match part {
        Part::Queues => queues(view),
        Part::Workers => workers(view),
        Part::Tasks => tasks(view),
        Part::Failures => failures(view),
    };
    if let Some(column) = sort {
        rows.sort_by(|a, b| compare(a.get(column), b.get(column)));
    }
    rows.into_iter().map(|row| row.iter().map(|cell| printable(&cell.text)).collect()).collect()
}

/// What stands in a row, and what it is sorted by where that is a number.
struct Cell {
    text: String,
    number: Option<f64>,
}

fn text(text: impl ToString) -> Cell {
    Cell { text: text.to_string(), number: None }
}

fn number(number: f64, text: String) -> Cell {
    Cell { text, number: Some(number) }
}

#[allow(clippy::cast_precision_loss)]
fn count(count: u64) -> Cell {
    number(count as f64, count.to_string())
}

/// Numbers from the largest on, text by the alphabet.
fn compare(a: Option<&Cell>, b: Option<&Cell>) -> Ordering {
    let (Some(a), Some(b)) = (a, b) else { return Ordering::Equal };
    match (a.number, b.number) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        _ => a.text.cmp(&b.text),
    }
}

fn queues(view: &View) -> Vec<Vec<Cell>> {
    let row = |row: &super::view::QueueRow| {
        let oldest = row.oldest_seconds;
        vec![
            text(&row.queue),
            text(row.lane),
            count(row.waiting),
            count(row.unsettled),
            number(oldest.unwrap_or_default(), oldest.map(span).unwrap_or_default()),
        ]
    };
    view.queues.iter().map(row).collect()
}

fn workers(view: &View) -> Vec<Vec<Cell>> {
    let row = |row: &super::view::WorkerRow| {
        let (running, most) = (row.running, row.concurrency);
        let full = u32::try_from(running).unwrap_or(u32::MAX);
        vec![
            text(&row.name),
            text(row.mode),
            number(f64::from(full), format!("{running}/{most}")),
            text(row.queues.join(" ")),
        ]
    };
    view.workers.iter().map(row).collect()
}

fn tasks(view: &View) -> Vec<Vec<Cell>> {
    let row = |row: &super::view::TaskRow| {
        let mean = number(row.mean_seconds, span(row.mean_seconds));
        vec![text(&row.task), count(row.attempts), count(row.failed), mean]
    };
    view.tasks.iter().map(row).collect()
}

fn failures(view: &View) -> Vec<Vec<Cell>> {
    let row = |failure: &super::view::Failure| {
        let at = failure.at.to_rfc3339();
        let attempt = if failure.attempt > 1 { format!("#{}", failure.attempt) } else { String::new() };
        vec![
            text(at.get(11..19).unwrap_or(&at)),
            text(format!("{}{attempt}", failure.id)),
            text(&failure.task),
            text(failure.outcome),
            text(&failure.message),
        ]
    };
    view.failures.iter().map(row).collect()
}

/// A time for people, in three digits or so.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.0}us", s * 1e6),
        s if s < 1.0 => format!("{:.1}ms", s * 1e3),
        s if s < 120.0 => format!("{s:.1}s"),
        s if s < 7_200.0 => format!("{:.0}m", s / 60.0),
        s => format!("{:.1}h", s / 3_600.0),
    }
}

/// Prints all of it, one part below the other.
pub(super) fn print(view: &View, output: Output) -> Result<(), Failure> {
    output.line(&format!("{}, {} s: {}", of_whom(view), view.seconds, headline(view)))?;
    if let Some(reason) = &view.unseen {
        output.note(&format!("queues and workers are not seen: {reason}"));
    }
    for part in Part::ALL {
        let rows = rows(view, part, None);
        if !rows.is_empty() {
            output.line("")?;
            output.table(part.columns(), rows)?;
        }
    }
    Ok(())
}

//! What charts read: sums of jobs by minute, hour and day. A row adds to them when it is written, and a row that changes
//! first takes back what it had added; all within the transaction of the rows, so they always agree with them.

use crate::histogram::{STEPS, step};
use crate::row::Stored;
use lovage_job::name::TenantName;
use std::collections::BTreeMap;

/// The spans that sums are kept for, in milliseconds, shortest first. Each is a multiple of the one before.
pub(crate) const SPANS_MS: [i64; 3] = [60_000, 3_600_000, 86_400_000];

/// What a sum is of; empty text stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SumKey {
    pub(crate) tenant: TenantName,
    pub(crate) span_ms: i64,
    pub(crate) since: i64,
    pub(crate) task: String,
    pub(crate) version: String,
    pub(crate) queue: String,
    pub(crate) worker: String,
    pub(crate) outcome: &'static str,
}

/// A sum, or a change of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) jobs: i64,
    pub(crate) retried: i64,
    pub(crate) dead: i64,
    pub(crate) wall_us: i64,
    pub(crate) steps: [i64; STEPS],
}

/// Changes of sums, those by worker apart: they would multiply the others.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) by_task: BTreeMap<SumKey, Sum>,
    pub(crate) by_worker: BTreeMap<SumKey, Sum>,
}

impl Changes {
    /// Takes back what a row had added.
    pub(crate) fn take_back(&mut self, old: &Stored) {
        self.count(old, -1);
    }

    /// Adds what a row adds.
    pub(crate) fn add(&mut self, new: &Stored) {
        self.count(new, 1);
    }

    fn count(&mut self, stored: &Stored, sign: i64) {
        let row = &stored.row;
        let text = |name: Option<&str>| name.unwrap_or_default().to_owned();
        let finished = crate::sql::int(row.finished.0);
        for span_ms in SPANS_MS {
            let key = SumKey {
                tenant: row.tenant.clone(),
                span_ms,
                since: finished - finished % span_ms,
                task: text(row.task.as_ref().map(AsRef::as_ref)),
                version: text(row.version.as_ref().map(AsRef::as_ref)),
                queue: text(row.queue.as_ref().map(AsRef::as_ref)),
                worker: String::new(),
                outcome: row.outcome.as_str(),
            };
            let of_worker = SumKey {
                task: String::new(),
                version: String::new(),
                queue: String::new(),
                worker: row.worker.clone(),
                ..key.clone()
            };
            change(self.by_task.entry(key).or_default(), stored, sign);
            change(self.by_worker.entry(of_worker).or_default(), stored, sign);
        }
    }

    /// Forgets what came to nothing.
    pub(crate) fn settle(&mut self) {
        self.by_task.retain(|_, sum| *sum != Sum::default());
        self.by_worker.retain(|_, sum| *sum != Sum::default());
    }
}

fn change(sum: &mut Sum, stored: &Stored, sign: i64) {
    let row = &stored.row;
    sum.jobs += sign;
    sum.retried += sign * i64::from(row.attempts > 1);
    sum.dead += sign * i64::from(row.dead);
    sum.wall_us = sum.wall_us.saturating_add(sign * crate::sql::int(row.meter.wall_us));
    if let Some(count) = sum.steps.get_mut(step(row.meter.wall_us)) {
        *count += sign;
    }
}

/// The parts of the time from `from` to `to`, in whole spans that are as long as possible: few sums, and yet all of that
/// time and no other, to the minute.
pub(crate) fn pieces(from: i64, to: i64) -> Vec<(i64, i64, i64)> {
    let minute = SPANS_MS[0];
    let (from, to) = (from - from.rem_euclid(minute), to + (-to).rem_euclid(minute));
    let mut pieces = Vec::new();
    cut(from, to, &SPANS_MS, &mut pieces);
    pieces
}

fn cut(from: i64, to: i64, spans: &[i64], pieces: &mut Vec<(i64, i64, i64)>) {
    let Some((span, shorter)) = spans.split_last() else { return };
    let (first, last) = (from + (-from).rem_euclid(*span), to - to.rem_euclid(*span));
    if first >= last {
        return if from < to {
            cut(from, to, shorter, pieces)
        };
    }
    if from < first {
        cut(from, first, shorter, pieces);
    }
    pieces.push((*span, first, last));
    if last < to {
        cut(last, to, shorter, pieces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_cut_into_few_whole_spans() {
        let [minute, hour, day] = SPANS_MS;
        assert_eq!(pieces(0, minute), [(minute, 0, minute)]);
        assert_eq!(pieces(1, minute - 1), [(minute, 0, minute)]);
        assert_eq!(pieces(5, 5), [(minute, 0, minute)]);
        assert_eq!(pieces(2 * hour, 3 * hour), [(hour, 2 * hour, 3 * hour)]);
        for (from, to) in [(0, 3 * day), (hour + 7 * minute, 9 * day + 5 * hour + minute), (59 * minute, 61 * minute)] {
            let pieces = pieces(from, to);
            assert!(pieces.len() <= 5, "{pieces:?}");
            assert_eq!((pieces[0].1, pieces.last().unwrap().2), (from, to));
            assert!(pieces.windows(2).all(|pair| pair[0].2 == pair[1].1), "{pieces:?}");
            assert!(pieces.iter().all(|(span, from, to)| from % span == 0 && to % span == 0 && from < to));
        }
    }
}

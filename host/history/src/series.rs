//! What charts show: jobs over time, and how they share out. Read from sums alone, never from rows.

use crate::decode::Columns;
use crate::error::HistoryError;
use crate::filter::{Scope, SeriesFilter};
use crate::histogram::{Histogram, STEPS};
use crate::rollup::{SPANS_MS, pieces};
use crate::sql::{Sql, int, uint};
use crate::store::Store;
use crate::sums;
use lovage_job::outcome::{OutcomeKind, Tally};
use lovage_job::unit::UnixMs;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most points of a chart.
const BUCKETS_MAX: i64 = 5_000;
/// The columns of a sum in the order in which they are read.
const COUNTS: [&str; 4] = ["jobs", "retried", "dead", "wall_us"];

/// One point of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Where it begins.
    pub at: UnixMs,
    /// Jobs that completed.
    pub completed: u64,
    /// Jobs that failed, in whatever way.
    pub failed: u64,
    /// Jobs that were cancelled or skipped, or expired.
    pub other: u64,
    /// Of all these, jobs that took more than one attempt.
    pub retried: u64,
    /// Of all these, jobs that ended as dead letters.
    pub dead: u64,
    /// How long their last attempts took together.
    pub wall_us_sum: u64,
    /// How long each took.
    pub latency: Histogram,
}

/// What jobs are shared out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// By task.
    Task,
    /// By task and version, as `TASK@VERSION`.
    Version,
    /// By queue.
    Queue,
    /// By outcome.
    Outcome,
    /// By worker.
    Worker,
    /// By tenant.
    Tenant,
}

/// The jobs of one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The task, version, queue, outcome, worker or tenant; empty where jobs have none.
    pub label: String,
    /// As in a chart.
    pub completed: u64,
    /// As in a chart.
    pub failed: u64,
    /// As in a chart.
    pub other: u64,
    /// As in a chart.
    pub retried: u64,
    /// As in a chart.
    pub dead: u64,
    /// As in a chart.
    pub wall_us_sum: u64,
}

impl Store {
    /// Jobs over time: a point for each `step`, from the step that `from` lies in to that of the last moment before
    /// `to`. Points without jobs are there, too.
    ///
    /// # Errors
    /// The database does not answer, or the step is not of whole minutes, or there would be too many points.
    pub async fn series(
        &self,
        scope: &Scope,
        filter: &SeriesFilter,
        (from, to): (UnixMs, UnixMs),
        step: Duration,
    ) -> Result<Vec<Bucket>, HistoryError> {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        let (from, to) = (int(from.0.min(1 << 53)), int(to.0.min(1 << 53)));
        let span = SPANS_MS.into_iter().rev().find(|span| step > 0 && step % span == 0);
        let question = |what: String| HistoryError::Question { what };
        let span = span.ok_or_else(|| question("steps that are not of whole minutes".to_owned()))?;
        let (first, end) = (from - from % step, to + (step - to % step) % step);
        let count = (end - first) / step;
        if !(1..=BUCKETS_MAX).contains(&count) {
            return Err(question(format!("{count} points; there can be 1 to {BUCKETS_MAX}")));
        }
        let mut buckets: Vec<Bucket> = (0..count).map(|index| empty(first + index * step)).collect();
        let mut sql = self.sql("SELECT since - since % ");
        sql.int(step).push(" AS point, outcome");
        sum_columns(&mut sql, true);
        sql.push(" FROM lovage_rollup");
        within(&mut sql, scope, (span, first, end));
        filtered(&mut sql, filter);
        sql.push(" GROUP BY point, outcome");
        for row in self.all(sql).await? {
            let mut columns = Columns::new(&row);
            let at = (columns.number()? - first) / step;
            let outcome = columns.outcome()?;
            let Some(bucket) = usize::try_from(at).ok().and_then(|at| buckets.get_mut(at)) else { continue };
            let [jobs, retried, dead, wall_us] = counts(&mut columns)?;
            let (completed, failed, other) = sorted(outcome, jobs);
            bucket.completed += completed;
            bucket.failed += failed;
            bucket.other += other;
            bucket.retried += retried;
            bucket.dead += dead;
            bucket.wall_us_sum = bucket.wall_us_sum.saturating_add(wall_us);
            bucket.latency.add(&steps(&mut columns)?);
        }
        Ok(buckets)
    }

    /// How the jobs of a time, to the minute, share out; the largest share first.
    ///
    /// # Errors
    /// The database does not answer, or jobs are not counted that way: by worker there is no further filter.
    pub async fn breakdown(
        &self,
        scope: &Scope,
        filter: &SeriesFilter,
        (from, to): (UnixMs, UnixMs),
        by: Dimension,
    ) -> Result<Vec<Share>, HistoryError> {
        if by == Dimension::Worker
            && *filter != (SeriesFilter { outcomes: filter.outcomes.clone(), ..Default::default() })
        {
            let what = "workers of one task, queue or version; workers are counted for all of them together".to_owned();
            return Err(HistoryError::Question { what });
        }
        let mut shares: BTreeMap<String, Share> = BTreeMap::new();
        for piece in pieces(int(from.0.min(1 << 53)), int(to.0.min(1 << 53))) {
            let mut sql = self.sql("SELECT ");
            sql.push(by.columns()).push(", outcome AS ended");
            sum_columns(&mut sql, false);
            sql.push(if by == Dimension::Worker { " FROM lovage_rollup_workers" } else { " FROM lovage_rollup" });
            within(&mut sql, scope, piece);
            filtered(&mut sql, filter);
            sql.push(" GROUP BY ").push(by.columns()).push(", outcome");
            for row in self.all(sql).await? {
                let mut columns = Columns::new(&row);
                let label = by.label(&mut columns)?;
                let outcome = columns.outcome()?;
                let share = shares.entry(label.clone()).or_insert_with(|| Share::empty(label));
                share.add(outcome, counts(&mut columns)?);
            }
        }
        let mut shares: Vec<Share> = shares.into_values().collect();
        shares.sort_by_key(|share| std::cmp::Reverse(share.completed + share.failed + share.other));
        Ok(shares)
    }
}

impl Dimension {
    fn columns(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Version => "task, version",
            Self::Queue => "queue",
            Self::Outcome => "outcome",
            Self::Worker => "worker",
            Self::Tenant => "tenant",
        }
    }

    fn label(self, columns: &mut Columns<'_>) -> Result<String, HistoryError> {
        let first = columns.text()?.unwrap_or_default();
        match self {
            Self::Version => Ok(format!("{first}@{}", columns.text()?.unwrap_or_default())),
            _ => Ok(first),
        }
    }
}

impl Share {
    fn empty(label: String) -> Self {
        Self { label, completed: 0, failed: 0, other: 0, retried: 0, dead: 0, wall_us_sum: 0 }
    }

    fn add(&mut self, outcome: OutcomeKind, [jobs, retried, dead, wall_us]: [u64; 4]) {
        let (completed, failed, other) = sorted(outcome, jobs);
        self.completed += completed;
        self.failed += failed;
        self.other += other;
        self.retried += retried;
        self.dead += dead;
        self.wall_us_sum = self.wall_us_sum.saturating_add(wall_us);
    }
}

fn empty(at: i64) -> Bucket {
    let latency = Histogram::default();
    Bucket { at: UnixMs(uint(at)), completed: 0, failed: 0, other: 0, retried: 0, dead: 0, wall_us_sum: 0, latency }
}

fn sum_columns(sql: &mut Sql, with_steps: bool) {
    for column in COUNTS.into_iter().chain(sums::STEPS.into_iter().filter(|_| with_steps)) {
        sql.push(", ").sum(column);
    }
}

fn within(sql: &mut Sql, scope: &Scope, (span, from, to): (i64, i64, i64)) {
    sql.push(" WHERE span_ms = ").int(span).push(" AND since >= ").int(from).push(" AND since < ").int(to);
    if let Scope::Tenant(tenant) = scope {
        sql.push(" AND tenant = ").text(tenant.as_str());
    }
}

fn filtered(sql: &mut Sql, filter: &SeriesFilter) {
    let parts = [
        (" AND task = ", filter.task.as_ref().map(AsRef::as_ref)),
        (" AND queue = ", filter.queue.as_ref().map(AsRef::as_ref)),
        (" AND version = ", filter.version.as_ref().map(AsRef::as_ref)),
    ];
    for (column, value) in parts {
        if let Some(value) = value {
            sql.push(column).text(value);
        }
    }
    if !filter.outcomes.is_empty() {
        sql.push(" AND outcome IN ").list(filter.outcomes.iter().map(|outcome| outcome.as_str()));
    }
}

fn counts(columns: &mut Columns<'_>) -> Result<[u64; 4], HistoryError> {
    Ok([columns.uint()?, columns.uint()?, columns.uint()?, columns.uint()?])
}

fn steps(columns: &mut Columns<'_>) -> Result<Histogram, HistoryError> {
    let mut steps = [0; STEPS];
    for step in &mut steps {
        *step = columns.uint()?;
    }
    Ok(Histogram(steps))
}

/// A number of jobs as completed, failed and other.
fn sorted(outcome: OutcomeKind, jobs: u64) -> (u64, u64, u64) {
    match outcome.tally() {
        Tally::Completed => (jobs, 0, 0),
        Tally::Failed => (0, jobs, 0),
        Tally::Other => (0, 0, jobs),
    }
}

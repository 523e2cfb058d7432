//! What `top` knows, and what of it is seen: counts by second, tasks, the last failures, and how the cluster is. Pure but
//! for the times that it is given, and bounded however much is heard.

use super::News;
use super::view::{Failure, TaskRow, View, durations, show};
use crate::counters::{Buckets, Histogram};
use crate::telemetry::cluster::Picture;
use lovage_job::event::{Event, Happening};
use lovage_job::name::{TaskName, TenantName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::unit::UnixMs;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds that are kept, and seen in the curve.
pub(super) const SECONDS: usize = 60;
/// Tasks of which more is known than that there are more.
const TASKS_MAX: usize = 500;
/// Failures that are kept.
const FAILURES_MAX: usize = 100;
/// Tenants that can be shown alone.
const TENANTS_MAX: usize = 1_000;
/// The most of a failure's message that is kept, in characters.
const MESSAGE_MAX: usize = 200;

/// An end of an attempt, and whose it is.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) tenant: TenantName,
    pub(super) event: Event,
}

/// What is known.
#[derive(Debug)]
pub(super) struct Boards {
    begun: Instant,
    /// Whose jobs are listened to; all where nothing is said.
    tenant: Option<TenantName>,
    /// Who is shown alone.
    only: Option<TenantName>,
    all: Board,
    each: BTreeMap<TenantName, Board>,
    picture: Option<Result<Arc<Picture>, String>>,
}

/// What is known of some jobs.
#[derive(Debug, Default)]
struct Board {
    /// By the second since the beginning, the newest last.
    seconds: VecDeque<(u64, Second)>,
    tasks: BTreeMap<TaskName, TaskCount>,
    failures: VecDeque<Failure>,
}

#[derive(Debug)]
struct Second {
    completed: u64,
    failed: u64,
    retried: u64,
    wall_us: Histogram,
}

impl Default for Second {
    fn default() -> Self {
        Self { completed: 0, failed: 0, retried: 0, wall_us: Histogram::new(Buckets::TIME_US) }
    }
}

#[derive(Debug, Clone, Default)]
struct TaskCount {
    attempts: u64,
    failed: u64,
    wall_us: u64,
}

impl Boards {
    pub(super) fn new(begun: Instant, tenant: Option<TenantName>) -> Self {
        let (only, all, each, picture) = (None, Board::default(), BTreeMap::new(), None);
        Self { begun, tenant, only, all, each, picture }
    }

    /// Whether the cluster was looked at, with whatever success.
    pub(super) fn has_looked(&self) -> bool {
        self.picture.is_some()
    }

    /// Takes something new.
    pub(super) fn hear(&mut self, news: News, at: Instant) {
        match news {
            News::Picture(picture) => self.picture = Some(picture),
            News::Event(heard) => {
                let second = at.saturating_duration_since(self.begun).as_secs();
                self.all.hear(&heard, second);
                if self.each.len() < TENANTS_MAX || self.each.contains_key(&heard.tenant) {
                    self.each.entry(heard.tenant.clone()).or_default().hear(&heard, second);
                }
            }
        }
    }

    /// Shows the next tenant alone, or all again after the last.
    pub(super) fn next_tenant(&mut self) {
        let mut names: Vec<&TenantName> = self.each.keys().collect();
        if let Some(Ok(picture)) = &self.picture {
            names.extend(picture.tenants.keys());
        }
        names.sort();
        names.dedup();
        let next = match &self.only {
            None => names.first(),
            Some(only) => names.iter().find(|name| **name > only),
        };
        self.only = next.map(|name| (*name).clone());
    }

    /// What is seen now.
    pub(super) fn view(&self, at: Instant, clock: UnixMs) -> View {
        let now = at.saturating_duration_since(self.begun);
        let nothing = Board::default();
        let board = match &self.only {
            None => &self.all,
            Some(only) => self.each.get(only).unwrap_or(&nothing),
        };
        let mut view = board.view(now, clock);
        view.tenant = self.only.clone().or_else(|| self.tenant.clone());
        match &self.picture {
            Some(Ok(picture)) => show(&mut view, picture, self.only.as_ref().or(self.tenant.as_ref())),
            Some(Err(reason)) => view.unseen = Some(reason.clone()),
            None => view.unseen = Some("the broker is being asked".to_owned()),
        }
        view
    }
}

impl Board {
    fn hear(&mut self, heard: &Heard, second: u64) {
        let event = &heard.event;
        let (outcome, message, wall_us, ends) = match &event.what {
            Happening::Finished { outcome, message, wall_us, .. } => {
                (*outcome, message.as_deref(), Some(*wall_us), true)
            }
            Happening::Retrying { outcome, message, .. } => (*outcome, Some(message.as_str()), None, false),
            Happening::Started { .. }
            | Happening::Progress { .. }
            | Happening::Log { .. }
            | Happening::Waiting { .. }
            | Happening::Released { .. } => return,
        };
        let good = matches!(outcome, OutcomeKind::Completed | OutcomeKind::Snoozed);
        let of = self.second(second);
        match (ends, good) {
            (false, _) => of.retried += 1,
            (true, true) => of.completed += 1,
            (true, false) => of.failed += 1,
        }
        if let Some(wall_us) = wall_us.filter(|_| event.attempt > 0) {
            of.wall_us.observe(wall_us);
        }
        self.count(event, good, wall_us);
        if !good {
            self.failures.truncate(FAILURES_MAX - 1);
            self.failures.push_front(Failure {
                at: event.at,
                tenant: heard.tenant.clone(),
                id: event.id.clone(),
                task: event.task.clone(),
                attempt: event.attempt,
                outcome,
                message: message.unwrap_or_default().chars().take(MESSAGE_MAX).collect(),
            });
        }
    }

    fn count(&mut self, event: &Event, good: bool, wall_us: Option<u64>) {
        if self.tasks.len() >= TASKS_MAX && !self.tasks.contains_key(&event.task) {
            return;
        }
        let count = self.tasks.entry(event.task.clone()).or_default();
        count.attempts += 1;
        count.failed += u64::from(!good);
        count.wall_us = count.wall_us.saturating_add(wall_us.unwrap_or_default());
    }

    fn second(&mut self, second: u64) -> &mut Second {
        if self.seconds.back().is_none_or(|(last, _)| *last < second) {
            if self.seconds.len() > SECONDS {
                self.seconds.pop_front();
            }
            self.seconds.push_back((second, Second::default()));
        }
        let last = self.seconds.len() - 1;
        #[allow(clippy::indexing_slicing, reason = "pushed above where it was empty")]
        &mut self.seconds[last].1
    }

    fn view(&self, now: Duration, clock: UnixMs) -> View {
        let last = now.as_secs();
        let first = last.saturating_sub(SECONDS as u64 - 1);
        let kept = || self.seconds.iter().filter(|(second, _)| (first..=last).contains(second)).map(|(_, of)| of);
        let sum = |of: fn(&Second) -> u64| kept().map(of).sum::<u64>();
        let (completed, failed, retried) = (sum(|of| of.completed), sum(|of| of.failed), sum(|of| of.retried));
        let span = now.as_secs_f64().clamp(1.0, SECONDS as f64);
        let ended = completed + failed + retried;
        let curve = (first..=last).map(|second| {
            let of = self.seconds.iter().find(|(known, _)| *known == second);
            of.map_or(0, |(_, of)| of.completed + of.failed)
        });
        View {
            at: clock,
            tenant: None,
            seconds: span.round() as u64,
            jobs_per_second: (completed + failed) as f64 / span,
            failed_ratio: if ended == 0 { 0.0 } else { (failed + retried) as f64 / ended as f64 },
            retries_per_second: retried as f64 / span,
            duration_seconds: durations(kept().map(|of| &of.wall_us)),
            curve: curve.collect(),
            queues: Vec::new(),
            workers: Vec::new(),
            tasks: self.rows(),
            failures: self.failures.iter().cloned().collect(),
            dead_letters: None,
            unseen: None,
        }
    }

    fn rows(&self) -> Vec<TaskRow> {
        let row = |(task, count): (&TaskName, &TaskCount)| TaskRow {
            task: task.to_string(),
            attempts: count.attempts,
            failed: count.failed,
            mean_seconds: count.wall_us as f64 / 1e6 / (count.attempts.max(1) as f64),
        };
        let mut rows: Vec<TaskRow> = self.tasks.iter().map(row).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.attempts));
        rows
    }
}

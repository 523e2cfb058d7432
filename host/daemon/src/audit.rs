//! What the pipeline tells the audit trail: refusals, of which the first of a kind counts.

use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::TenantName;
use std::collections::HashMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long further refusals of a kind are left out.
const QUIET: Duration = Duration::from_secs(60);
/// The most kinds of refusals that are remembered; above it further ones are only logged.
const SEEN_MAX: usize = 4_096;

/// Where refusals go.
pub trait Auditor: Send + Sync + Debug {
    /// Notes that something was refused to a task. Never waits; only the first of a kind, a task and a minute is
    /// written.
    fn refused(&self, task: &str, note: AuditNote);
}

/// Nobody listens: for runs without a broker.
#[derive(Debug, Default)]
pub struct NoAuditor;

impl Auditor for NoAuditor {
    fn refused(&self, _: &str, _: AuditNote) {}
}

/// What was noted lately.
#[derive(Debug, Default)]
pub struct Seen(HashMap<(TenantName, String, AuditKind, String), Instant>);

impl Seen {
    /// Whether a note is the first of its kind for a task in the last minute.
    pub fn is_first(&mut self, note: &AuditNote, task: &str, now: Instant) -> bool {
        let key = (note.tenant.clone(), task.to_owned(), note.kind, note.action.clone());
        if self.0.get(&key).is_some_and(|at| now.saturating_duration_since(*at) < QUIET) {
            return false;
        }
        if self.0.len() >= SEEN_MAX {
            self.0.retain(|_, at| now.saturating_duration_since(*at) < QUIET);
        }
        if self.0.len() >= SEEN_MAX {
            return false;
        }
        self.0.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_of_a_kind_a_task_and_a_minute_counts() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let note = |kind| AuditNote::new(&TenantName::default_tenant(), kind, "request", "a.b").refused("no");
        let mut first =
            |kind, task: &str, seconds| seen.is_first(&note(kind), task, start + Duration::from_secs(seconds));
        assert!(first(AuditKind::Egress, "a", 0));
        assert!(!first(AuditKind::Egress, "a", 59));
        assert!(first(AuditKind::Egress, "b", 59) && first(AuditKind::Grants, "a", 59));
        assert!(first(AuditKind::Egress, "a", 60));
    }

    #[test]
    fn a_flood_of_tasks_takes_bounded_memory() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let note = AuditNote::new(&TenantName::default_tenant(), AuditKind::Egress, "request", "a.b");
        let counted = (0..SEEN_MAX + 10).filter(|n| seen.is_first(&note, &n.to_string(), now)).count();
        assert_eq!((counted, seen.0.len()), (SEEN_MAX, SEEN_MAX));
        assert!(seen.is_first(&note, "later", now + QUIET));
        assert_eq!(seen.0.len(), 1);
    }
}

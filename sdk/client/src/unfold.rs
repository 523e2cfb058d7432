//! Gives back the starts that were folded into ends.
//!
//! A worker does not tell the start of an attempt that is over within milliseconds; the end carries what the start would
//! have said. Here it becomes an event again, so that a watcher sees each attempt begin before it ends.

use lovage_job::event::{Event, Happening, Past};
use lovage_job::name::JobId;
use std::collections::{HashMap, VecDeque};

/// The most running attempts that are remembered. Of those beyond, a start may be given a second time.
const REMEMBERED_MAX: usize = 10_000;

/// What is known of the attempts that run, as far as they were told.
#[derive(Debug, Default)]
pub(crate) struct Unfold {
    running: HashMap<JobId, u32>,
    order: VecDeque<JobId>,
}

impl Unfold {
    /// The events that one event stands for: itself, after the start that it tells of where that was skipped.
    pub(crate) fn take(&mut self, event: Event) -> impl Iterator<Item = Event> + use<> {
        let start = match &event.what {
            Happening::Started { .. } => {
                self.remember(&event);
                None
            }
            Happening::Retrying { past, .. } | Happening::Finished { past, .. } => {
                let told = self.running.remove(&event.id) == Some(event.attempt);
                start_of(&event, past).filter(|_| !told)
            }
            Happening::Released { .. } | Happening::Waiting { .. } => {
                self.running.remove(&event.id);
                None
            }
            Happening::Progress { .. } | Happening::Log { .. } => None,
        };
        start.into_iter().chain([event])
    }

    fn remember(&mut self, event: &Event) {
        if self.running.insert(event.id.clone(), event.attempt).is_none() {
            self.order.push_back(event.id.clone());
        }
        // jobs that have ended are still in the order, which is as bounded as the rest
        while self.order.len() > REMEMBERED_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.running.remove(&oldest);
            }
        }
    }
}

fn start_of(end: &Event, past: &Past) -> Option<Event> {
    let (at, version) = (past.started?, past.version.clone()?);
    Some(Event { at, what: Happening::Started { version, attempts_max: None }, ..end.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::outcome::OutcomeKind;
    use lovage_job::unit::UnixMs;

    fn event(id: &str, attempt: u32, what: Happening) -> Event {
        Event {
            id: id.parse().unwrap(),
            task: "add".parse().unwrap(),
            queue: "default".parse().unwrap(),
            attempt,
            at: UnixMs(9),
            worker: "w".into(),
            what,
        }
    }

    fn started() -> Happening {
        Happening::Started { version: "1".into(), attempts_max: Some(5) }
    }

    fn finished(past: Past) -> Happening {
        Happening::Finished { outcome: OutcomeKind::Completed, message: None, wall_us: 1, fuel_used: 1, past }
    }

    fn past() -> Past {
        Past { published: Some(UnixMs(1)), started: Some(UnixMs(2)), version: Some("1".into()) }
    }

    fn tokens(unfold: &mut Unfold, event: Event) -> Vec<(&'static str, u64)> {
        unfold.take(event).map(|event| (event.what.token(), event.at.0)).collect()
    }

    #[test]
    fn a_skipped_start_comes_before_its_end() {
        let mut unfold = Unfold::default();
        let retrying =
            Happening::Retrying { outcome: OutcomeKind::Failed, message: String::new(), due: UnixMs(20), past: past() };
        assert_eq!(tokens(&mut unfold, event("a", 1, retrying)), [("started", 2), ("retrying", 9)]);
        assert_eq!(tokens(&mut unfold, event("a", 2, finished(past()))), [("started", 2), ("finished", 9)]);
    }

    #[test]
    fn a_start_that_was_told_is_not_given_again() {
        let mut unfold = Unfold::default();
        assert_eq!(tokens(&mut unfold, event("a", 1, started())), [("started", 9)]);
        assert_eq!(tokens(&mut unfold, event("b", 1, finished(past()))), [("started", 2), ("finished", 9)]);
        assert_eq!(tokens(&mut unfold, event("a", 1, finished(past()))), [("finished", 9)]);
    }

    #[test]
    fn a_job_that_never_began_has_no_start() {
        let expired = Past { published: Some(UnixMs(1)), ..Past::default() };
        assert_eq!(tokens(&mut Unfold::default(), event("a", 0, finished(expired))), [("finished", 9)]);
    }

    #[test]
    fn an_interrupted_attempt_starts_again() {
        let mut unfold = Unfold::default();
        tokens(&mut unfold, event("a", 1, started()));
        tokens(&mut unfold, event("a", 1, Happening::Released { message: String::new() }));
        assert_eq!(tokens(&mut unfold, event("a", 1, finished(past()))).len(), 2);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut unfold = Unfold::default();
        for number in 0..=REMEMBERED_MAX * 2 {
            let id = format!("j{number}");
            tokens(&mut unfold, event(&id, 1, started()));
            if number % 2 == 0 {
                tokens(&mut unfold, event(&id, 1, finished(past())));
            }
        }
        assert!(unfold.order.len() <= REMEMBERED_MAX && unfold.running.len() <= unfold.order.len());
    }
}

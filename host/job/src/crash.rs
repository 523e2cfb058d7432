//! How often workers died of a job: what is written while a message is delivered again, and what it counts to.
//!
//! A broker delivers a message again after a crash, but also after a release (a drain, a full worker, trouble with the
//! broker), so the number of deliveries says nothing. The rule: **a crash is a delivery that was begun and has not
//! ended**. A worker notes that it begins a message before it runs it, and takes the note back when the attempt ends or
//! the message is released. The first delivery of a message is the exception, because nearly all messages have only
//! that one and shall cost no note: it counts as begun unless its release was noted. One worker dies once, however
//! often it got the message, and a worker that lives has not died.
//!
//! A note that is lost makes one crash too many or too few, never a job that is lost: a quarantined job is a dead letter
//! that can be replayed, and one more crash is counted the next time.

use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};

/// A job that has killed so many workers is quarantined.
pub const CRASHES_MAX: u32 = 3;
/// The most notes that a record keeps. A worker that finds three crashes begins nothing, so there are few.
const NOTES_MAX: usize = 16;
/// The most bytes of a record that are read.
const RECORD_BYTES_MAX: usize = 16 * 1024;

/// A worker that began a message and has not ended it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The worker's name, for people.
    pub worker: String,
    /// This run of the worker: a name comes back after a restart, an instance never does.
    pub instance: String,
    /// When.
    pub at: UnixMs,
}

/// What became of the first delivery of a message, which leaves no note of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum First {
    /// Nobody said: its worker died.
    #[default]
    Unsaid,
    /// It was released.
    Released,
    /// A worker that lived on has it, or had it when the message came again.
    With(String),
}

/// What is known of the deliveries of one message. It is gone when the message is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrashRecord {
    /// The first delivery.
    pub first: First,
    /// The later ones that were begun and have not ended, one for each instance.
    pub begun: Vec<Begun>,
}

impl CrashRecord {
    /// Reads a record; what is none counts as nothing, like a note that was lost.
    pub fn read(bytes: &[u8]) -> Self {
        let fits = bytes.len() <= RECORD_BYTES_MAX;
        let record: Option<Self> = fits.then(|| serde_json::from_slice(bytes).ok()).flatten();
        record.map(Self::bounded).unwrap_or_default()
    }

    /// How many workers died of the message, as the instance `me` sees it: it lives.
    pub fn crashes(&self, me: &str) -> u32 {
        let first = match &self.first {
            First::Unsaid => 1,
            First::Released => 0,
            First::With(instance) => u32::from(instance != me && self.begun.iter().all(|it| it.instance != *instance)),
        };
        let later = self.begun.iter().filter(|begun| begun.instance != me).count();
        first.saturating_add(u32::try_from(later).unwrap_or(u32::MAX))
    }

    /// Notes that an instance begins the message again. `runs_here` says that the attempt of an earlier delivery still
    /// runs there: its lease was lost, not its worker.
    pub fn begin(&mut self, begun: Begun, runs_here: bool) {
        if runs_here && self.first == First::Unsaid && !self.has(&begun.instance) {
            self.first = First::With(begun.instance.clone());
        }
        self.end(&begun.instance);
        self.begun.push(begun);
        let more = self.begun.len().saturating_sub(NOTES_MAX);
        self.begun.drain(..more);
    }

    /// Takes back the note of an instance: its attempt ended, or it released the message.
    pub fn end(&mut self, instance: &str) {
        self.begun.retain(|begun| begun.instance != instance);
    }

    /// Notes that the first delivery was released.
    pub fn release_first(&mut self) {
        self.first = First::Released;
    }

    fn has(&self, instance: &str) -> bool {
        self.begun.iter().any(|begun| begun.instance == instance)
    }

    fn bounded(mut self) -> Self {
        self.begun.truncate(NOTES_MAX);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn begun(instance: &str) -> Begun {
        Begun { worker: "w".into(), instance: instance.into(), at: UnixMs(5) }
    }

    #[test]
    fn a_record_on_the_wire_is_stable() {
        let mut record = CrashRecord::default();
        record.release_first();
        record.begin(begun("i"), false);
        let text = r#"{"first":"released","begun":[{"worker":"w","instance":"i","at":5}]}"#;
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
        assert_eq!(CrashRecord::read(text.as_bytes()), record);
        for junk in ["", "{", "[]", r#"{"first":"x"}"#, &"[".repeat(100_000)] {
            assert_eq!(CrashRecord::read(junk.as_bytes()), CrashRecord::default());
        }
    }

    #[test]
    fn a_second_delivery_to_whom_still_runs_it_is_no_crash() {
        let mut record = CrashRecord::default();
        record.begin(begun("a"), true);
        assert_eq!(record.crashes("a"), 0);
        // then it dies, once
        assert_eq!(record.crashes("b"), 1);
        // or ends one of the two, and then dies
        record.end("a");
        assert_eq!(record.crashes("b"), 1);
    }

    /// What can happen to a delivery.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Fate {
        Dies,
        ReleasedAfterBegin,
        ReleasedFromTheBuffer,
    }

    fn fates() -> impl Strategy<Value = Vec<Fate>> {
        let fate = prop_oneof![Just(Fate::Dies), Just(Fate::ReleasedAfterBegin), Just(Fate::ReleasedFromTheBuffer)];
        prop::collection::vec(fate, 0..14)
    }

    proptest! {
        /// Deliveries one after another, each to a worker of its own that begins it and dies, or releases it.
        #[test]
        fn crashes_are_the_deliveries_that_were_begun_and_never_ended(fates in fates()) {
            let mut record = CrashRecord::default();
            let mut died = 0;
            for (number, fate) in fates.iter().enumerate() {
                let me = format!("i{number}");
                if number > 0 {
                    prop_assert_eq!(record.crashes(&me), died);
                    if *fate != Fate::ReleasedFromTheBuffer {
                        record.begin(begun(&me), false);
                    }
                }
                match fate {
                    Fate::Dies => died += 1,
                    _ if number == 0 => record.release_first(),
                    _ => record.end(&me),
                }
                record = CrashRecord::read(&serde_json::to_vec(&record).unwrap());
            }
            if !fates.is_empty() {
                prop_assert_eq!(record.crashes("next"), died);
            }
        }

        /// However often few workers get a message again, no more crash than there are.
        #[test]
        fn a_worker_dies_at_most_once(
            first_runs in any::<bool>(),
            deliveries in prop::collection::vec((0usize..4, any::<bool>()), 0..40),
        ) {
            let mut record = CrashRecord::default();
            let mut instances = HashSet::new();
            for (number, (instance, runs_here)) in deliveries.into_iter().enumerate() {
                let me = format!("i{instance}");
                record.begin(begun(&me), runs_here || (number == 0 && first_runs));
                instances.insert(me.clone());
                prop_assert!(record.crashes(&me) as usize <= instances.len());
            }
        }
    }
}

//! Events: what happens to jobs, as it happens. They are told by core NATS and may be lost; results are the truth.
//!
//! **Order.** What one worker tells of one job reaches a watcher in the order in which it happened: `started` before
//! what the attempt tells, all of that before `retrying`, `waiting`, `released` or `finished`. An end is told after it
//! is stored. **What may be lost.** `started` of an attempt that tells nothing and is over within milliseconds is
//! folded into its end, which carries all it would have said; progress is told at most ten times a second; of a flood
//! of log lines some are left out (the stored log has them); and anything while a connection is down. Between two
//! workers, which only a crash or a lost lease brings to one job, there is no order but the times.

use crate::name::{JobId, QueueName, TaskName};
use crate::outcome::OutcomeKind;
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happening {
    /// An attempt began. Not told of one that is over within milliseconds.
    Started {
        /// The version that runs.
        version: String,
        /// The attempt after which the job is given up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempts_max: Option<u32>,
    },
    /// The guest tells how far it is.
    Progress {
        /// Between 0 and 1, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fraction: Option<f64>,
        /// For people.
        message: String,
    },
    /// The guest logged a line.
    Log {
        /// The line.
        line: String,
    },
    /// An attempt failed and another one follows.
    Retrying {
        /// How the attempt ended.
        outcome: OutcomeKind,
        /// What went wrong.
        message: String,
        /// When the next attempt is due.
        due: UnixMs,
        /// What may have been skipped.
        #[serde(flatten)]
        past: Past,
    },
    /// The job may not run yet and waits: for a limit, a pause, or another run of its schedule.
    Waiting {
        /// Where it waits.
        lot: String,
        /// For people.
        message: String,
        /// When it is looked at again at the latest.
        due: UnixMs,
    },
    /// The worker stops, and the job goes back to its queue; the attempt does not count.
    Released {
        /// Why.
        message: String,
    },
    /// The job ended.
    Finished {
        /// How.
        outcome: OutcomeKind,
        /// What went wrong, where something did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// How long the last attempt took, in microseconds.
        wall_us: u64,
        /// What it used.
        fuel_used: u64,
        /// What may have been skipped.
        #[serde(flatten)]
        past: Past,
    },
}

/// What the end of an attempt tells of it again, because its start may not have been told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// When the job was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<UnixMs>,
    /// When the attempt began; nothing where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<UnixMs>,
    /// The version that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Happening {
    /// The last token of the event's subject.
    pub fn token(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Progress { .. } => "progress",
            Self::Log { .. } => "log",
            Self::Retrying { .. } => "retrying",
            Self::Waiting { .. } => "waiting",
            Self::Released { .. } => "released",
            Self::Finished { .. } => "finished",
        }
    }
}

/// One event: the body of a message on `lovage.<tenant>.event.<task>.<job>.<kind>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The job.
    pub id: JobId,
    /// Its task.
    pub task: TaskName,
    /// Its queue.
    pub queue: QueueName,
    /// The attempt, from 1.
    pub attempt: u32,
    /// When it happened.
    pub at: UnixMs,
    /// The worker that tells.
    pub worker: String,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(what: Happening) -> Event {
        Event {
            id: "j".parse().unwrap(),
            task: "add".parse().unwrap(),
            queue: "default".parse().unwrap(),
            attempt: 1,
            at: UnixMs(5),
            worker: "w".into(),
            what,
        }
    }

    #[test]
    fn an_event_on_the_wire_is_stable() {
        let none = Past::default;
        let past = Past { published: Some(UnixMs(1)), started: Some(UnixMs(2)), version: Some("v".into()) };
        let (failed, due) = (OutcomeKind::Failed, UnixMs(9));
        let finished = |past| Happening::Finished {
            outcome: OutcomeKind::Completed,
            message: None,
            wall_us: 7,
            fuel_used: 8,
            past,
        };
        for (what, text) in [
            (Happening::Started { version: "v".into(), attempts_max: None }, r#""event":"started","version":"v""#),
            (
                Happening::Started { version: "v".into(), attempts_max: Some(5) },
                r#""event":"started","version":"v","attempts_max":5"#,
            ),
            (
                Happening::Retrying { outcome: failed, message: "no".into(), due, past: past.clone() },
                r#""event":"retrying","outcome":"failed","message":"no","due":9,"published":1,"started":2,"version":"v""#,
            ),
            (
                Happening::Waiting { lot: "task_add".into(), message: "full".into(), due },
                r#""event":"waiting","lot":"task_add","message":"full","due":9"#,
            ),
            (Happening::Released { message: "bye".into() }, r#""event":"released","message":"bye""#),
            (finished(none()), r#""event":"finished","outcome":"completed","wall_us":7,"fuel_used":8"#),
            (
                finished(past),
                r#""event":"finished","outcome":"completed","wall_us":7,"fuel_used":8,"published":1,"started":2,"version":"v""#,
            ),
        ] {
            let told = event(what);
            let text = format!(r#"{{"id":"j","task":"add","queue":"default","attempt":1,"at":5,"worker":"w",{text}}}"#);
            assert_eq!(serde_json::to_string(&told).unwrap(), text);
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), told);
        }
    }
}

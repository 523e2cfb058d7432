//! Events: what happens to jobs, as it happens. They are told by core NATS and may be lost; results are the truth.

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
    },
}

impl Happening {
    /// The last token of the event's subject.
    pub fn token(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Progress { .. } => "progress",
            Self::Log { .. } => "log",
            Self::Retrying { .. } => "retrying",
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

    #[test]
    fn an_event_on_the_wire_is_stable() {
        let event = Event {
            id: "j".parse().unwrap(),
            task: "add".parse().unwrap(),
            queue: "default".parse().unwrap(),
            attempt: 1,
            at: UnixMs(5),
            worker: "w".into(),
            what: Happening::Finished { outcome: OutcomeKind::Completed, message: None, wall_us: 7, fuel_used: 8 },
        };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            text,
            r#"{"id":"j","task":"add","queue":"default","attempt":1,"at":5,"worker":"w","event":"finished","outcome":"completed","wall_us":7,"fuel_used":8}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}

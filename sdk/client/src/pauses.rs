//! Pauses: a queue, a task or a whole tenant whose jobs wait until it is resumed.

use crate::client::{Client, now};
use crate::control::{ControlError, damaged};
use lovage_job::limit::PauseScope;
use lovage_job::unit::UnixMs;
use serde::{Deserialize, Serialize};

/// The longest reason, in characters.
const REASON_LENGTH_MAX: usize = 500;

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// What is paused.
    #[serde(flatten)]
    pub scope: PauseScope,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub since: UnixMs,
}

/// A pause as it is stored.
#[derive(Serialize, Deserialize)]
struct Noted {
    #[serde(default)]
    reason: String,
    #[serde(default = "long_ago")]
    at: UnixMs,
}

fn long_ago() -> UnixMs {
    UnixMs(0)
}

impl Client {
    /// Pauses a queue, a task or the tenant: no further attempt starts, those that run go on. It holds over restarts, and
    /// for what does not exist yet.
    pub async fn pause(&self, scope: &PauseScope, reason: &str) -> Result<(), ControlError> {
        let noted = Noted { reason: reason.chars().take(REASON_LENGTH_MAX).collect(), at: now() };
        self.put_control(&scope.control_key(&self.tenant), &format!("the pause of {scope}"), &noted).await
    }

    /// Resumes what was paused; returns whether it was.
    pub async fn resume(&self, scope: &PauseScope) -> Result<bool, ControlError> {
        self.remove_control(&scope.control_key(&self.tenant), &format!("the pause of {scope}")).await
    }

    /// Every pause of the tenant, by scope.
    pub async fn pauses(&self) -> Result<Vec<Pause>, ControlError> {
        let mut pauses = Vec::new();
        for (key, stored) in self.controls("pause").await? {
            let scope = PauseScope::from_key(&key).map_err(|error| damaged(&stored.subject, error))?;
            // what is there is a pause, whatever it says about why
            let noted = serde_json::from_slice(&stored.payload);
            let noted = noted.unwrap_or(Noted { reason: String::new(), at: stored.stored });
            pauses.push(Pause { scope, reason: noted.reason, since: noted.at });
        }
        pauses.sort_by(|a, b| a.scope.cmp(&b.scope));
        Ok(pauses)
    }
}

//! What of a running worker can be changed: how many attempts it runs at once, and which queues it serves.

use crate::name::QueueName;
use serde::{Deserialize, Serialize};

/// The most queues of one worker: each has three consumers, and a stream has at most 48.
pub const QUEUES_MAX: usize = 16;
/// The largest share of a queue.
pub const SHARE_MAX: usize = 100;

/// A change of a running worker. What is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Attempts at once, from 1 to what the worker was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
    /// The queues it serves, with their shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<(QueueName, usize)>>,
}

/// A change that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Nothing is to change.
    #[error("nothing is to change: give a concurrency, queues, or both")]
    Nothing,
    /// No attempts, or more than there is room for.
    #[error("concurrency {wanted} is not from 1 to {most}, which the worker was started with; start one with more")]
    Concurrency {
        /// What was asked for.
        wanted: usize,
        /// What it was started with.
        most: usize,
    },
    /// None, or too many.
    #[error("{0} queues are not from 1 to {QUEUES_MAX}")]
    Queues(usize),
    /// The same queue twice.
    #[error("queue {0} is given twice")]
    Twice(QueueName),
    /// No share.
    #[error("share {share} of queue {queue} is not from 1 to {SHARE_MAX}")]
    Share {
        /// The queue.
        queue: QueueName,
        /// What was asked for.
        share: usize,
    },
    /// Shares beside a strict order.
    #[error(
        "queue {queue}={share} has a share, which means nothing to a worker that serves its queues in strict order"
    )]
    Strict {
        /// The queue.
        queue: QueueName,
        /// What was asked for.
        share: usize,
    },
    /// Not a queue with a share.
    #[error("{0:?} is not NAME or NAME=SHARE")]
    Text(String),
}

impl Setting {
    /// Refuses what a worker cannot do that was started with `most` attempts at once.
    pub fn check(&self, most: usize, strict: bool) -> Result<(), SettingError> {
        if self.concurrency.is_none() && self.queues.is_none() {
            return Err(SettingError::Nothing);
        }
        if let Some(wanted) = self.concurrency.filter(|wanted| !(1..=most).contains(wanted)) {
            return Err(SettingError::Concurrency { wanted, most });
        }
        let Some(queues) = &self.queues else { return Ok(()) };
        if !(1..=QUEUES_MAX).contains(&queues.len()) {
            return Err(SettingError::Queues(queues.len()));
        }
        for (place, (queue, share)) in queues.iter().enumerate() {
            let (queue, share) = (queue.clone(), *share);
            if !(1..=SHARE_MAX).contains(&share) {
                return Err(SettingError::Share { queue, share });
            }
            if strict && share != 1 {
                return Err(SettingError::Strict { queue, share });
            }
            if queues.iter().take(place).any(|(earlier, _)| *earlier == queue) {
                return Err(SettingError::Twice(queue));
            }
        }
        Ok(())
    }

    /// Reads queues as people write them: `default=2, mail`.
    pub fn parse_queues(text: &str) -> Result<Vec<(QueueName, usize)>, SettingError> {
        let parts = text.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty());
        let queue = |part: &str| {
            let wrong = || SettingError::Text(part.chars().take(60).collect());
            let (name, share) = part.split_once('=').unwrap_or((part, "1"));
            Ok((name.parse().map_err(|_| wrong())?, share.parse().map_err(|_| wrong())?))
        };
        parts.map(queue).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(text: &str) -> Setting {
        Setting { queues: Some(Setting::parse_queues(text).unwrap()), ..Setting::default() }
    }

    fn at_once(wanted: usize) -> Setting {
        Setting { concurrency: Some(wanted), ..Setting::default() }
    }

    #[test]
    fn concurrency_goes_down_from_what_the_worker_was_started_with() {
        for (wanted, good) in [(0, false), (1, true), (8, true), (9, false)] {
            assert_eq!(at_once(wanted).check(8, false).is_ok(), good, "{wanted}");
        }
        assert!(at_once(9).check(8, false).unwrap_err().to_string().contains("from 1 to 8"));
        assert_eq!(Setting::default().check(8, false), Err(SettingError::Nothing));
    }

    #[test]
    fn queues_are_held_to_their_rules() {
        queues("default=2, mail").check(1, false).unwrap();
        queues(&(0..QUEUES_MAX).map(|n| format!("q{n}=100,")).collect::<String>()).check(1, false).unwrap();
        for (bad, word) in [("", "0 queues"), ("a,a", "twice"), ("a=0", "share 0"), ("a=101", "share 101")] {
            let told = queues(bad).check(1, false).unwrap_err().to_string();
            assert!(told.contains(word), "{bad}: {told}");
        }
        assert!(queues(&(0..=QUEUES_MAX).map(|n| format!("q{n},")).collect::<String>()).check(1, false).is_err());
        assert!(queues("a=2").check(1, true).is_err() && queues("a,b").check(1, true).is_ok());
        for bad in ["A", "a=x", "=1", "a=-1", "a==1"] {
            assert!(Setting::parse_queues(bad).is_err(), "{bad}");
        }
    }
}

//! The trail: what each attempt of a job came to, carried along in a header.

use crate::name::Digest;
use crate::outcome::{JobError, Meter, OutcomeKind};
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};

/// The most JSON that a trail takes in a header; the oldest attempts give way.
pub const TRAIL_BYTES_MAX: usize = 16 * 1024;
/// The most JSON that one attempt's error takes in a trail.
const ERROR_BYTES_MAX: usize = 2 * 1024;

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// From 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// When it began.
    pub started: UnixMs,
    /// The component that ran, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The worker that ran it.
    pub worker: String,
    /// What it used.
    #[serde(flatten)]
    pub meter: Meter,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

/// The attempts of a job, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trail(pub Vec<AttemptRecord>);

impl Trail {
    /// Adds an attempt, and drops the oldest ones where the trail would outgrow its header.
    pub fn add(&mut self, mut record: AttemptRecord) {
        record.error = record.error.map(|error| error.clipped(ERROR_BYTES_MAX));
        self.0.push(record);
        while self.0.len() > 1 && self.to_header().len() > TRAIL_BYTES_MAX {
            self.0.remove(0);
        }
    }

    /// The trail as one line of JSON in ASCII.
    pub fn to_header(&self) -> String {
        ascii_json(self)
    }

    /// Reads a header; nothing where it is not a trail.
    pub fn from_header(text: &str) -> Option<Self> {
        (text.len() <= 4 * TRAIL_BYTES_MAX).then(|| serde_json::from_str(text).ok()).flatten()
    }
}

/// JSON on one line and in ASCII alone, which every NATS client can carry in a header.
pub fn ascii_json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    if text.is_ascii() {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            let mut units = [0u16; 2];
            for unit in c.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(attempt: u32, message: &str) -> AttemptRecord {
        AttemptRecord {
            attempt,
            outcome: OutcomeKind::Failed,
            started: UnixMs(5),
            digest: Some(Digest::of(b"x")),
            worker: "w".into(),
            meter: Meter { fuel_used: 1, memory_peak_bytes: 2, wall_us: 3, egress_bytes: 0 },
            error: Some(JobError::new(OutcomeKind::Failed, message)),
        }
    }

    #[test]
    fn a_trail_reads_back_from_ascii() {
        let mut trail = Trail::default();
        trail.add(record(1, "Wörter \u{1f980}\r\nNATS/1.0"));
        let header = trail.to_header();
        assert!(header.is_ascii() && !header.contains(['\r', '\n']));
        assert_eq!(Trail::from_header(&header).unwrap(), trail);
    }

    #[test]
    fn a_long_trail_keeps_its_newest_attempts() {
        let mut trail = Trail::default();
        for attempt in 1..=100 {
            trail.add(record(attempt, &"x".repeat(5000)));
        }
        assert!(trail.to_header().len() <= TRAIL_BYTES_MAX);
        assert_eq!(trail.0.last().unwrap().attempt, 100);
        assert!(trail.0.len() > 5);
    }

    #[test]
    fn junk_is_no_trail() {
        for junk in ["", "{}", "[1]", "[{}]", &"[".repeat(100_000)] {
            assert_eq!(Trail::from_header(junk), None);
        }
    }
}

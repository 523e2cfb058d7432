//! The log of an attempt as it is stored: in pieces, each a message whose body is text and whose headers say whose.
//!
//! A job that logs nothing has none. Pieces are written while the attempt runs and before it is settled, so a result
//! never exists without its log. An attempt that a crash or a drain cut short is made again under the same number; what
//! the two say is told apart by when each run of it began.

use crate::header::{self, Headers};
use crate::name::{JobId, TenantName};
use crate::unit::UnixMs;

const STARTED: &str = "Lovage-Started";
const WORKER: &str = "Lovage-Worker";
const END: &str = "Lovage-Log-End";
/// The longest name of a worker that is read.
const WORKER_LENGTH_MAX: usize = 128;

/// A piece of the log of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPiece {
    /// The job.
    pub id: JobId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// When this run of the attempt began.
    pub started: UnixMs,
    /// The worker that ran it.
    pub worker: String,
    /// The place of this piece, from 0.
    pub number: u32,
    /// Nothing while more may follow.
    pub end: Option<LogEnd>,
    /// Whole lines.
    pub text: String,
}

/// How a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEnd {
    /// Nothing is missing.
    Whole,
    /// The attempt logged more than its limit.
    Truncated,
}

impl LogEnd {
    fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Truncated => "truncated",
        }
    }
}

/// The stream of a tenant's logs.
pub fn stream(tenant: &TenantName) -> String {
    format!("LOGS_{tenant}")
}

/// The subjects of that stream.
pub fn subjects(tenant: &TenantName) -> String {
    format!("lovage.{tenant}.log.>")
}

/// The filter of all that one job logged; of one attempt where it is given.
pub fn filter(tenant: &TenantName, id: &JobId, attempt: Option<u32>) -> String {
    match attempt {
        Some(attempt) => format!("lovage.{tenant}.log.{id}.{attempt}.*"),
        None => format!("lovage.{tenant}.log.{id}.*.*"),
    }
}

impl LogPiece {
    /// The subject of this piece.
    pub fn subject(&self, tenant: &TenantName) -> String {
        format!("lovage.{tenant}.log.{}.{}.{}", self.id, self.attempt, self.number)
    }

    /// The headers of this piece.
    pub fn to_headers(&self) -> Headers {
        let mut headers = Headers::new();
        headers.push(header::ID, self.id.as_str());
        headers.push(STARTED, self.started.0.to_string());
        headers.push(WORKER, self.worker.as_str());
        if let Some(end) = self.end {
            headers.push(END, end.as_str());
        }
        headers
    }

    /// Reads a stored piece; nothing where it is none.
    pub fn from_message(subject: &str, headers: &Headers, body: &[u8]) -> Option<Self> {
        let mut tokens = subject.rsplit('.');
        let number = tokens.next()?.parse().ok()?;
        let attempt = tokens.next()?.parse().ok()?;
        let id = tokens.next()?.parse().ok()?;
        let end = match headers.get(END) {
            None => None,
            Some("whole") => Some(LogEnd::Whole),
            Some(_) => Some(LogEnd::Truncated),
        };
        Some(Self {
            id,
            attempt,
            started: UnixMs(headers.get(STARTED)?.parse().ok()?),
            worker: headers.get(WORKER)?.chars().take(WORKER_LENGTH_MAX).collect(),
            number,
            end,
            text: String::from_utf8_lossy(body).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(end: Option<LogEnd>) -> LogPiece {
        LogPiece {
            id: "j-1".parse().unwrap(),
            attempt: 2,
            started: UnixMs(5),
            worker: "w".into(),
            number: 3,
            end,
            text: "info ü\n".into(),
        }
    }

    #[test]
    fn a_piece_reads_back() {
        let tenant = TenantName::default_tenant();
        for end in [None, Some(LogEnd::Whole), Some(LogEnd::Truncated)] {
            let piece = piece(end);
            let subject = piece.subject(&tenant);
            assert_eq!(subject, "lovage.default.log.j-1.2.3");
            assert_eq!(LogPiece::from_message(&subject, &piece.to_headers(), piece.text.as_bytes()), Some(piece));
        }
    }

    #[test]
    fn what_is_no_piece_is_left_out() {
        let (subject, headers) = ("lovage.default.log.j.1.0", piece(None).to_headers());
        assert!(
            LogPiece::from_message(subject, &headers, b"\xff").is_some(),
            "bytes that are no text are shown as such"
        );
        for bad in ["", "x", "lovage.default.log.j.1.x", "lovage.default.log.j.-1.0", "lovage.default.log.*.1.0"] {
            assert_eq!(LogPiece::from_message(bad, &headers, b""), None, "{bad}");
        }
        assert_eq!(LogPiece::from_message(subject, &Headers::new(), b""), None);
    }
}

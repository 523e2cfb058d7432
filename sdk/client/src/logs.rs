//! What the attempts of a job logged: read as it is stored, or followed while the job runs.

use crate::client::Client;
use crate::find::JobState;
use crate::read::ReadError;
use crate::scan;
use futures::{Stream, StreamExt, stream};
use lovage_job::log::{self, LogEnd, LogPiece};
use lovage_job::name::JobId;
use lovage_job::unit::UnixMs;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// The most pieces that are read of one job; an attempt stores one a second at most.
const PIECES_MAX: usize = 100_000;
/// How often a log that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The log of one run of an attempt. An attempt that a crash or a drain cut short is run again under its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptLog {
    /// From 1.
    pub attempt: u32,
    /// When this run began.
    pub started: UnixMs,
    /// Who ran it.
    pub worker: String,
    /// How the log ends; nothing where the attempt still runs, or never ended.
    pub end: Option<LogEnd>,
    /// Its lines.
    pub text: String,
}

impl Client {
    /// What the attempts of a job logged, in the order in which they ran; nothing where none logged anything, or it was
    /// so long ago that the logs are gone.
    pub async fn logs(&self, id: &JobId, attempt: Option<u32>) -> Result<Vec<AttemptLog>, ReadError> {
        Ok(put_together(self.log_pieces(id, attempt, 1).await?.0))
    }

    /// The log of a job in pieces, as they are stored, those there are first; ends with the job. A job that is not
    /// known yet is waited for.
    pub fn follow_logs(
        &self,
        id: &JobId,
        attempt: Option<u32>,
    ) -> impl Stream<Item = Result<LogPiece, ReadError>> + Unpin + use<'_> {
        let state = Following { client: self, id: id.clone(), attempt, next: 1, seen: HashSet::new(), ended: false };
        let pieces = stream::try_unfold(state, |mut state| async move {
            let Some(pieces) = state.look().await? else { return Ok(None) };
            Ok(Some((stream::iter(pieces.into_iter().map(Ok)), state)))
        });
        let pieces = pieces.flat_map(|pieces: Result<_, ReadError>| match pieces {
            Ok(pieces) => pieces.left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        });
        Box::pin(pieces)
    }

    /// The pieces from a sequence on, and the next sequence.
    async fn log_pieces(&self, id: &JobId, attempt: Option<u32>, from: u64) -> Result<(Vec<LogPiece>, u64), ReadError> {
        let filter = log::filter(&self.tenant, id, attempt);
        let read = scan::after(&self.nats, &log::stream(&self.tenant), &filter, from, PIECES_MAX).await;
        let stored = match read {
            Ok(stored) => stored,
            // made when the first job of a tenant logs something
            Err(ReadError::Missing { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let next = stored.last().map_or(from, |last| last.sequence.saturating_add(1));
        let read =
            |stored: &crate::read::Stored| LogPiece::from_message(&stored.subject, &stored.headers, &stored.payload);
        Ok((stored.iter().filter_map(read).collect(), next))
    }
}

struct Following<'c> {
    client: &'c Client,
    id: JobId,
    attempt: Option<u32>,
    next: u64,
    /// Pieces that were given: one that a worker wrote twice is given once.
    seen: HashSet<(UnixMs, u32, u32)>,
    ended: bool,
}

impl Following<'_> {
    /// The next pieces; nothing once the job has ended and all were given.
    async fn look(&mut self) -> Result<Option<Vec<LogPiece>>, ReadError> {
        loop {
            if self.ended {
                return Ok(None);
            }
            // asked first: the log is stored before the end is, so what is read after the end is all there is
            self.ended = matches!(self.client.find(&self.id).await?, JobState::Done(_));
            let (pieces, next) = self.client.log_pieces(&self.id, self.attempt, self.next).await?;
            self.next = next;
            let new = |piece: &LogPiece| self.seen.insert((piece.started, piece.attempt, piece.number));
            let pieces: Vec<_> = pieces.into_iter().filter(new).collect();
            if !pieces.is_empty() {
                return Ok(Some(pieces));
            }
            if !self.ended {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

fn put_together(pieces: Vec<LogPiece>) -> Vec<AttemptLog> {
    // by attempt, then by run; in a run by place, of two of one place the later
    let mut runs: BTreeMap<(u32, UnixMs, String), BTreeMap<u32, LogPiece>> = BTreeMap::new();
    for piece in pieces {
        let run = runs.entry((piece.attempt, piece.started, piece.worker.clone())).or_default();
        run.insert(piece.number, piece);
    }
    let log = |((attempt, started, worker), pieces): ((u32, UnixMs, String), BTreeMap<u32, LogPiece>)| AttemptLog {
        attempt,
        started,
        worker,
        end: pieces.values().last().and_then(|piece| piece.end),
        text: pieces.into_values().map(|piece| piece.text).collect(),
    };
    runs.into_iter().map(log).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(attempt: u32, started: u64, number: u32, text: &str, end: Option<LogEnd>) -> LogPiece {
        let (id, worker) = ("j".parse().unwrap(), "w".to_owned());
        LogPiece { id, attempt, started: UnixMs(started), worker, number, end, text: text.into() }
    }

    #[test]
    fn pieces_become_the_logs_of_runs() {
        let logs = put_together(vec![
            piece(1, 5, 0, "cut ", None),
            piece(2, 90, 0, "next", Some(LogEnd::Truncated)),
            piece(1, 50, 1, "two", Some(LogEnd::Whole)),
            piece(1, 50, 0, "one ", None),
            piece(1, 50, 0, "one ", None),
        ]);
        let told: Vec<_> = logs.iter().map(|log| (log.attempt, log.started.0, log.text.as_str(), log.end)).collect();
        assert_eq!(
            told,
            [(1, 5, "cut ", None), (1, 50, "one two", Some(LogEnd::Whole)), (2, 90, "next", Some(LogEnd::Truncated))]
        );
    }
}

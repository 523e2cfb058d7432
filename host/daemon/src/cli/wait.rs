//! Waiting for a job, with a live line for people and an end by Ctrl-C that leaves the job alone.

use super::live::LiveLine;
use super::worker::Stops;
use super::{Exit, Failure, Output};
use futures::{Stream, StreamExt};
use lovage_client::{Client, WaitError};
use lovage_job::event::Event;
use lovage_job::name::JobId;
use lovage_job::result::JobResult;
use std::io::IsTerminal;
use std::time::Duration;

/// Waits for the end of a job. `events` are those of the job, subscribed to before it can end; `place` is where it is
/// as far as is known.
pub(super) async fn until_end(
    client: &Client,
    (id, place): (&JobId, &str),
    timeout: Option<Duration>,
    events: Option<impl Stream<Item = Event> + Unpin>,
) -> Result<JobResult, Failure> {
    let mut stops = Stops::new()?;
    let line = LiveLine::new(events.is_some(), place);
    let show = show_events(&line, events);
    let ended = tokio::select! {
        ended = client.wait(id, timeout) => ended,
        () = stops.next() => {
            line.clear();
            return Err(interrupted(id));
        }
        // never ends by itself
        () = show => return Err(interrupted(id)),
    };
    line.clear();
    ended.map_err(|error| match &error {
        WaitError::TimedOut { .. } => Failure::new(Exit::Timeout, error).hint(format!("lovage job wait {id}")),
        WaitError::Closed { .. } | WaitError::Read(_) => Failure::new(Exit::Broker, error),
    })
}

fn interrupted(id: &JobId) -> Failure {
    Failure::new(Exit::Interrupted, format!("interrupted; job {id} goes on"))
        .hint(format!("`lovage job wait {id}` waits again, `lovage job cancel {id}` stops it"))
}

/// Whether there is someone to show progress to.
pub(super) fn is_watched(output: Output) -> bool {
    !output.json && std::io::stderr().is_terminal()
}

async fn show_events(line: &LiveLine, events: Option<impl Stream<Item = Event> + Unpin>) {
    if let Some(mut events) = events {
        while let Some(event) = events.next().await {
            line.show(&event);
        }
    }
    std::future::pending::<()>().await;
}
